package exactlyonce

import (
	"encoding/binary"
	"errors"

	"github.com/foldlog/foldlog/internal/record"
)

// An index entry is stored as the record behind it: key, value and headers. Reading it is reading
// that record again, so the seam needs no encoding of its own, and writing it costs nothing.
//
// NB: must not change without a new storeFormat. Stores contain it.

func encodeRemembered(r *record.Record) []byte {
	size := 4*binary.MaxVarintLen64 + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		size += 2*binary.MaxVarintLen32 + len(h.Key) + len(h.Value)
	}
	b := make([]byte, 0, size)
	b = appendBytes(b, r.Key)
	b = binary.AppendUvarint(b, uint64(len(r.Headers)))
	for _, h := range r.Headers {
		b = appendBytes(b, []byte(h.Key))
		b = appendBytes(b, h.Value)
	}
	return append(b, r.Value...)
}

func appendBytes(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

var errTruncated = errors.New("the stored record is truncated")

func decodeRemembered(b []byte) (*record.Record, error) {
	r := &record.Record{}
	var ok bool
	if r.Key, b, ok = cutBytes(b); !ok {
		return nil, errTruncated
	}
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return nil, errTruncated
	}
	b = b[n:]
	for range count {
		var key, value []byte
		if key, b, ok = cutBytes(b); !ok {
			return nil, errTruncated
		}
		if value, b, ok = cutBytes(b); !ok {
			return nil, errTruncated
		}
		r.Headers = append(r.Headers, record.Header{Key: string(key), Value: value})
	}
	r.Value = b
	return r, nil
}

func cutBytes(b []byte) (data, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(size)], b[n+int(size):], true
}
