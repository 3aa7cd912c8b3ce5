package interop

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
)

const (
	producerAccounts = 20
	producerDeposits = 10
	producerCommands = producerAccounts * (1 + producerDeposits)
)

// testProducer runs a producer, and again in the other encoding: the same commands under the same
// ids. Each is handled once and in the order in which it was sent to its account, in whatever
// partition it came, and the second run changes nothing.
func (s *system) testProducer(t *testing.T, l language, format string) {
	start := l.open(t)
	prefix := l.name + "-" + format
	mine := func(r record) bool { return strings.HasPrefix(string(r.Key), prefix+"-") }
	env := []string{"PREFIX=" + prefix, "ACCOUNTS=" + strconv.Itoa(producerAccounts), "DEPOSITS=" + strconv.Itoa(producerDeposits)}
	other := map[string]string{"json": "avro", "avro": "json"}[format]
	var outcomes []record
	for run, format := range []string{format, other} {
		s.run(t, start, append(env, "FORMAT="+format), l.producer)
		eventually(t, "all outcomes are there", func() error {
			if outcomes = filter(s.read(t, "account.outcomes"), mine); len(outcomes) < producerCommands*(run+1) {
				return fmt.Errorf("%d of %d", len(outcomes), producerCommands*(run+1))
			}
			return nil
		})
	}
	first, repeats := map[string]int{}, map[string]int{} // account -> how many
	for _, o := range outcomes {
		account := string(o.Key)
		count, want := first, first[account]
		if o.fields["repeat"].(bool) {
			count, want = repeats, repeats[account]
		}
		count[account]++
		if id := fmt.Sprintf("%s-%d", account, want); o.fields["command_id"] != id {
			t.Fatalf("account %s: the outcome of %s (repeat: %v) comes where %s is due", account, o.fields["command_id"], o.fields["repeat"], id)
		}
		if o.fields["accepted"] != true || o.fields["version"] != int64(want+1) {
			t.Fatalf("command %s: %v", o.fields["command_id"], o.fields)
		}
	}
	for i := range producerAccounts {
		account := fmt.Sprintf("%s-%d", prefix, i)
		if first[account] != 1+producerDeposits || repeats[account] != 1+producerDeposits {
			t.Errorf("account %s has %d outcomes and %d repeats, want %d of each", account, first[account], repeats[account], 1+producerDeposits)
		}
	}
	s.checkDeposits(t, filter(s.read(t, "account.events"), mine))
	forwarded := filter(filter(s.read(t, "account.commands"), mine), func(r record) bool { return hasHeader(r.Record, codecs.HeaderOriginPartition) })
	if l.elsewhere != (len(forwarded) > 0) {
		t.Errorf("%d commands were forwarded to their partition; some must be: %v", len(forwarded), l.elsewhere)
	}
	state, err := s.http.State(t.Context(), "account", prefix+"-0", foldlog.Token{})
	if want := int64(producerDeposits * (producerDeposits + 1) / 2); err != nil || balanceOf(t, state.Data) != want {
		t.Errorf("account %s-0: %s, %v, want the balance %d", prefix, state.Data, err, want)
	}
}

// checkDeposits wants one event for each command, in the commands' order.
func (s *system) checkDeposits(t *testing.T, events []record) {
	t.Helper()
	if len(events) != producerCommands {
		t.Errorf("%d events, want %d", len(events), producerCommands)
	}
	for _, e := range events {
		want := strconv.FormatInt(e.fields["version"].(int64)-1, 10) // 0 opens the account
		data := e.fields["data"].(map[string]any)
		if want == "0" && e.fields["event_type"] != "AccountOpened" || want != "0" && data["reference"] != want {
			t.Errorf("account %s, version %d: %v", e.Key, e.fields["version"], e.fields)
		}
		if !strings.HasPrefix(e.fields["actor"].(string), "claimed:") {
			t.Errorf("account %s: actor %s", e.Key, e.fields["actor"])
		}
	}
}

func filter(records []record, keep func(record) bool) (kept []record) {
	for _, r := range records {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

func hasHeader(r *kgo.Record, key string) bool {
	for _, h := range r.Headers {
		if h.Key == key {
			return true
		}
	}
	return false
}
