package replay

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
)

// encode returns what is spilled.
func (f *folder) encode(a *folded) ([]byte, error) {
	b := make([]byte, 0, 512)
	b = binary.AppendUvarint(b, uint64(a.version))
	b = binary.AppendVarint(b, a.cause)
	b = binary.AppendUvarint(b, a.matched)
	flags := byte(0)
	if a.damaged {
		flags |= 1
	}
	if a.other != nil {
		flags |= 2
	}
	if a.version > 0 && !a.damaged {
		flags |= 4
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, a.recordedAt.UnixMicro())
	b = append(b, a.chain[:]...)
	if a.other != nil {
		b = append(b, a.other[:]...)
	}
	if flags&4 == 0 {
		return b, nil
	}
	state, err := f.codec.EncodeState(a.stateRow())
	if err != nil {
		return nil, err
	}
	b = appendPart(b, state)
	for i, row := range a.rows {
		var raw []byte
		if row != nil {
			if raw, err = f.projections[i].EncodeRow(row); err != nil {
				return nil, err
			}
		}
		b = appendPart(b, raw)
	}
	return b, nil
}

var errSpilled = errors.New("it is not what was written")

func (f *folder) decode(b []byte) (*folded, error) {
	a := &folded{state: f.spec.Decider.Initial(), rows: make([]any, len(f.projections))}
	version, n := binary.Uvarint(b)
	cause, m := binary.Varint(b[max(n, 0):])
	matched, k := binary.Uvarint(b[max(n, 0)+max(m, 0):])
	if n <= 0 || m <= 0 || k <= 0 {
		return nil, errSpilled
	}
	a.version, a.cause, a.matched, b = int64(version), cause, matched, b[n+m+k:]
	if len(b) < 1 {
		return nil, errSpilled
	}
	flags := b[0]
	micros, n := binary.Varint(b[1:])
	if n <= 0 || len(b) < 1+n+32 {
		return nil, errSpilled
	}
	a.recordedAt, a.damaged = time.UnixMicro(micros).UTC(), flags&1 != 0
	b = b[1+n:]
	b = b[copy(a.chain[:], b):]
	if flags&2 != 0 {
		a.other = new([32]byte)
		b = b[copy(a.other[:], b):]
	}
	if flags&4 == 0 {
		return a, nil
	}
	raw, b, ok := cutPart(b)
	if !ok {
		return nil, errSpilled
	}
	// the latest schema, which is known
	state, err := f.codec.DecodeState(context.Background(), raw)
	if err != nil {
		return nil, err
	}
	a.state = state.Data
	for i := range a.rows {
		if raw, b, ok = cutPart(b); !ok {
			return nil, errSpilled
		}
		if raw == nil {
			continue
		}
		if a.rows[i], err = f.projections[i].DecodeRow(context.Background(), raw); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// appendPart appends a length and bytes; nil is told from empty.
func appendPart(b, part []byte) []byte {
	if part == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(part))+1), part...)
}

func cutPart(b []byte) (part, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n)+1 {
		return nil, nil, false
	}
	if size == 0 {
		return nil, b[n:], true
	}
	end := n + int(size) - 1
	return b[n:end:end], b[end:], true
}
