//go:build !unix

package kafkatest

import "os"

// Systems without job control can neither freeze nor thaw; sending these is an error that says so.
var (
	signalFreeze = os.Interrupt
	signalThaw   = os.Interrupt
)
