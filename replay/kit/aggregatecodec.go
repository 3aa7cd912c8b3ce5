package kit

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
)

// Bits in the flags of a spilled aggregate.
const (
	flagDamaged = 1 << iota
	flagOtherChain
	flagRows // state and rows follow
)

// encode returns the spilled form of an aggregate.
func (f *AggregateFolds) encode(a *AggregateFold) ([]byte, error) {
	flags := int64(0)
	if a.Damaged {
		flags |= flagDamaged
	}
	if a.OtherChain != nil {
		flags |= flagOtherChain
	}
	if a.Version > 0 && !a.Damaged {
		flags |= flagRows
	}
	b := binary.AppendVarint(make([]byte, 0, 512), flags)
	b = binary.AppendVarint(b, a.Version)
	b = binary.AppendVarint(b, a.Cause)
	b = binary.AppendVarint(b, int64(a.Matched))
	b = binary.AppendVarint(b, a.RecordedAt.UnixMicro())
	b = append(b, a.Chain[:]...)
	if a.OtherChain != nil {
		b = append(b, a.OtherChain[:]...)
	}
	if flags&flagRows == 0 {
		return b, nil
	}
	for i := range len(a.Rows) + 1 {
		raw, err := f.EncodeRow(a, i)
		if err != nil {
			return nil, err
		}
		b = appendPart(b, raw)
	}
	return b, nil
}

func (f *AggregateFolds) decode(b []byte) (*AggregateFold, error) {
	s := spilled{rest: b}
	flags := s.varint()
	a := &AggregateFold{State: f.Spec.Decider.Initial(), Rows: make([]any, len(f.Projections)), Damaged: flags&flagDamaged != 0,
		Version: s.varint(), Cause: s.varint(), Matched: uint64(s.varint()), RecordedAt: time.UnixMicro(s.varint()).UTC()}
	copy(a.Chain[:], s.bytes(len(a.Chain)))
	if flags&flagOtherChain != 0 {
		a.OtherChain = new([32]byte)
		copy(a.OtherChain[:], s.bytes(len(a.OtherChain)))
	}
	if flags&flagRows == 0 || s.short {
		return a, s.err()
	}
	// The schema is the latest, which is known.
	state, err := f.Codec.DecodeState(context.Background(), s.part())
	if err != nil {
		return nil, errors.Join(s.err(), err)
	}
	a.State = state.Data
	for i, p := range f.Projections {
		if raw := s.part(); raw != nil {
			if a.Rows[i], err = p.DecodeRow(context.Background(), raw); err != nil {
				return nil, err
			}
		}
	}
	return a, s.err()
}

// ErrSpilled is returned if the temporary directory has other bytes than were written there.
var ErrSpilled = errors.New("it has other bytes than were written: is the disk of the temporary directory sound?")

// spilled takes bytes apart that were spilled.
type spilled struct {
	rest  []byte
	short bool // there was less than was asked for
}

func (s *spilled) err() error {
	if s.short {
		return ErrSpilled
	}
	return nil
}

func (s *spilled) bytes(n int) []byte {
	if s.short = s.short || n > len(s.rest); s.short {
		return nil
	}
	part := s.rest[:n:n]
	s.rest = s.rest[n:]
	return part
}

func (s *spilled) varint() int64 {
	v, n := binary.Varint(s.rest)
	if s.short = s.short || n <= 0; !s.short {
		s.rest = s.rest[n:]
	}
	return v
}

// part reads bytes that appendPart has written.
func (s *spilled) part() []byte {
	size := s.varint()
	if size < 0 {
		return nil
	}
	return s.bytes(int(size))
}

// appendPart appends a length and bytes; -1 for nil, which is told from empty.
func appendPart(b, part []byte) []byte {
	if part == nil {
		return binary.AppendVarint(b, -1)
	}
	return append(binary.AppendVarint(b, int64(len(part))), part...)
}
