package interop

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	twmb "github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
)

const (
	writtenByHand = "written-with-v" // and the version of the schema
	ofUnknownKind = "of-unknown-kind"
)

func isWrittenByHand(id string) bool { return strings.HasPrefix(id, writtenByHand) }

// writeOtherVersions writes events as earlier and later versions of the bank do, with every
// published schema and with one that comes after: it has a field more, and a kind of event that
// nobody here knows. The ids are of accounts that take no commands.
func (s *system) writeOtherVersions(t *testing.T) {
	t.Helper()
	set, err := schemas.Load(bankschemas.Files, bank.Topology())
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, version := range set.Versions("account.events") {
		texts = append(texts, version.Schema.Compact())
	}
	texts = append(texts, laterSchema(t, texts[len(texts)-1]))
	for i, text := range texts {
		w := s.writer(t, text, fmt.Sprintf("%s%d", writtenByHand, i+1))
		w.write("AccountOpened", map[string]any{"currency": "EUR"})
		w.write("Deposited", map[string]any{"currency": "EUR", "amount": 500, "booked_on": map[string]any{"string": "2026-07-01"}})
		w.write("Withdrawn", map[string]any{"currency": "EUR", "amount": 120 + i})
	}
	s.writer(t, texts[len(texts)-1], ofUnknownKind).write("AddedLater", map[string]any{"note": "from the future"})
}

// laterSchema returns the schema that the next version of the bank could have.
func laterSchema(t *testing.T, text string) string {
	t.Helper()
	schema := parse[map[string]any](t, []byte(text))
	for _, field := range schema["fields"].([]any) {
		field := field.(map[string]any)
		if field["name"] != "data" {
			continue
		}
		for _, branch := range field["type"].([]any) {
			branch := branch.(map[string]any)
			branch["fields"] = append(branch["fields"].([]any), map[string]any{"name": "added_later", "type": []any{"null", "string"}, "default": nil})
		}
		field["type"] = append(field["type"].([]any), map[string]any{"type": "record", "name": "AddedLater",
			"fields": []any{map[string]any{"name": "note", "type": "string"}}})
	}
	out, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// writer writes one account's events as a processor does, under a given schema.
type writer struct {
	t       *testing.T
	system  *system
	account string
	id      int
	schema  avro.Schema
	encoder *twmb.Schema
	version int64
	chain   [32]byte
}

func (s *system) writer(t *testing.T, text, account string) *writer {
	t.Helper()
	registered, err := s.schemas.CreateSchema(t.Context(), "account.events-value", sr.Schema{Schema: text})
	if err != nil {
		t.Fatal(err)
	}
	schema, err := avro.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := twmb.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &writer{t: t, system: s, account: account, id: registered.ID, schema: schema, encoder: encoder}
}

func (w *writer) write(eventType string, known map[string]any) {
	w.t.Helper()
	if err := w.system.kafka.ProduceSync(w.t.Context(), w.record(eventType, known)).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// record returns the account's next event. Fields of the data that are not given have the schema's
// default, or what is like nothing.
func (w *writer) record(eventType string, known map[string]any) *kgo.Record {
	w.t.Helper()
	w.version++
	commandID := fmt.Sprintf("%s-%d", w.account, w.version)
	var branch *avro.Type
	for _, b := range w.schema.Type.Field("data").Type.Branches {
		if b.ShortName() == eventType {
			branch = b
		}
	}
	data := map[string]any{}
	for _, f := range branch.Fields {
		switch given, ok := known[f.Name]; {
		case ok:
			data[f.Name] = given
		case f.HasDefault:
			data[f.Name] = f.Default
		case f.Type.Kind == avro.Long:
			data[f.Name] = 0
		default:
			data[f.Name] = ""
		}
	}
	body, err := w.encoder.Encode(map[string]any{
		"event_id": uuid.NewString(), "event_type": eventType, "aggregate_id": w.account, "version": w.version, "recorded_at": time.Now().UTC(),
		"command_id": commandID, "correlation_id": commandID, "causation_id": nil, "actor": "anonymous",
		"data": map[string]any{branch.Name: data},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	hash := sha256.New()
	hash.Write(w.chain[:])
	hash.Write(w.schema.Fingerprint[:])
	hash.Write(body)
	w.chain = [32]byte(hash.Sum(nil))
	value := binary.BigEndian.AppendUint32([]byte{0}, uint32(w.id))
	return &kgo.Record{Topic: "account.events", Key: []byte(w.account), Value: append(value, body...),
		Headers: []kgo.RecordHeader{{Key: codecs.HeaderChain, Value: w.chain[:]}}}
}

// abortTransaction leaves in the log what a processor leaves that dies in the middle of its work:
// an event that never happened.
func (s *system) abortTransaction(t *testing.T) {
	t.Helper()
	set, err := schemas.Load(bankschemas.Files, bank.Topology())
	if err != nil {
		t.Fatal(err)
	}
	w := s.writer(t, set.Latest("account.events").Schema.Compact(), writtenByHand+"1")
	w.version = 3 // as far as the account is
	dying, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.TransactionalID("dying"))
	if err != nil {
		t.Fatal(err)
	}
	defer dying.Close()
	if err := dying.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := dying.ProduceSync(t.Context(), w.record("Deposited", map[string]any{"currency": "EUR", "amount": 1_000_000})).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := dying.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
}
