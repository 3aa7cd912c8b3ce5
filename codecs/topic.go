package codecs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// topic reads the values of one topic in the form of the latest schema, whatever schema each was
// written with.
type topic struct {
	base    string // without prefix
	subject string
	latest  schemas.Version
	// readings has one reading for each published version.
	readings []*reading
	// id is the latest schema's id in the registry.
	id       int
	registry *schemas.Registry
	writers  writers
}

// writers are the known schemas of written values, by id. They are read for every value and hardly
// ever changed.
type writers struct {
	known atomic.Pointer[map[int]*writer]
	mu    sync.Mutex
}

func (w *writers) load(id int) *writer {
	if known := w.known.Load(); known != nil {
		return (*known)[id]
	}
	return nil
}

// store keeps the first writer that is stored for an id, and returns it.
func (w *writers) store(id int, add *writer) *writer {
	w.mu.Lock()
	defer w.mu.Unlock()
	if have := w.load(id); have != nil {
		return have
	}
	next := map[int]*writer{id: add}
	if known := w.known.Load(); known != nil {
		maps.Copy(next, *known)
	}
	w.known.Store(&next)
	return add
}

// writer is a schema that values were written with.
type writer struct {
	fingerprint [32]byte
	plan        *avro.Plan
	reading     *reading
	err         error // why nothing that was written with it can be read
}

// resolve returns the writer of that id. The error is the writer's own or wraps
// schemas.ErrUnavailable.
func (t *topic) resolve(ctx context.Context, id int) (*writer, error) {
	if w := t.writers.load(id); w != nil {
		return w, w.err
	}
	text, err := t.registry.Schema(ctx, id)
	if err != nil {
		// The registry remembers unknown ids, not this map: they may become known later.
		return nil, err
	}
	w := t.newWriter(text)
	if w.err != nil {
		w.err = fmt.Errorf("schema id %d: %w", id, w.err)
	}
	w = t.writers.store(id, w)
	return w, w.err
}

func (t *topic) newWriter(text string) *writer {
	s, err := avro.Parse(text)
	if err != nil {
		return &writer{err: err}
	}
	w := &writer{fingerprint: s.Fingerprint, reading: t.readingOf(s)}
	reader := w.reading.reader
	if w.plan, err = avro.Compile(s.Type, reader); err == nil && s.Type.Kind != avro.Record {
		err = fmt.Errorf("%s is not a record", s.Type.Describe())
	}
	if err != nil {
		w.err = fmt.Errorf("%s cannot be read as %s: %w", s.Type.Describe(), reader.Describe(), err)
	}
	return w
}

// readingOf returns the reading for values of a schema. If the schema is a published version, it is
// that version's. Otherwise it is that of the most similar version, and the latest of equally
// similar ones: producers have schemas of their own.
func (t *topic) readingOf(s avro.Schema) *reading {
	best, least := t.readings[len(t.readings)-1], -1
	for i := len(t.readings) - 1; i >= 0; i-- {
		r := t.readings[i]
		if r.version.Schema.Fingerprint == s.Fingerprint {
			return r
		}
		d := avro.Distance(s.Type, r.version.Schema.Type)
		if least >= 0 && d >= least {
			continue
		}
		if _, err := avro.Compile(s.Type, r.reader); err == nil {
			best, least = r, d
		}
	}
	return best
}

// opened is a value taken apart.
type opened struct {
	parts *avro.Parts
	// reading is that of the version that the value was written with.
	reading *reading
}

// slot returns the slot for the record of that branch, or nil.
func (o opened) slot(branch int) *slot { return o.reading.slots[branch] }

// open takes a value apart. The caller releases the parts when done with them. The error is an
// *Undecodable or wraps schemas.ErrUnavailable.
func (t *topic) open(ctx context.Context, value []byte) (opened, error) {
	id, body, err := avro.SplitWire(value)
	if err == nil && len(value) > topology.MaxBatchBytes {
		err = fmt.Errorf("%d bytes are more than %d", len(value), topology.MaxBatchBytes)
	}
	if err != nil {
		return opened{}, &Undecodable{Raw: value, Cause: err}
	}
	w, err := t.resolve(ctx, id)
	if err != nil {
		return opened{}, t.unreadable(value, err)
	}
	parts, err := w.plan.Open(body)
	if err != nil {
		return opened{}, &Undecodable{Raw: value, Cause: err}
	}
	return opened{parts, w.reading}, nil
}

// openSound is open, and refuses values with faults.
func (t *topic) openSound(ctx context.Context, value []byte) (opened, error) {
	o, err := t.open(ctx, value)
	if err != nil {
		return opened{}, err
	}
	if f := o.parts.Fault(); f != nil {
		o.parts.Release()
		return opened{}, &Undecodable{Raw: value, Cause: f}
	}
	return o, nil
}

func (t *topic) unreadable(value []byte, err error) error {
	if errors.Is(err, schemas.ErrUnavailable) {
		return fmt.Errorf("read a value of %s: %w", t.base, err)
	}
	return &Undecodable{Raw: value, Cause: err}
}

// chain returns the next link of a hash chain.
//
// NB: must not change. Headers and state rows have what it returned.
func (t *topic) chain(ctx context.Context, previous [32]byte, value []byte) ([32]byte, error) {
	id, body, err := avro.SplitWire(value)
	if err != nil {
		return [32]byte{}, &Undecodable{Raw: value, Cause: err}
	}
	w, err := t.resolve(ctx, id)
	// A schema that cannot be read as the latest still has an identity.
	if err != nil && (w == nil || w.fingerprint == [32]byte{}) {
		return [32]byte{}, t.unreadable(value, err)
	}
	h := sha256.New()
	h.Write(previous[:])
	h.Write(w.fingerprint[:])
	h.Write(body)
	var link [32]byte
	h.Sum(link[:0])
	return link, nil
}
