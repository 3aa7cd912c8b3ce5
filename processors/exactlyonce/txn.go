package exactlyonce

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/processors/step"
)

// Txn is a transactional producer: the seam behind which the access to the brokers can change.
// Calls come one after the other.
type Txn interface {
	// Init fences an earlier holder of the same transactional id and aborts its open transaction.
	Init(ctx context.Context) error
	// Commit writes a transaction. It returns [errGenerationOver] if the group refused the offsets;
	// then the transaction was aborted. After any other error the result is unknown, and the Txn
	// must not be used again.
	Commit(ctx context.Context, w *Work) error
	// CommitOffsets commits offsets of inputs without any effect. That needs no transaction, but
	// the same fence. Errors are those of Commit.
	CommitOffsets(ctx context.Context, o Offsets) error
	// Close releases the producer. An open transaction stays open until its id is initialised
	// again.
	Close()
}

// Work is the content of one transaction.
type Work struct {
	// Outputs are runs of records, written in this order. If a record's Partition is negative, its
	// key decides. They belong to the Txn until Commit returns without an error.
	Outputs [][]kgo.Record
	Offsets Offsets
	// Reached holds, after the commit, the offset after the last written record for the topics in
	// Track.
	Track   [2]string
	Reached [2]map[int32]int64
	// Produced and Sent are called when the brokers have all records, and when they have the
	// offsets.
	Produced, Sent func()
}

// pair alternates between two transactional producers: the brokers still write the markers of one's
// last transaction when the other's next one begins.
type pair struct {
	txns [2]Txn
	turn int
}

func (p *pair) next() Txn {
	p.turn = 1 - p.turn
	return p.txns[p.turn]
}

func (p *pair) close() {
	for _, t := range p.txns {
		if t != nil {
			t.Close()
		}
	}
}

// newPair returns both producers of an instance, initialised.
func newPair(ctx context.Context, c Config, group *step.Group, p protocol, point func(string), open func(Config, string, protocol) (producer, error)) (*pair, error) {
	both := &pair{}
	for i := range both.txns {
		t := &franzTxn{
			id:         transactionalID(c.TransactionalIDPrefix, group.Name, c.Instance, i),
			protocol:   p,
			partitions: group.Partitions,
			open:       func(id string) (producer, error) { return open(c, id, p) },
			try:        c.Patience / 6,
		}
		var err error
		if t.client, err = t.open(t.id); err == nil {
			both.txns[i] = t
			initCtx, cancel := context.WithTimeout(ctx, c.Patience)
			err = t.Init(initCtx)
			cancel()
		}
		if err != nil {
			both.close()
			return nil, err
		}
		if i == 0 {
			point(pointOneIDInitialised)
		}
	}
	point(pointInitialised)
	return both, nil
}

// transactionalID names one of an instance's two producers.
//
// NB: must not change. An instance takes its predecessor's open transactions over by these names.
func transactionalID(prefix, group, instance string, n int) string {
	return fmt.Sprintf("%s%s/%d", transactionalIDs(prefix, group), instance, n)
}

// transactionalIDs is the prefix of all transactional ids of a group. In this project a group's
// name already starts with the prefix.
func transactionalIDs(prefix, group string) string {
	if !strings.HasPrefix(group, prefix) {
		group = prefix + group
	}
	return group + "/"
}

// instanceOf returns the instance in a transactional id of the group, or "".
func instanceOf(prefix, group, id string) string {
	rest, ok := strings.CutPrefix(id, transactionalIDs(prefix, group))
	instance, n, found := strings.Cut(rest, "/")
	if !ok || !found || (n != "0" && n != "1") {
		return ""
	}
	return instance
}

// within returns a context for work at the brokers that a session's end must not cut off in the
// middle.
func within(patience time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
