package cluster

import (
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// MaxDecompressed bounds the size of a decompressed batch, in bytes, for every reader: 36 KB of
// zstd can hold 1.2 GB. A larger batch is unreadable, as is one that its codec cannot decompress.
// Everybody sees the same: a [Placeholder] in its place, and the batch behind it.
const MaxDecompressed = 64 << 20

// HeaderUnreadable is the header of a placeholder. Its value says which batch could not be read,
// and why.
const HeaderUnreadable = "foldlog-unreadable"

// decompressor turns every failure into kgo.ErrMaxDecompress, for which alone franz-go names the
// batch. A batch that no codec can read will not get better either.
type decompressor struct{ bounded kgo.Decompressor }

func (d decompressor) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	out, err := d.bounded.Decompress(src, codec)
	if err != nil && !errors.Is(err, kgo.ErrMaxDecompress) {
		err = fmt.Errorf("%w: %w", kgo.ErrMaxDecompress, err)
	}
	return out, err
}

// Decompressor returns the decompressor of all readers. It is safe for concurrent use.
var Decompressor = sync.OnceValue(func() kgo.Decompressor {
	// Only a client gives franz-go's own decompressor a bound. It connects to nobody.
	client, err := kgo.NewClient(kgo.MaxDecompressBatchBytes(MaxDecompressed))
	if err != nil {
		panic(fmt.Sprintf("franz-go refuses a bound of decompression: %v", err))
	}
	defer client.Close()
	return decompressor{client.OptValue(kgo.WithDecompressor).(kgo.Decompressor)}
})

// Placeholder returns a record that stands for a batch, if err says that the batch is unreadable.
// It has no key and no value, and the offset of the batch's last record, so that a reader who goes
// on behind it goes on behind the batch.
func Placeholder(err error) (r *kgo.Record, ok bool) {
	batch, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err)
	if !ok {
		return nil, false
	}
	why := fmt.Sprintf("the batch of offsets %d to %d cannot be decompressed, or has more than %d bytes then", batch.Offset, batch.NextOffset-1, MaxDecompressed)
	return &kgo.Record{
		Topic: batch.Topic, Partition: batch.Partition, Offset: batch.NextOffset - 1, LeaderEpoch: batch.Epoch,
		Headers: []kgo.RecordHeader{{Key: HeaderUnreadable, Value: []byte(why)}},
	}, true
}

// Skip makes a client that stopped at unreadable batches go on behind them. It returns a
// placeholder for each of them, and the errors that are left.
func Skip(client *kgo.Client, fetches kgo.Fetches) (skipped []*kgo.Record, rest []kgo.FetchError) {
	behind := map[string]map[int32]kgo.EpochOffset{}
	for _, failure := range fetches.Errors() {
		r, unreadable := Placeholder(failure.Err)
		if !unreadable {
			rest = append(rest, failure)
			continue
		}
		skipped = append(skipped, r)
		if behind[r.Topic] == nil {
			behind[r.Topic] = map[int32]kgo.EpochOffset{}
		}
		behind[r.Topic][r.Partition] = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
	}
	if len(behind) > 0 {
		client.SetOffsets(behind)
	}
	return skipped, rest
}
