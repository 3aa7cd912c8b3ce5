package cluster

import (
	"errors"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrEnough says that a batch was not decompressed yet, since the batches before it fill the memory
// of an [Intake]. It is fetched again.
var ErrEnough = errors.New("what was fetched before fills its memory")

// Intake is a decompressor that bounds the bytes of records that are fetched and not handled. One
// answer of a broker can have thousands of small batches with gigabytes in them: only so many are
// decompressed that the limit is passed by one batch at most ([MaxDecompressed]). franz-go returns
// those, and fetches the others again. It is safe for concurrent use.
type Intake struct {
	limit   int64
	waiting func() int64
	fresh   atomic.Int64 // decompressed, and not yet taken by the reader
}

// NewIntake returns an intake with a limit in bytes. If waiting is not nil, it returns the bytes
// that the reader has taken and not handled.
func NewIntake(limit int64, waiting func() int64) *Intake {
	if waiting == nil {
		waiting = func() int64 { return 0 }
	}
	return &Intake{limit: limit, waiting: waiting}
}

// Decompress is in [kgo.Decompressor].
func (i *Intake) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if i.fresh.Load()+i.waiting() > i.limit {
		return nil, ErrEnough
	}
	out, err := Decompressor().Decompress(src, codec)
	i.fresh.Add(int64(len(out)))
	return out, err
}

// Taken says that the reader has the records that were decompressed so far, and counts them. Those
// of an answer that is being read at that moment are not counted until they are taken, too: so
// twice the limit may be in memory.
func (i *Intake) Taken() { i.fresh.Store(0) }
