package codecs

import (
	"context"
	"fmt"

	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/topology"
)

// Projection encodes and decodes the rows of one version of a projection.
type Projection struct {
	spec *topology.ProjectionSpec
	rows *topic
	row  *slot
}

func (b *builder) projection(spec *topology.ProjectionSpec) *Projection {
	p := &Projection{spec: spec, rows: b.topic(topology.Names{}.Table(spec.ID()))}
	if p.rows == nil {
		return p
	}
	p.row = b.bind(p.rows, "projection "+spec.ID()+", row", wholeValue, topology.MaxBatchBytes, spec.Row, spec.RowUpcasts)
	return p
}

// Spec returns the projection's declaration.
func (p *Projection) Spec() *topology.ProjectionSpec { return p.spec }

// EncodeRow returns the value of a table record. The row is a value of the declared Go type.
func (p *Projection) EncodeRow(row any) ([]byte, error) {
	value, err := p.row.binding.Append(avro.AppendPrefix(make([]byte, 0, 256), p.rows.id), row)
	if err != nil {
		return nil, fmt.Errorf("encode row of %s: %w", p.spec.ID(), err)
	}
	if len(value) > topology.MaxBatchBytes {
		return nil, fmt.Errorf("value for %s has %d bytes; at most %d are allowed", p.rows.base, len(value), topology.MaxBatchBytes)
	}
	return value, nil
}

// DecodeRow returns the row in a table record's value, a value of the declared Go type. The error
// is an *Undecodable or wraps schemas.ErrUnavailable.
func (p *Projection) DecodeRow(ctx context.Context, value []byte) (any, error) {
	o, err := p.rows.openSound(ctx, value)
	if err != nil {
		return nil, err
	}
	defer o.parts.Release()
	row, err := o.slot(0).decode(o.parts.Joined())
	if err != nil {
		return nil, &Undecodable{Raw: value, Cause: err}
	}
	return row, nil
}
