package views

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/foldlog/foldlog/internal/localdb"
)

// Sizes of the parts of a trace key.
const (
	traceIDSize   = 8
	traceTimeSize = 8
)

// traceIDs are the ids by which a record can be traced: the first bytes of the SHA-256 of each, one
// after another. A lookup compares the id itself afterwards, so that two ids with the same bytes do
// no harm.
//
// A key is kindTrace, the id's bytes, the recorded time and the suffix of the record's own key, so
// the oldest records of a conversation come first.
type traceIDs []byte

func traceIDsOf(ids ...string) traceIDs {
	var all traceIDs
	for i, id := range ids {
		if id != "" && !slices.Contains(ids[:i], id) {
			all = append(all, traceIDOf(id)...)
		}
	}
	return all
}

func traceIDOf(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:traceIDSize]
}

// each calls f with the trace key of each id for a record.
func (t traceIDs) each(recordedAt time.Time, suffix []byte, f func(key []byte)) {
	for id := range slices.Chunk(t, traceIDSize) {
		key := make([]byte, 0, 1+traceIDSize+traceTimeSize+len(suffix))
		key = append(append(key, kindTrace), id...)
		key = binary.BigEndian.AppendUint64(key, uint64(max(0, recordedAt.UnixMicro())))
		f(append(key, suffix...))
	}
}

// clue is an entry of the trace index.
type clue struct {
	micros uint64 // recorded time
	suffix []byte // of the record's own key
}

// clues returns the oldest records of an id, at most limit.
func (s *store) clues(id string, limit int) ([]clue, error) {
	iter := s.db.NewIterator(util.BytesPrefix(append([]byte{kindTrace}, traceIDOf(id)...)), nil)
	defer iter.Release()
	var all []clue
	for len(all) < limit && iter.Next() {
		rest := iter.Key()[1+traceIDSize:]
		if len(rest) <= traceTimeSize {
			return nil, fmt.Errorf("%w: a trace key of %d bytes", localdb.ErrDamaged, len(iter.Key()))
		}
		all = append(all, clue{binary.BigEndian.Uint64(rest), slices.Clone(rest[traceTimeSize:])})
	}
	return all, s.failure("scan", iter.Error())
}
