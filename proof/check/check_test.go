package check

import (
	"bytes"
	"strings"
	"testing"
)

func TestAnIntactRunHasNoViolations(t *testing.T) {
	report, err := Run(tell(t).write())
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := report.WriteText(&text, 5); err != nil {
		t.Fatal(err)
	}
	if report.Found() > 0 {
		t.Errorf("violations were imagined:\n%s", text.String())
	}
	for _, i := range report.Invariants {
		if i.NotChecked != "" || i.Checked == 0 {
			t.Errorf("%s was not checked: %s", i.ID, i.NotChecked)
		}
	}
	t.Log(text.String())
}

func TestWhatIsNotCheckedIsNoPass(t *testing.T) {
	w := tell(t)
	w.samples, w.rows, w.receipts, w.run.Fresh = nil, nil, nil, ""
	report, err := Run(w.write())
	if err != nil {
		t.Fatal(err)
	}
	for id, reason := range map[string]string{Rebuilt: "no local store was dumped", Bounded: "no samples were taken"} {
		i := report.Of(id)
		if i.Checked != 0 || i.Found != 0 || !strings.Contains(i.NotChecked, reason) {
			t.Errorf("%s: %d checked, %d found, %q; want not checked, since %s", id, i.Checked, i.Found, i.NotChecked, reason)
		}
	}
	var text bytes.Buffer
	if err := report.WriteText(&text, 0); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "not checked: "); n != 2 {
		t.Errorf("%d invariants are shown as not checked, not 2:\n%s", n, text.String())
	}
}

func TestARunThatCannotBeReadIsNoVerdict(t *testing.T) {
	if _, err := Run(t.TempDir()); err == nil {
		t.Error("an empty directory was judged")
	}
	w := newWorld(t)
	w.run.Partitions = 0
	if _, err := Run(w.write()); err == nil {
		t.Error("a run without a number of partitions was judged")
	}
}
