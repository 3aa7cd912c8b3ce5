package replay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/replay/verify"
)

func (s *system) verify(change ...func(*kit.Config)) *verify.Report {
	return s.verifyServed(nil, change...)
}

func (s *system) verifyServed(served *verify.Served, change ...func(*kit.Config)) *verify.Report {
	s.t.Helper()
	config := s.config()
	for _, c := range change {
		c(&config)
	}
	report, err := verify.Run(s.t.Context(), config, served)
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

// withoutMemory leaves so little memory that everything is spilled all the time.
func withoutMemory(c *kit.Config) { c.Memory, c.Workers = 64<<10, 64 }

// intact fails the test where something is found, or could not be checked.
func intact(t *testing.T, r *verify.Report) {
	t.Helper()
	for _, f := range r.Findings {
		t.Errorf("imagined: %s", f)
	}
	for _, u := range r.Unchecked {
		t.Errorf("not checked: %s", u)
	}
}

// told is a system at rest, which had every kind of command, and its log.
type told struct {
	prefix string
	log    log
}

var baseLog = told{prefix: "base."}

// base returns the log that the package's tests share; nobody changes it.
func base(t *testing.T) *told {
	t.Helper()
	b := &baseLog
	if b.log == nil { // tests run one after another
		s := created(t, b.prefix)
		stop := s.run()
		s.story("b")
		stop()
		b.log = s.dump()
	}
	return b
}

func TestNothingIsImagined(t *testing.T) {
	s := newSystem(t, base(t).prefix)
	r := s.verify()
	intact(t, r)
	read := func(topics ...string) (n int64) {
		for _, topic := range topics {
			for _, records := range s.read(topic) {
				n += int64(len(records))
			}
		}
		return n
	}
	if want := read(s.names.Events("account"), s.names.Events("transfer")); r.Events != want {
		t.Errorf("%d events were looked at, there are %d", r.Events, want)
	}
	if want := read(s.names.Commands("account"), s.names.Commands("transfer")); r.Commands != want {
		t.Errorf("%d commands were looked at, there are %d", r.Commands, want)
	}
	if want := read(s.names.Outcomes("account"), s.names.Outcomes("transfer")); r.Outcomes != want {
		t.Errorf("%d outcomes were looked at, there are %d", r.Outcomes, want)
	}
	if want := int64(len(s.rows())); r.Rows != want {
		t.Errorf("%d rows were compared, there are %d", r.Rows, want)
	}
	spilled := s.verify(withoutMemory)
	intact(t, spilled)
	if spilled.Rows != r.Rows || spilled.Events != r.Events {
		t.Errorf("with next to no memory: %+v", spilled)
	}
}

// A table that is dropped and filled anew while it is verified is no table with rows missing.
func TestATopicThatIsCreatedAnewIsNoFinding(t *testing.T) {
	s := created(t, "anew.")
	s.produce(s.command("account", "a", "open", "open", `{"holder_id": "h", "holder_name": "Ann", "currency": "EUR", "overdraft_limit": 0}`))
	table, config := s.names.Table("balances"), s.config()
	var once sync.Once
	config.Progress = func(int64, int64) {
		once.Do(func() {
			_, err := s.admin.DeleteTopic(t.Context(), table)
			if err == nil {
				_, err = s.admin.CreateTopic(t.Context(), int32(config.Settings.Partitions), 1, nil, table)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	if r, err := verify.Run(t.Context(), config, nil); err == nil || !strings.Contains(err.Error(), "topic "+table+" was deleted or created anew") {
		t.Errorf("%+v, %v", r, err)
	}
	// which was acknowledged before that
	s.eventually("the broker knows the new topic", func() error {
		ends, err := s.admin.ListEndOffsets(t.Context(), table)
		return errors.Join(err, ends.Error())
	})
	intact(t, s.verify())
}

// What is served is compared with the events, and what shows more than was read is not.
func TestWhatIsServedIsCompared(t *testing.T) {
	s := newSystem(t, base(t).prefix)
	beyond := int64(0)
	answer := func(_ context.Context, _, key string, after foldlog.Token) (verify.Answer, bool, error) {
		after[0].Offset += beyond
		return verify.Answer{Value: []byte(`{"other": 1}`), Version: 99, Position: after}, key != "b-2", nil
	}
	served := &verify.Served{State: answer, Row: answer, Sample: -1}
	r := s.verifyServed(served)
	if r.Served != r.Rows || r.Total != r.Rows {
		t.Errorf("%d rows, %d of them asked for, %d findings: all are served wrongly", r.Rows, r.Served, r.Total)
	}
	nothing := 0
	for _, f := range r.Findings {
		if f.Check != kit.CheckView {
			t.Errorf("imagined: %s", f)
		}
		if f.Have == "nothing served" {
			nothing++
		}
	}
	if nothing != 2 { // its state and its balance
		t.Errorf("%d rows that are not served were found", nothing)
	}
	beyond = 1 << 40
	if r = s.verifyServed(served); r.Total != 2 || len(r.Unchecked) == 0 {
		t.Errorf("answers that show more than was read: %d findings, not checked %q", r.Total, r.Unchecked)
	}
	served.Sample = partitions
	few := s.verifyServed(served)
	if few.Served == 0 || few.Served >= r.Served {
		t.Errorf("%d of %d rows are a sample", few.Served, r.Served)
	}
}

// While commands come and go, nothing is imagined either.
func TestNothingIsImaginedWhileTheSystemRuns(t *testing.T) {
	s := created(t, "running.")
	s.run()
	s.story("a")
	done := make(chan struct{})
	var traffic sync.WaitGroup
	traffic.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			s.produce(
				s.command("account", fmt.Sprintf("a-%d", n%8), fmt.Sprintf("traffic-%d", n), "deposit", `{"amount": 3, "currency": "EUR", "reference": "split"}`),
				s.command("transfer", fmt.Sprintf("traffic-%d", n), "request", "request",
					fmt.Sprintf(`{"from": "a-%d", "to": "a-%d", "amount": 1, "currency": "EUR", "reference": ""}`, n%6, (n+1)%6)),
			)
		}
	})
	last := int64(0)
	for range 3 {
		r := s.verify()
		for _, f := range r.Findings {
			t.Errorf("imagined: %s", f)
		}
		if r.Events <= last {
			t.Errorf("%d events after %d: nothing happened meanwhile", r.Events, last)
		}
		last = r.Events
	}
	close(done)
	traffic.Wait()
	s.settled()
	intact(t, s.verify())
}

// What retention has removed is said, and not taken for missing.
func TestRetentionIsNoFinding(t *testing.T) {
	s := newSystem(t, "retention.")
	whole := base(t).log.clone()
	s.write(whole)
	var gone kadm.Offsets
	for topic, part := range map[string]int{"account.commands": 3, "account.outcomes": 2, "transfer.outcomes": 1} {
		for p, records := range whole[topic] {
			gone.AddOffset(s.names.Prefix+topic, int32(p), int64(len(records)/part), -1)
		}
	}
	deleted, err := s.admin.DeleteRecords(t.Context(), gone)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := s.verify()
	for _, f := range r.Findings {
		t.Errorf("imagined: %s", f)
	}
	said := strings.Join(r.Unchecked, "\n")
	for _, topic := range []string{"account.commands", "account.outcomes", "transfer.outcomes"} {
		if !strings.Contains(said, "are beyond the retention of "+s.names.Prefix+topic) {
			t.Errorf("it is not said that %s has lost its beginning: %s", topic, said)
		}
	}
}
