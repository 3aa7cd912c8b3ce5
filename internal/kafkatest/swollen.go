package kafkatest

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ProduceSwollen writes a batch with one record whose value has so many zero bytes, compressed to a
// fraction of a thousandth: small enough for any topic, and valid for the brokers.
func ProduceSwollen(t testing.TB, brokers []string, topic string, partition int32, key []byte, size int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.WithCompressor(swelling{key, size}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// What is compressed is another record than this one, which only has to be worth compressing.
	small := &kgo.Record{Topic: topic, Partition: partition, Key: key, Value: bytes.Repeat([]byte("x"), 512<<10)}
	if err := client.ProduceSync(ctx, small).FirstErr(); err != nil {
		t.Fatalf("write a batch that holds %d bytes: %v", size, err)
	}
}

// swelling compresses a record of its own instead of what it gets.
type swelling struct {
	key  []byte
	size int
}

func (s swelling) Compress(dst *bytes.Buffer, _ []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	body := []byte{0, 0, 0} // attributes, and no difference of time and offset to the batch
	body = append(binary.AppendVarint(body, int64(len(s.key))), s.key...)
	body = binary.AppendVarint(body, int64(s.size))
	head := binary.AppendVarint(nil, int64(len(body)+s.size+1))
	whole := append(append(head, body...), make([]byte, s.size+1)...) // the last zero: no headers
	zstd, err := kgo.DefaultCompressor(kgo.ZstdCompression())
	if err != nil {
		panic(err)
	}
	return zstd.Compress(dst, whole)
}
