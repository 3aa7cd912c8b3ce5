//go:build !linux

package kafkatest

import (
	"errors"
	"syscall"
)

// dieWithParent cannot be had here: children of a process that is killed live on.
func dieWithParent() *syscall.SysProcAttr { return nil }

func usageOf(int) (Usage, error) { return Usage{}, errors.ErrUnsupported }
