package codecs

import (
	"context"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
)

func benchCommand() foldlog.Command[any] {
	return foldlog.Command[any]{
		Meta: foldlog.Meta{AggregateID: "berka-4711", CommandID: "berka-1234567", CorrelationID: "berka-1234567", Actor: "anonymous"},
		Data: account.Deposit{Amount: 123400, Currency: "CZK", Reference: "PREVOD Z UCTU", BookedOn: ptr("1993-01-31")},
	}
}

const benchJSON = `{"command_id":"berka-1234567","type":"deposit","aggregate_id":"berka-4711","correlation_id":"berka-1234567","actor":"import",
"data":{"amount":123400,"currency":"CZK","reference":"PREVOD Z UCTU","booked_on":"1993-01-31"}}`

func benchEvent() foldlog.Event[any] {
	e := fullEvent()
	e.Type, e.Data = "Deposited", account.Deposited{HolderID: "berka-holder-4711", HolderName: "berka-holder-4711", Amount: 123400, Currency: "CZK", Reference: "PREVOD Z UCTU", BookedOn: ptr("1993-01-31")}
	return e
}

func run[T any](b *testing.B, f func() (T, error)) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeCommandAvro(b *testing.B) {
	a := newBank(b).codecs.Aggregate("account")
	value, err := a.EncodeCommand(benchCommand())
	if err != nil {
		b.Fatal(err)
	}
	rec := Record{Topic: "account.commands", Key: []byte("berka-4711"), Value: value, Headers: []Header{{Key: HeaderActor, Value: []byte("anonymous")}}}
	run(b, func() (Command, error) { return a.DecodeCommand(context.Background(), rec) })
}

func BenchmarkDecodeCommandJSON(b *testing.B) {
	a := newBank(b).codecs.Aggregate("account")
	rec := Record{Topic: "account.commands", Key: []byte("berka-4711"), Value: []byte(benchJSON)}
	run(b, func() (Command, error) { return a.DecodeCommand(context.Background(), rec) })
}

func BenchmarkEncodeJSON(b *testing.B) {
	a := newBank(b).codecs.Aggregate("account")
	body := []byte(`{"amount":123400,"currency":"CZK","reference":"PREVOD Z UCTU","booked_on":"1993-01-31"}`)
	cmd := foldlog.Command[any]{Meta: benchCommand().Meta}
	run(b, func() ([]byte, error) { return a.EncodeJSON("deposit", body, cmd) })
}

func BenchmarkEncodeCommand(b *testing.B) {
	a, cmd := newBank(b).codecs.Aggregate("account"), benchCommand()
	run(b, func() ([]byte, error) { return a.EncodeCommand(cmd) })
}

func BenchmarkDecodeEvent(b *testing.B) {
	a := newBank(b).codecs.Aggregate("account")
	value, err := a.EncodeEvent(benchEvent())
	if err != nil {
		b.Fatal(err)
	}
	run(b, func() (foldlog.Event[any], error) { return a.DecodeEvent(context.Background(), value) })
}

func BenchmarkEncodeEvent(b *testing.B) {
	a, e := newBank(b).codecs.Aggregate("account"), benchEvent()
	run(b, func() ([]byte, error) { return a.EncodeEvent(e) })
}

func BenchmarkChain(b *testing.B) {
	a := newBank(b).codecs.Aggregate("account")
	value, err := a.EncodeEvent(benchEvent())
	if err != nil {
		b.Fatal(err)
	}
	run(b, func() ([32]byte, error) { return a.Chain(context.Background(), [32]byte{}, value) })
}

func BenchmarkEncodeState(b *testing.B) {
	a := newBank(b).codecs.Aggregate("account")
	s := State{Version: 7, RecordedAt: goldenTime, Data: sample(a.spec.State)}
	run(b, func() ([]byte, error) { return a.EncodeState(s) })
}

func BenchmarkEncodeOutcome(b *testing.B) {
	a := newBank(b).codecs.Aggregate("account")
	o := foldlog.Outcome{CommandID: "berka-1234567", AggregateID: "berka-4711", CommandType: "deposit", Accepted: true, FirstVersion: 7, Version: 7,
		EventIDs: []string{foldlog.EventID("berka-1234567", "berka-4711", 0)}, RecordedAt: goldenTime, PayloadHash: make([]byte, 32),
		Position: foldlog.Position{Aggregate: "account", Partition: 3, Offset: 4711}}
	run(b, func() ([]byte, error) { return a.EncodeOutcome(o) })
}
