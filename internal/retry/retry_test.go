package retry_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foldlog/foldlog/internal/retry"
)

// moments returns when each of the attempts came, in seconds, on a clock that only pauses move.
func moments(t *testing.T, attempts int, first, last time.Duration, body func(n int, try *retry.Try)) (at []int) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		for try := range retry.Attempts(t.Context(), first, last) {
			at = append(at, int(time.Since(began).Seconds()))
			if len(at) == attempts {
				return
			}
			body(len(at), try)
		}
	})
	return at
}

func TestPauses(t *testing.T) {
	for name, c := range map[string]struct {
		last time.Duration
		body func(n int, try *retry.Try)
		want []int
	}{
		"grow up to the last one": {8 * time.Second, func(int, *retry.Try) {}, []int{0, 2, 6, 14, 22, 30}},
		"stay the same":           {2 * time.Second, func(int, *retry.Try) {}, []int{0, 2, 4, 6, 8, 10}},
		"begin anew": {8 * time.Second, func(n int, try *retry.Try) {
			if n == 3 {
				try.Restart()
			}
		}, []int{0, 2, 6, 8, 12, 20}},
		"are left out and count": {8 * time.Second, func(n int, try *retry.Try) {
			if n == 2 {
				try.Skip()
			}
		}, []int{0, 2, 2, 10, 18, 26}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := moments(t, len(c.want), 2*time.Second, c.last, c.body); !slices.Equal(got, c.want) {
				t.Errorf("attempts at %v, want %v", got, c.want)
			}
		})
	}
}

func TestPauseIsToldBeforehand(t *testing.T) {
	var told []time.Duration
	moments(t, 4, time.Second, 3*time.Second, func(_ int, try *retry.Try) { told = append(told, try.Pause()) })
	if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestContextEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began, attempts := time.Now(), 0
		for range retry.Attempts(ctx, time.Second, time.Hour) {
			attempts++
		}
		if took := time.Since(began); attempts != 3 || took != 5*time.Second {
			t.Errorf("%d attempts in %s", attempts, took)
		}
		attempts = 0
		for range retry.Attempts(ctx, time.Second, time.Hour) {
			attempts++
		}
		if attempts != 1 {
			t.Errorf("%d attempts with a context that had ended, want 1", attempts)
		}
	})
}
