package check

import (
	"bytes"
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
