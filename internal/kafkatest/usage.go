package kafkatest

import "time"

// Usage is what a process uses.
type Usage struct {
	// CPU is the time that it has computed since it was last started, over all cores.
	CPU time.Duration
	// Memory is what it holds of the machine's, in bytes.
	Memory int64
}
