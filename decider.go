package foldlog

// Decider is the write model of one aggregate type: three pure functions. S is its state, C its
// commands, E its events.
//
// The functions must not keep or change their arguments, read a clock or draw a random number. They
// are called from one goroutine per partition, so different aggregates may be decided concurrently.
type Decider[S, C, E any] struct {
	// Initial returns the state of an aggregate without events. Nil means the zero value of S.
	Initial func() S
	// Decide returns the events that the command causes, in order; none means accepted without
	// effect. A refusal is a [*Rejection]. Any other error is a defect of the domain and answered
	// as [CodeInternal].
	Decide func(state S, command Command[C]) ([]E, error)
	// Evolve returns the state after the event. It cannot fail: the event has happened. A type it
	// does not know is a defect: panic with [Unhandled].
	Evolve func(state S, event Event[E]) S
}

// Policy reacts to the events of one aggregate type with commands to others. It keeps no state.
// State belongs in an aggregate: a process manager is an aggregate plus policies.
type Policy[E any] struct {
	// React returns the commands to send, in order; none if the policy ignores the event.
	React func(event Event[E]) []Send
}

// Projection folds the events of one aggregate type into rows. R is the row, E the aggregate's
// events.
type Projection[R, E any] struct {
	// Key returns the key of the row that the event changes, or "" if it changes none. Nil means
	// the aggregate's id. A computed key is 1 to 512 bytes of UTF-8; "__foldlog-" at its start is
	// reserved.
	Key func(event Event[E]) string
	// Project returns the row after the event. It gets the zero value of R if there is no row yet.
	Project func(row R, event Event[E]) R
}
