package views

import (
	"errors"
	"fmt"
)

// ErrNotReady is the error of reads while a store still lacks records that were in the log when its
// replica connected. Ask again later.
var ErrNotReady = errors.New("the view is not ready")

// ErrNotYetVisible is the error of reads with a token if their context ends before the token is
// covered.
var ErrNotYetVisible = errors.New("the write is not yet visible")

// RowError names a stored row or outcome that could not be decoded. Other rows are not affected.
type RowError struct {
	Topic     string
	Partition int32
	Key       string
	Err       error
}

// Error names the record and says what to do.
func (e *RowError) Error() string {
	return fmt.Sprintf("decode %s/%d key %q: %v (look at the record in the topic; a rebuild of its table writes it anew)",
		e.Topic, e.Partition, e.Key, e.Err)
}

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// GapError says that an aggregate's history lacks a version: its record is not in the topic of
// events or cannot be read as an event.
type GapError struct {
	Topic       string
	Partition   int32
	AggregateID string
	// Version is the first missing version, Next the first one behind it that is there.
	Version, Next int64
}

// Error names the version and says what to do.
func (e *GapError) Error() string {
	return fmt.Sprintf("%s/%d: %s has no version %d (the next one is %d; look for its record in the topic, and for what the view's log says of it)",
		e.Topic, e.Partition, e.AggregateID, e.Version, e.Next)
}
