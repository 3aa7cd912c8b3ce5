package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressEvery is how often progress is told where no terminal shows a bar.
const progressEvery = 5 * time.Second

// Progress tells on the context's Err how far a long work is: a bar on a terminal, else a line
// every few seconds. It is safe for concurrent use.
type Progress struct {
	mu    sync.Mutex
	bar   *progressbar.ProgressBar
	line  func(done int)
	done  int
	last  time.Time
	clock func() time.Time
}

// NewProgress returns the progress of a work with a known number of steps. What says what is being
// done, such as "importing".
func (c *Context) NewProgress(what, unit string, total int) *Progress {
	p := &Progress{clock: time.Now, last: time.Now()}
	if c.Terminal() {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(c.Err),
			progressbar.OptionSetDescription(what),
			progressbar.OptionSetItsString(unit),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionFullWidth(),
			progressbar.OptionClearOnFinish(),
		)
		return p
	}
	began := p.last
	p.line = func(done int) {
		took := p.clock().Sub(began)
		text := fmt.Sprintf("%s: %d of %d %s", what, done, total, unit)
		if rate := perSecond(int64(done), took); rate > 0 && done < total {
			text += fmt.Sprintf(", %d/s, %s left", rate, (time.Duration(total-done) * time.Second / time.Duration(rate)).Round(time.Second))
		}
		fmt.Fprintln(c.Err, text)
	}
	return p
}

// Add counts n finished steps.
func (p *Progress) Add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	if p.bar != nil {
		_ = p.bar.Add(n) // a bar that cannot be drawn must not stop the work
		return
	}
	if now := p.clock(); now.Sub(p.last) >= progressEvery {
		p.last = now
		p.line(p.done)
	}
}

// Close removes the bar, so that what follows starts on a clean line.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
