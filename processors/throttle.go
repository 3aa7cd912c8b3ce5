package processors

import (
	"context"

	"golang.org/x/time/rate"

	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
)

// throttle lets a group handle at most so many inputs a second, over all its partitions in this
// process; 0 means without a limit. Transactions do not become longer: each takes the inputs that
// were handled when it is cut.
func throttle(g *step.Group, perSecond float64) {
	if perSecond <= 0 {
		return
	}
	limit := rate.NewLimiter(rate.Limit(perSecond), max(int(perSecond/10), 1))
	handle := g.Handle
	g.Handle = func(ctx context.Context, in *record.Record, memory step.Memory) (step.Step, error) {
		if err := limit.Wait(ctx); err != nil { // the attempt ends
			return step.Step{}, err
		}
		return handle(ctx, in, memory)
	}
}
