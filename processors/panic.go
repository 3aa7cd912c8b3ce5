package processors

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// panicFault is a panic of the domain's code. Only the log gets the stack; a dead letter says what
// failed and for which input.
type panicFault struct {
	where string
	value any
	stack string
}

// newPanicFault must be called by the function that recovered, so that the stack still has the
// place of the panic.
func newPanicFault(where string, value any) error {
	return &panicFault{where: where, value: value, stack: string(debug.Stack())}
}

func (p *panicFault) Error() string { return fmt.Sprintf("%s panicked: %v", p.where, p.value) }

// stackOf returns the stack of a panic, or "" for any other error.
func stackOf(err error) string {
	if p := (*panicFault)(nil); errors.As(err, &p) {
		return p.stack
	}
	return ""
}
