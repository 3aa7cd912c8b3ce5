package codecs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"mime"
	"strings"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/topology"
)

// Command is a decoded command.
type Command struct {
	// Command has all of its metadata. Its Data is a value of the declared Go type, or nil if there
	// is a Problem with it.
	foldlog.Command[any]
	// Spec is the command's declaration; zero if the type is unknown.
	Spec topology.CommandSpec
	// Type is the type that the sender wrote, cut to [foldlog.MaxIDLength] bytes.
	Type string
	// PayloadHash decides whether a second command with this id is the same one. It covers the
	// type, the expected version, and the data as canonical Avro in the oldest form of its record
	// with the same meaning. If the data cannot be read, it covers the whole value.
	PayloadHash []byte
	// Problem, if not nil, says why the command cannot be executed, though it can be answered. Its
	// code is [foldlog.CodeInvalidField], [foldlog.CodeKeyMismatch], or that of the command's own
	// Validate.
	Problem *foldlog.Rejection
}

// DecodeCommand reads a record of the commands topic, JSON or Avro. The header content-type
// decides. If it is absent or has another value, the first byte decides (0 is Avro). The error
// wraps schemas.ErrUnavailable, or is an *Undecodable: then no outcome can be given, because the
// aggregate's id or the command's id cannot be read.
//
// A record without a key is addressed by aggregate_id. Ids, correlation and actor are filled in as
// documented for the topic.
func (a *Aggregate) DecodeCommand(ctx context.Context, rec Record) (Command, error) {
	return a.decodeCommand(ctx, rec, true)
}

// DecodeCommandUnhashed is DecodeCommand without the PayloadHash, which is a third of the work. It
// is for readers of a log that answer nothing.
func (a *Aggregate) DecodeCommandUnhashed(ctx context.Context, rec Record) (Command, error) {
	return a.decodeCommand(ctx, rec, false)
}

func (a *Aggregate) decodeCommand(ctx context.Context, rec Record, hashed bool) (Command, error) {
	switch {
	case rec.Value == nil:
		return Command{}, undecodable(rec.Value, "a command has a value; this record has none")
	case len(rec.Value) > topology.MaxCommandBytes:
		return Command{}, undecodable(rec.Value, "%d bytes are more than a command may have, %d", len(rec.Value), topology.MaxCommandBytes)
	}
	if len(rec.Key) > 0 {
		if err := foldlog.CheckAggregateID(string(rec.Key)); err != nil {
			return Command{}, undecodable(rec.Value, "record key: %w", err)
		}
	}
	if isJSON(&rec) {
		r, err := a.openJSON(rec.Value)
		if err != nil {
			return Command{}, undecodable(rec.Value, "%w", err)
		}
		return a.command(&rec, r, hashed)
	}
	o, err := a.commands.open(ctx, rec.Value)
	if err != nil {
		return Command{}, err
	}
	defer o.parts.Release()
	return a.command(&rec, a.openAvro(o), hashed)
}

func undecodable(value []byte, format string, args ...any) error {
	return &Undecodable{Raw: value, Cause: fmt.Errorf(format, args...)}
}

// isJSON reports whether a command is encoded in JSON.
func isJSON(rec *Record) bool {
	switch header := rec.Header(HeaderContentType); string(header) {
	case "":
	case ContentTypeAvro:
		return false
	case ContentTypeJSON:
		return true
	default:
		media, _, err := mime.ParseMediaType(string(header))
		switch {
		case err != nil:
		case media == ContentTypeJSON || strings.HasSuffix(media, "+json"):
			return true
		case media == ContentTypeAvro || media == "avro/binary" || strings.HasSuffix(media, "+avro"):
			return false
		}
	}
	return len(rec.Value) == 0 || rec.Value[0] != avro.Magic
}

// command completes a command that was read: ids, actor, the problems in their order of precedence,
// and the Go value.
func (a *Aggregate) command(rec *Record, r *raw, hashed bool) (Command, error) {
	var cmd Command
	if r.codec != nil {
		cmd.Spec, cmd.Type = r.codec.spec, r.codec.spec.Name
	} else {
		cmd.Type = clipID(string(r.fields[fieldType].text))
	}
	cmd.RecordedAt = rec.Timestamp.UTC().Truncate(time.Microsecond)
	cmd.ExpectedVersion = r.expected
	if err := r.fillIDs(&cmd.Meta, rec); err != nil {
		return Command{}, &Undecodable{Raw: rec.Value, Cause: err}
	}
	r.fillMeta(&cmd.Meta, rec)
	if r.expected != nil && *r.expected < 0 {
		r.note(avro.Faultf("must not be negative").In("expected_version"))
	}
	var invalid *foldlog.Rejection
	switch {
	case r.codec == nil || r.body == nil:
		if hashed {
			cmd.PayloadHash = valueHash(rec.Value)
		}
	default:
		data, err := r.slot.decode(r.body)
		if hashed {
			form, body := r.codec.canonicalForm(r.slot, r.body, data)
			cmd.PayloadHash = payloadHash(cmd.Type, form, body, r.expected)
		}
		if r.problem != nil {
			break
		}
		// The bytes were sound, so this is a defect. One dead letter is better than a stop.
		if err != nil {
			return Command{}, &Undecodable{Raw: rec.Value, Cause: err}
		}
		cmd.Data = data
		invalid = validate(data)
	}
	id := r.fields[fieldAggregateID].text
	switch mismatch := id != nil && string(id) != cmd.AggregateID; {
	case r.problem != nil:
		cmd.Problem = foldlog.InvalidField(r.problem.Path, "%s", r.problem.Message)
	case invalid != nil && invalid.Code == foldlog.CodeInvalidField:
		cmd.Problem = invalid
	case mismatch:
		cmd.Problem = foldlog.Reject(foldlog.CodeKeyMismatch, "aggregate_id is %q, but the record's key is %q; they must be the same",
			avro.Clip(string(id)), cmd.AggregateID)
	case invalid != nil:
		cmd.Problem = invalid
	}
	if cmd.Problem != nil {
		cmd.Data = nil
	}
	return cmd, nil
}

func clipID(s string) string {
	if len(s) > foldlog.MaxIDLength {
		s = s[:foldlog.MaxIDLength]
	}
	return strings.ToValidUTF8(s, "")
}

// validate runs the payload's own check. A panic in it is a defect of the domain and affects only
// that command.
func validate(data any) (r *foldlog.Rejection) {
	v, ok := data.(foldlog.Validator)
	if !ok {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			r = foldlog.Reject(foldlog.CodeInternal, "checking the %T panicked: %v", data, p)
		}
	}()
	err := v.Validate()
	if err == nil {
		return nil
	}
	rejection, ok := foldlog.AsRejection(err)
	switch {
	case !ok:
		return foldlog.Reject(foldlog.CodeInternal, "%v", err)
	case rejection == nil || rejection.Code == "":
		return foldlog.Reject(foldlog.CodeInternal, "checking the %T returned a rejection without a code", data)
	}
	return rejection
}

// payloadHash hashes the parts that make two commands the same. Lengths come before texts, so that
// no two inputs are the same bytes.
//
// NB: must not change. Outcomes have it, and a repeated command is compared with them.
func payloadHash(name string, form int, body []byte, expected *int64) []byte {
	h := sha256.New()
	var n [binary.MaxVarintLen64]byte
	text := func(b []byte) {
		h.Write(n[:binary.PutUvarint(n[:], uint64(len(b)))])
		h.Write(b)
	}
	if form == 0 {
		h.Write([]byte{1})
	} else { // the same bytes say something else in another form
		h.Write([]byte{3})
		h.Write(n[:binary.PutUvarint(n[:], uint64(form))])
	}
	text([]byte(name))
	text(body)
	if expected != nil {
		h.Write(n[:binary.PutVarint(n[:], *expected)])
	}
	return h.Sum(nil)
}

// valueHash stands in for payloadHash if the data cannot be read. It is never equal to one.
func valueHash(value []byte) []byte {
	h := sha256.New()
	h.Write([]byte{2}) // not read
	h.Write(value)
	return h.Sum(nil)
}
