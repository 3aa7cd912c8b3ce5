//go:build unix

package kafkatest

import "syscall"

const (
	signalFreeze = syscall.SIGSTOP
	signalThaw   = syscall.SIGCONT
)
