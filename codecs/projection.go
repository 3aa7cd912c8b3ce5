package codecs

import (
	"context"
	"fmt"

	"github.com/foldlog/foldlog/topology"
)

// Projection encodes and decodes the rows of one projection.
type Projection struct {
	spec *topology.ProjectionSpec
	rows *topic
	row  *binding
}

func (b *builder) projection(spec *topology.ProjectionSpec) *Projection {
	p := &Projection{spec: spec, rows: b.topic(topology.Names{}.Table(spec.Name))}
	if p.rows == nil {
		return p
	}
	where := "projection " + spec.Name
	for _, problem := range matchFields(where+", row", spec.Row, p.rows.latest.Type) {
		b.problem("%s", problem)
	}
	schema, err := parseAvro(p.rows.latest)
	if err == nil {
		p.row, err = newBinding(newAPI(topology.MaxBatchBytes), schema, p.rows.latest.Type, spec.Row)
	}
	if err != nil {
		b.problem("%s: %w", where, err)
	}
	return p
}

// Spec returns the projection's declaration.
func (p *Projection) Spec() *topology.ProjectionSpec { return p.spec }

// EncodeRow returns the value of a table record. The row is a value of the declared Go type.
func (p *Projection) EncodeRow(row any) ([]byte, error) {
	value, err := p.row.append(appendPrefix(make([]byte, 0, 256), p.rows.id), row)
	if err != nil {
		return nil, fmt.Errorf("encode row of %s: %w", p.spec.Name, err)
	}
	return p.rows.finish(value)
}

// DecodeRow returns the row in a table record's value, a value of the declared Go type. The error is an *Undecodable or wraps
// schemas.ErrUnavailable.
func (p *Projection) DecodeRow(ctx context.Context, value []byte) (any, error) {
	c, e, err := p.rows.openSound(ctx, value)
	if err != nil {
		return nil, err
	}
	defer c.release()
	row, err := p.row.decode(e.joined(c))
	if err != nil {
		return nil, &Undecodable{Raw: value, Cause: err}
	}
	return row, nil
}
