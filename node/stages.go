package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// drainNotice is how long a stage may take to stop before the log says what is being waited for.
const drainNotice = 5 * time.Second

// stages are the parts of a process in the order in which they were started. They are stopped in
// the opposite order, each before the next, so that no part loses what it depends on while it
// drains.
type stages struct {
	logger *slog.Logger
	// failed takes the first error of a stage that ended although nobody stopped it.
	failed chan error

	mu      sync.Mutex
	running []*stage
}

type stage struct {
	name string
	stop func() error
}

func newStages(logger *slog.Logger) *stages {
	return &stages{logger: logger, failed: make(chan error, 1)}
}

// start runs a stage in the background until it is stopped. The stage drains when its context ends
// and then returns.
func (s *stages) start(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil { // nobody asked for it
			if err == nil {
				err = errors.New("ended by itself")
			}
			select {
			case s.failed <- fmt.Errorf("%s: %w", name, err):
			default: // the first failure is the one to tell
			}
			err = nil
		}
		done <- err
	}()
	s.add(name, func() error {
		cancel()
		err := <-done
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})
}

// add registers what is to be closed after all that is added later.
func (s *stages) add(name string, stop func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, &stage{name: name, stop: stop})
}

// stop stops the stages, the last started one first, and returns what went wrong meanwhile.
func (s *stages) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems []error
	for i := len(s.running) - 1; i >= 0; i-- {
		st := s.running[i]
		s.logger.Debug("stopping", "part", st.name)
		notice := time.AfterFunc(drainNotice, func() {
			s.logger.Warn("still draining; a second signal leaves at once", "part", st.name)
		})
		if err := st.stop(); err != nil {
			problems = append(problems, fmt.Errorf("stop %s: %w", st.name, err))
		}
		notice.Stop()
	}
	s.running = nil
	return errors.Join(problems...)
}

// wait returns when ctx ends (nil) or a stage fails.
func (s *stages) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}
