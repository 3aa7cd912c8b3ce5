package replay_test

import (
	"testing"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/replay"
)

func (s *system) verify(memory int64) *replay.Report {
	s.t.Helper()
	report, err := replay.Verify(s.t.Context(), replay.Config{
		Topology: s.topology, Settings: s.settings, Codecs: s.codecs, Cluster: s.cluster, Memory: memory, TempDir: s.t.TempDir(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

// intact fails the test where something is found.
func intact(t *testing.T, r *replay.Report) {
	t.Helper()
	for _, f := range r.Findings {
		t.Errorf("imagined: %s", f)
	}
	for _, u := range r.Unchecked {
		t.Errorf("not checked: %s", u)
	}
}

func TestNothingIsImagined(t *testing.T) {
	s := newSystem(t, "intact.")
	if _, err := cluster.EnsureTopics(t.Context(), s.cluster, s.topology, s.settings); err != nil {
		t.Fatal(err)
	}
	stop := s.run()
	s.story("a")
	intact(t, s.verify(0))
	stop()
	r := s.verify(0)
	intact(t, r)
	t.Logf("%+v", r)
}
