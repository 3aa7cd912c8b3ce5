package processors

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/exactlyonce"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// guard keeps a group going, whatever its handler makes of an input. A panic, an error that another
// try would only repeat, and a step that the brokers would refuse set the input aside. The handlers
// know better answers for what they expect; this is for the rest. If progress is not nil, it finds
// the progress that the input announces, which is passed on even then.
func guard(g *step.Group, letters deadLetters, progress func(*record.Record) *step.Progress) {
	handle := g.Handle
	setAside := func(in *record.Record, cause error) step.Step {
		s := letters.step(in, cause)
		if progress != nil {
			s.Progress = progress(in)
		}
		return s
	}
	g.Handle = func(ctx context.Context, in *record.Record, memory step.Memory) (s step.Step, err error) {
		defer func() {
			if cause := recover(); cause != nil {
				s, err = setAside(in, newPanicFault("group "+g.Name, cause)), nil
			}
		}()
		if why := in.Header(cluster.HeaderUnreadable); why != nil && in.Value == nil {
			return setAside(in, errors.New(string(why))), nil
		}
		s, err = handle(ctx, in, memory)
		if err == nil {
			err = checkSizes(s)
		}
		if err != nil && !passing(ctx, err) {
			return setAside(in, err), nil
		}
		return s, err
	}
}

// passing reports whether an error may pass without a change to the input or the domain: the
// registry or the store is away, or a newer release wrote what is read. Only then an input is tried
// again.
func passing(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, schemas.ErrUnavailable) || errors.Is(err, codecs.ErrNewerSchema) ||
		exactlyonce.Cause(err) == exactlyonce.CauseStore
}

// maxStepBytes bounds the records of one step. All of them are in memory at once.
const maxStepBytes = 64 << 20

// checkSizes returns an error unless the brokers take every record of a step. One that they
// refuse would fail the transaction, and all inputs of the group with it, again and again.
func checkSizes(s step.Step) error {
	total := 0
	for i := range s.Records {
		if err := codecs.Fits(&s.Records[i]); err != nil {
			return err
		}
		total += s.Records[i].Size()
	}
	if total > maxStepBytes {
		return fmt.Errorf("one input would lead to %d records of %d bytes; at most %d bytes fit", len(s.Records), total, maxStepBytes)
	}
	if s.Row != nil && len(s.Row.Encoded) > topology.MaxRecordBytes {
		return fmt.Errorf("the row would have %d bytes; at most %d fit", len(s.Row.Encoded), topology.MaxRecordBytes)
	}
	return nil
}

// clip shortens a text of the domain or a sender to at most so many bytes of valid UTF-8.
func clip(text string, most int) string {
	if len(text) > most {
		text = text[:most-len("...")] + "..."
	}
	return strings.ToValidUTF8(text, "")
}
