package codecs

import (
	"context"
	"errors"
	"fmt"

	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/schemas"
)

// Values are the values of one topic in their written form: schema and bytes. They are for programs
// that take records to another registry with other ids, and must not change a byte that the chain
// covers.
type Values struct{ topic *topic }

// EventValues, OutcomeValues and CommandValues return the values of the aggregate type's topics.
func (a *Aggregate) EventValues() Values   { return Values{a.events} }
func (a *Aggregate) OutcomeValues() Values { return Values{a.outcomes} }
func (a *Aggregate) CommandValues() Values { return Values{a.commands} }

// Split returns the text of the schema of a value in Avro, and the value without its prefix. The
// error is an *Undecodable or wraps schemas.ErrUnavailable.
func (v Values) Split(ctx context.Context, value []byte) (schema string, body []byte, err error) {
	id, body, err := avro.SplitWire(value)
	if err != nil {
		return "", nil, &Undecodable{Raw: value, Cause: err}
	}
	if schema, err = v.topic.registry.Schema(ctx, id); err != nil {
		return "", nil, v.topic.unreadable(value, err)
	}
	return schema, body, nil
}

// Prefix returns the prefix of values with the schema. If the schema is not registered here, it is
// registered under the topic's subject. If it does not fit there, as a producer's own schema of
// commands may not, it gets a subject of its own.
func (v Values) Prefix(ctx context.Context, schema string) ([]byte, error) {
	s, err := avro.Parse(schema)
	if err != nil {
		return nil, fmt.Errorf("schema of values of %s: %w", v.topic.base, err)
	}
	if known := v.topic.writers.known.Load(); known != nil {
		least := 0
		for id, w := range *known {
			if w.fingerprint == s.Fingerprint && (least == 0 || id < least) {
				least = id
			}
		}
		if least > 0 {
			return avro.AppendPrefix(nil, least), nil
		}
	}
	id, err := v.topic.registry.Register(ctx, v.topic.subject, s.Compact())
	if errors.Is(err, schemas.ErrIncompatible) {
		id, err = v.topic.registry.Register(ctx, fmt.Sprintf("%s-%x", v.topic.subject, s.Fingerprint[:8]), s.Compact())
	}
	if err != nil {
		return nil, err
	}
	return avro.AppendPrefix(nil, id), nil
}

// IsAvro reports whether a command is in Avro, sound or not.
func IsAvro(rec Record) bool { return len(rec.Value) > 0 && !isJSON(&rec) }
