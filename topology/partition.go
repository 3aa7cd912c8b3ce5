package topology

import (
	"encoding/binary"
	"hash"
	"strconv"

	"github.com/foldlog/foldlog"
)

// PartitionOf returns the partition of a key as Kafka's Java client computes it: murmur2 with the
// top bit cleared, modulo the count. Source:
// org.apache.kafka.clients.producer.internals.BuiltInPartitioner.
func PartitionOf(key []byte, partitions int) int32 {
	return int32(positive(murmur2(key)) % uint32(partitions))
}

// Hasher returns a hash whose Sum32 is the positive murmur2 of the written bytes, for libraries
// that want a hash.Hash32. The top bit is clear, since Goka negates negative values and -2^31 stays
// negative.
func Hasher() hash.Hash32 { return &murmurHash{} }

type murmurHash struct{ data []byte }

func (h *murmurHash) Write(p []byte) (int, error) { h.data = append(h.data, p...); return len(p), nil }
func (h *murmurHash) Reset()                      { h.data = h.data[:0] }
func (h *murmurHash) Size() int                   { return 4 }
func (h *murmurHash) BlockSize() int              { return 4 }
func (h *murmurHash) Sum32() uint32               { return positive(murmur2(h.data)) }
func (h *murmurHash) Sum(b []byte) []byte         { return binary.BigEndian.AppendUint32(b, h.Sum32()) }

func positive(h uint32) uint32 { return h & 0x7fffffff }

// murmur2 is org.apache.kafka.common.utils.Utils.murmur2.
func murmur2(data []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := seed ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data)
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(data[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}

// ProgressPrefix starts the key of a progress record, which says up to which command a table or
// re-keyed partition is complete. No aggregate id and no view key starts like it.
//
// NB: must not change. Tables contain such keys.
const ProgressPrefix = foldlog.ReservedKeyPrefix + "progress/"

// ProgressKeys returns, for each partition, a key that hashes to it, so that a progress record for
// a source partition reaches a chosen partition through any producer. Compaction keeps the last one
// for each source and partition.
func ProgressKeys(source string, sourcePartition int32, partitions int) []string {
	keys := make([]string, partitions)
	for found, n := 0, 0; found < partitions; n++ {
		key := ProgressPrefix + source + "/" + strconv.Itoa(int(sourcePartition)) + "/" + strconv.Itoa(n)
		if p := PartitionOf([]byte(key), partitions); keys[p] == "" {
			keys[p] = key
			found++
		}
	}
	return keys
}
