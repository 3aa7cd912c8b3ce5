package backup

import (
	"context"
	"fmt"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/backup/archive"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// write writes an event or outcome to the archive. Its known headers are columns, or copies of the
// value; the others go along.
func (g *growing) write(ctx context.Context, w *archive.Writer, r *record.Record) error {
	id, recorded, err := g.about(ctx, r.Value)
	if err != nil {
		return err
	}
	if id != string(r.Key) {
		return &codecs.Undecodable{Raw: r.Value, Cause: fmt.Errorf("its key is %q and its aggregate %q", r.Key, id)}
	}
	schema, body, err := g.values.Split(ctx, r.Value)
	if err != nil {
		return err
	}
	row := rowOf(r, body)
	if g.kind == archive.Events {
		row.Chain, row.Complete = r.Header(codecs.HeaderChain), r.Header(codecs.HeaderProgress) != nil
	}
	return w.Write(schema, recorded, row)
}

// writeCommand writes a command unchanged, even if it cannot be read. Only the prefix that names
// its schema is replaced, if it has one.
func (x *exporting) writeCommand(ctx context.Context, w *archive.Writer, spec *topology.AggregateSpec, r *record.Record) error {
	c := archive.Command{Key: r.Key, Value: r.Value}
	if codecs.IsAvro(*r) {
		text, body, err := x.kit.Config.Codecs.Aggregate(spec.Name).CommandValues().Split(ctx, r.Value)
		switch {
		case err == nil:
			if c.Schema, err = fingerprintOf(text); err == nil {
				c.Value = body
				x.archive.AddSchema(c.Schema, text)
			}
		case !kit.Undecodable(err):
			return err
		}
	}
	row := rowOf(r, c.Bytes())
	row.Headers = r.Headers
	return w.Write(archive.CommandSchema, r.Timestamp, row)
}

func fingerprintOf(schema string) (string, error) {
	s, err := avro.Parse(schema)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", s.Fingerprint), nil
}

// inColumns are the headers that are columns of a row, or follow from its value.
var inColumns = map[string]bool{
	codecs.HeaderChain: true, codecs.HeaderCause: true, codecs.HeaderProgress: true, codecs.HeaderContentType: true, codecs.HeaderCESpecVersion: true,
	codecs.HeaderCEID: true, codecs.HeaderCESource: true, codecs.HeaderCEType: true, codecs.HeaderCETime: true, codecs.HeaderCESubject: true,
}

// rowOf returns a record as a row, with the headers that are not elsewhere.
func rowOf(r *record.Record, body []byte) *archive.Row {
	row := &archive.Row{Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp, Cause: string(r.Header(codecs.HeaderCause)), Value: body}
	for _, h := range r.Headers {
		if !inColumns[h.Key] {
			row.Headers = append(row.Headers, h)
		}
	}
	return row
}
