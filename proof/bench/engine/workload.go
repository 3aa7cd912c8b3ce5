package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// workload is what all peers are given. A command is "id amount text" of an account; it leads to an
// event "version command" (and, where two are asked for, "version audit id"), an outcome "id
// version balance", and the account's row "version balance". proof/bench/peers/kafka-streams has
// the same in Java.
type workload struct {
	Commands         int `json:"commands"`
	Keys             int `json:"keys"`
	EventsPerCommand int `json:"events_per_command"`
}

// idBytes is the length of a command's id: c and ten digits.
const idBytes = 11

// keyOf is the account of command i. Accounts are drawn as if at random, and the same in every run.
func (w workload) keyOf(i int) int {
	x := uint64(i) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int((x ^ x>>31) % uint64(w.Keys))
}

func amountOf(i int) int64 { return int64(i%89) + 10 }

func keyText(key int) []byte { return fmt.Appendf(nil, "a%07d", key) }

func commandText(i int) []byte {
	return fmt.Appendf(make([]byte, 0, 32), "c%010d %d rent of the month", i, amountOf(i))
}

// idOf returns the number of the command whose id a text begins with.
func idOf(text []byte) (int, error) {
	if len(text) < idBytes || text[0] != 'c' {
		return 0, fmt.Errorf("%q does not begin with a command's id", text)
	}
	return strconv.Atoi(string(text[1:idBytes]))
}

// row is an account's state.
type row struct{ version, balance int64 }

func (r row) encode() []byte {
	return strconv.AppendInt(append(strconv.AppendInt(make([]byte, 0, 24), r.version, 10), ' '), r.balance, 10)
}

func parseRow(text []byte) (row, error) {
	space := bytes.IndexByte(text, ' ')
	if space < 0 {
		return row{}, fmt.Errorf("%q is no row", text)
	}
	version, err := strconv.ParseInt(string(text[:space]), 10, 64)
	balance, err2 := strconv.ParseInt(string(text[space+1:]), 10, 64)
	return row{version, balance}, errors.Join(err, err2)
}

// decision is what a command leads to.
type decision struct {
	row     row
	encoded []byte
	events  [][]byte
	outcome []byte
}

// decide is the domain of this benchmark.
func decide(r row, command []byte, eventsPerCommand int) (decision, error) {
	idEnd := bytes.IndexByte(command, ' ')
	amountEnd := idEnd + 1 + bytes.IndexByte(command[idEnd+1:], ' ')
	if idEnd < 0 || amountEnd <= idEnd {
		return decision{}, fmt.Errorf("%q is no command", command)
	}
	amount, err := strconv.ParseInt(string(command[idEnd+1:amountEnd]), 10, 64)
	if err != nil {
		return decision{}, fmt.Errorf("amount of %q: %w", command, err)
	}
	d := decision{row: row{r.version + int64(eventsPerCommand), r.balance + amount}, events: make([][]byte, 1, eventsPerCommand)}
	d.events[0] = append(append(strconv.AppendInt(make([]byte, 0, 64), r.version+1, 10), ' '), command...)
	for v := r.version + 2; v <= d.row.version; v++ {
		d.events = append(d.events, append(append(strconv.AppendInt(make([]byte, 0, 48), v, 10), " audit "...), command[:idEnd]...))
	}
	d.encoded = d.row.encode()
	d.outcome = append(append(make([]byte, 0, 48), command[:idEnd+1]...), d.encoded...)
	return d, nil
}

// expected returns the rows that the workload's commands lead to, by key.
func (w workload) expected() []row {
	rows := make([]row, w.Keys)
	for i := range w.Commands {
		r := &rows[w.keyOf(i)]
		r.version += int64(w.EventsPerCommand)
		r.balance += amountOf(i)
	}
	return rows
}

// send writes commands [from, to) of the workload and waits for the brokers to have them.
func (w workload) send(ctx context.Context, client *kgo.Client, topic string, from, to int) error {
	return produceAll(ctx, client, to-from, func(i int) *kgo.Record {
		return w.command(topic, from+i)
	})
}

// command returns command i.
func (w workload) command(topic string, i int) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: keyText(w.keyOf(i)), Value: commandText(i)}
}

// produceAll writes n records and waits for the brokers to have them.
func produceAll(ctx context.Context, client *kgo.Client, n int, make func(i int) *kgo.Record) error {
	var mu sync.Mutex
	var first error
	for i := range n {
		client.Produce(ctx, make(i), func(_ *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = err
				}
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return fmt.Errorf("write to Kafka: %w", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if first != nil {
		return fmt.Errorf("write to Kafka: %w", first)
	}
	return nil
}
