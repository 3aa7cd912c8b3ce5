package cluster

import (
	"testing"
	"time"
)

func TestPausesBetweenTriesStayShort(t *testing.T) {
	for tries := range 100 {
		pause := retryPause(tries)
		if pause < 15*time.Millisecond || pause > 200*time.Millisecond {
			t.Errorf("%s before try %d", pause, tries)
		}
	}
}
