package exactlyonce

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Causes of a failed attempt, as [Cause] names them: a small set, so that restarts can be counted
// by cause.
const (
	CauseConfiguration = "configuration"
	CausePanic         = "panic"
	CauseTransaction   = "transaction" // a transaction failed or its outcome is unknown
	CauseFenced        = "fenced"      // another process uses the same instance name or took over
	CauseMembership    = "membership"  // the group could not be joined
	CauseFetch         = "fetch"
	CauseRestore       = "restore"
	CauseStore         = "store"
	CausePartitioning  = "partitioning" // a row's key belongs to another partition
	CauseOther         = "other"
)

// failure is an error with its cause.
type failure struct {
	cause string
	err   error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// fail gives err a cause, unless it has one.
func fail(cause string, err error) error {
	if err == nil {
		return nil
	}
	if f := (*failure)(nil); errors.As(err, &f) {
		return err
	}
	if isFenced(err) {
		cause = CauseFenced
	}
	return &failure{cause, err}
}

func failf(cause, format string, args ...any) error { return fail(cause, fmt.Errorf(format, args...)) }

// Cause returns why an attempt failed, as one of the Cause constants.
func Cause(err error) string {
	if f := (*failure)(nil); errors.As(err, &f) {
		return f.cause
	}
	return CauseOther
}

// isFenced reports whether another process initialised the transactional id or took over. If that
// aborted a transaction, the coordinator answers its end with INVALID_TXN_STATE under transactions
// V2, since it knows the epoch as that of the abort.
func isFenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.FencedInstanceID) ||
		errors.Is(err, kerr.InvalidProducerIDMapping) || errors.Is(err, kerr.TransactionCoordinatorFenced) || errors.Is(err, kerr.InvalidTxnState)
}

// errGenerationOver says that the group went on without this member, or with a newer generation of
// it. Nothing was committed.
var errGenerationOver = errors.New("the consumer group's generation is over")
