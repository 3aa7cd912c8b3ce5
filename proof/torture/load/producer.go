package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/proof/history"
)

// producer writes commands straight to the commands topic, as a program that knows nothing of HTTP
// would, and now and then what is no command.
type producer struct {
	recorder   *Recorder
	client     *kgo.Client // a partition that is set is obeyed
	number     int
	prefix     string
	accounts   *Accounts
	partitions int
	random     *rand.Rand
	commands   int
}

// produceLimit is how long a record may be under way. Afterwards it is unknown what became of it.
const produceLimit = 60 * time.Second

// envelope is a command as JSON.
type envelope struct {
	CommandID       string          `json:"command_id,omitempty"`
	Type            string          `json:"type"`
	AggregateID     string          `json:"aggregate_id,omitempty"`
	ExpectedVersion *int64          `json:"expected_version,omitempty"`
	Data            json.RawMessage `json:"data"`
}

func (p *producer) run(ctx, begin context.Context, every time.Duration) {
	next := time.Now().Add(every)
	for pause(begin, time.Until(next)) == nil {
		if p.random.IntN(25) == 0 {
			p.bad(ctx)
		} else {
			p.command(ctx)
		}
		if next = next.Add(every); time.Since(next) > every {
			next = time.Now()
		}
	}
}

// command writes an ordinary command, one in ten into a wrong partition.
func (p *producer) command(ctx context.Context) {
	p.commands++
	id := p.accounts.any(p.random)
	kind := []string{"deposit", "deposit", "withdraw"}[p.random.IntN(3)]
	data, _ := json.Marshal(map[string]any{"amount": 1 + p.random.Int64N(300), "currency": currency, "reference": "kafka"})
	e := envelope{CommandID: fmt.Sprintf("%sk%d-%d", p.prefix, p.number, p.commands), Type: kind, AggregateID: id, Data: data}
	if p.random.IntN(20) == 0 {
		version := p.random.Int64N(50)
		e.ExpectedVersion = &version
	}
	value, _ := json.Marshal(e)
	partition := PartitionOf(id, p.partitions)
	if p.random.IntN(10) == 0 {
		partition = (partition + 1 + p.random.IntN(p.partitions-1)) % p.partitions
	}
	p.produce(ctx, partition, []byte(id), value, history.Op{Aggregate: "account", ID: id, Command: kind, CommandID: e.CommandID, Data: data, ExpectedVersion: e.ExpectedVersion})
}

// bad writes what cannot be a command, or hardly.
func (p *producer) bad(ctx context.Context) {
	id := p.accounts.any(p.random)
	key, value := []byte(id), []byte(nil)
	switch p.random.IntN(8) {
	case 0:
		value = []byte("{not json")
	case 1:
		value = []byte{0, 0, 0} // Avro without its schema's id
	case 2: // a nil value
	case 3:
		value = []byte{}
	case 4:
		key, value = []byte{}, []byte(`{"type":"deposit","data":{"amount":1,"currency":"EUR","reference":""}}`)
	case 5: // invalid_field, without an id of its own
		value = []byte(`{"type":"deposit","aggregate_id":"` + id + `","surprise":1,"data":{}}`)
	case 6:
		value = []byte(`[1,2,3]`)
	default:
		if p.random.IntN(4) > 0 { // megabytes are rare
			value = []byte("\xff\xfe")
			break
		}
		value = bytes.Repeat([]byte("x"), 1<<20-p.random.IntN(3)+1)
	}
	p.produce(ctx, p.random.IntN(p.partitions), key, value, history.Op{Aggregate: "account", Key: key, Raw: value, Nil: value == nil})
}

// produce writes a record and waits for the broker's word.
func (p *producer) produce(ctx context.Context, partition int, key, value []byte, op history.Op) {
	op.Client, op.Call, op.Key = p.number, history.ProduceCall, key
	ended := p.recorder.invoke(op)
	limited, cancel := context.WithTimeout(ctx, produceLimit)
	defer cancel()
	record := &kgo.Record{Topic: "account.commands", Partition: int32(partition), Key: key, Value: value}
	if err := p.client.ProduceSync(limited, record).FirstErr(); err != nil {
		ended.Error = err.Error()
		p.recorder.end(ended, history.Unknown)
		return
	}
	p.recorder.count(func(n *Counts) { n.Produced++ })
	ended.Partition, ended.Offset = record.Partition, record.Offset
	p.recorder.end(ended, history.OK)
}
