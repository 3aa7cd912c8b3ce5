package views

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// deposited is an event of an account that is one of several of the same command where commands are
// fewer than versions.
func deposited(id string, version int64, command string) foldlog.Event[any] {
	return foldlog.Event[any]{
		Meta: foldlog.Meta{AggregateID: id, CommandID: command, CorrelationID: "talk of " + id, CausationID: command, Actor: "anonymous",
			RecordedAt: began.Add(time.Duration(version) * time.Second)},
		EventID: foldlog.EventID(command, id, int(version)), Type: "Deposited", Version: version,
		Data: account.Deposited{Amount: version, Currency: "CZK", Reference: "r"},
	}
}

func opened(id string) foldlog.Event[any] {
	e := deposited(id, 1, "open-"+id)
	e.Type, e.Data = "AccountOpened", account.Opened{Currency: "CZK", OverdraftLimit: 7}
	return e
}

// eventRecord is an event whose command stands at a position and is complete with it.
func (s *system) eventRecord(e foldlog.Event[any], cause foldlog.Position) *kgo.Record {
	s.t.Helper()
	value, err := s.codecs.Aggregate("account").EncodeEvent(e)
	if err != nil {
		s.t.Fatal(err)
	}
	return &kgo.Record{
		Topic: "account.events", Key: []byte(e.AggregateID), Value: value,
		Headers: []kgo.RecordHeader{
			{Key: codecs.HeaderChain, Value: chainOf(e)},
			{Key: codecs.HeaderCause, Value: []byte(cause.String())},
			{Key: codecs.HeaderProgress, Value: []byte(cause.String())},
		},
	}
}

// chainOf is something of a chain's length that is different for each event.
func chainOf(e foldlog.Event[any]) []byte {
	return bytes.Repeat([]byte{byte(e.Version)}, 32)
}

// accountRecords are the events 1 to n of an account, whose commands stand at offset 10, 20, 30 ...
func (s *system) accountRecords(id string, n int64) []*kgo.Record {
	s.t.Helper()
	records := []*kgo.Record{s.eventRecord(opened(id), at(homeOf(id), 10))}
	for v := int64(2); v <= n; v++ {
		records = append(records, s.eventRecord(deposited(id, v, fmt.Sprintf("%s-%d", id, v)), at(homeOf(id), 10*v)))
	}
	return records
}

// versions returns the versions in an account's history, read in pages.
func eventVersions(t *testing.T, h *History, id string, limit int) []int64 {
	t.Helper()
	var all []int64
	for q := (HistoryQuery{Limit: limit}); ; {
		page, err := h.Page(soon(t), id, q)
		if err != nil {
			t.Fatalf("behind version %d of %s: %v", q.After, id, err)
		}
		for _, e := range page.Events {
			if e.AggregateID != id {
				t.Fatalf("an event of %s in the history of %s", e.AggregateID, id)
			}
			all = append(all, e.Version)
		}
		if page.Next == 0 {
			return all
		}
		if len(page.Events) != limit || page.Next != all[len(all)-1] {
			t.Fatalf("a page of %d events, limit %d, next %d behind %d", len(page.Events), limit, page.Next, all[len(all)-1])
		}
		q.After = page.Next
	}
}

func upTo(n int64) (all []int64) {
	for v := int64(1); v <= n; v++ {
		all = append(all, v)
	}
	return all
}

func TestHistory(t *testing.T) {
	s := newSystem(t)
	produce(t, s.producer, s.accountRecords("a", 300)...)
	// Ids that are prefixes of each other, or continue where a key would.
	for _, id := range []string{"a-", "a.", "aa", "A"} {
		produce(t, s.producer, s.accountRecords(id, 3)...)
	}
	set := s.start()
	h := set.History("account")
	if set.History("balances") != nil {
		t.Error("a history that is not declared exists")
	}

	for _, limit := range []int{1, 7, 100, 300, 1000} {
		if have := eventVersions(t, h, "a", limit); !slices.Equal(have, upTo(300)) {
			t.Errorf("limit %d: versions %v", limit, have)
		}
	}
	for _, id := range []string{"a-", "a.", "aa", "A"} {
		if have := eventVersions(t, h, id, 2); !slices.Equal(have, upTo(3)) {
			t.Errorf("versions of %q are %v", id, have)
		}
	}
	page, err := h.Page(soon(t), "a", HistoryQuery{After: 298, Limit: 5})
	if err != nil || len(page.Events) != 2 || page.Next != 0 || page.Newest != 300 {
		t.Fatalf("the last page is %+v, %v", page, err)
	}
	last := page.Events[1]
	want := deposited("a", 300, "a-300")
	if last.Event != want || !bytes.Equal(last.Chain, chainOf(want)) || last.Cause != at(homeOf("a"), 3000).String() || last.Partition != homeOf("a") || last.Offset < 299 {
		t.Errorf("the last event is %+v", last)
	}
	if page.Position.String() != (foldlog.Token{at(homeOf("a"), 3000)}).String() {
		t.Errorf("position %v", page.Position)
	}
	for _, q := range []HistoryQuery{{After: 300}, {After: 1 << 62}} {
		if page, err := h.Page(soon(t), "a", q); err != nil || len(page.Events) != 0 || page.Next != 0 || page.Newest != 300 {
			t.Errorf("behind the end: %d events, next %d, %v", len(page.Events), page.Next, err)
		}
	}
	for _, id := range []string{"b", "", "a\x00", "aaa"} {
		if page, err := h.Page(soon(t), id, HistoryQuery{}); err != nil || len(page.Events) != 0 || page.Newest != 0 {
			t.Errorf("%d events of nobody, %q: %v", len(page.Events), id, err)
		}
	}

	t.Run("what comes is there with its token", func(t *testing.T) {
		produce(t, s.producer, s.eventRecord(deposited("a", 301, "a-301"), at(homeOf("a"), 3010)))
		page, err := h.Page(soon(t), "a", HistoryQuery{After: 300, Token: foldlog.Token{at(homeOf("a"), 3010), at((homeOf("a")+1)%partitions, 1<<40)}})
		if err != nil || len(page.Events) != 1 {
			t.Errorf("%+v, %v", page, err)
		}
		_, err = h.Page(briefly(t), "a", HistoryQuery{Token: foldlog.Token{at(homeOf("a"), 3011)}})
		wantError(t, err, ErrNotYetVisible)
	})
	t.Run("as of", func(t *testing.T) {
		balance := func(v int64) int64 { return v*(v+1)/2 - 1 } // deposits of 2, 3, 4 ...
		for _, c := range []struct {
			moment  Moment
			version int64
		}{
			{Moment{Version: 1}, 1}, {Moment{Version: 150}, 150}, {Moment{Version: 301}, 301}, {Moment{Version: 302}, 0},
			{Moment{At: began.Add(time.Second)}, 1}, {Moment{At: began.Add(time.Second - time.Nanosecond)}, 0},
			{Moment{At: began.Add(150*time.Second + time.Millisecond)}, 150}, {Moment{At: began.Add(time.Hour)}, 301}, {Moment{}, 0},
		} {
			past, err := h.AsOf(soon(t), "a", c.moment, nil)
			if err != nil || past.Newest != 301 || past.Found != (c.version > 0) || past.State.Version != c.version {
				t.Errorf("%+v: %+v, %v", c.moment, past, err)
				continue
			}
			if !past.Found {
				continue
			}
			state := past.State.Data.(account.Account)
			if state.Balance != balance(c.version) || state.Status != account.StatusOpen || state.OverdraftLimit != 7 ||
				!past.State.RecordedAt.Equal(began.Add(time.Duration(c.version)*time.Second)) || past.State.Chain[31] != byte(c.version) {
				t.Errorf("%+v: %+v", c.moment, past)
			}
		}
		if past, err := h.AsOf(soon(t), "nobody", Moment{Version: 1}, nil); err != nil || past.Found || past.Newest != 0 {
			t.Errorf("of nobody: %+v, %v", past, err)
		}
	})
	t.Run("restart", func(t *testing.T) {
		set.stop()
		if _, err := h.Page(soon(t), "a", HistoryQuery{}); !errors.Is(err, ErrNotReady) {
			t.Errorf("read from a set that stopped: %v", err)
		}
		produce(t, s.producer, s.eventRecord(deposited("a", 302, "a-302"), at(homeOf("a"), 3020)))
		set = s.start()
		h = set.History("account")
		if have := eventVersions(t, h, "a", 1000); !slices.Equal(have, upTo(302)) {
			t.Errorf("versions %v", have)
		}
		if n := set.metric("foldlog_view_records_total", "topic=account.events"); n != 1 {
			t.Errorf("%v records were read, want the new one", n)
		}
		if page, err := h.Page(soon(t), "A", HistoryQuery{Token: foldlog.Token{at(homeOf("A"), 30)}}); err != nil || len(page.Events) != 3 {
			t.Errorf("progress is lost: %v", err)
		}
	})
}

// A history of 10,000 events is read in pages and folded, whatever way they came.
func TestLongHistory(t *testing.T) {
	const many = 10_000
	s := newSystem(t)
	records := s.accountRecords("long", many)
	produce(t, s.producer, records[:many-500]...)
	set := s.start()
	produce(t, s.producer, records[many-500:]...)
	h := set.History("account")
	if _, err := h.Page(soon(t), "long", HistoryQuery{Token: foldlog.Token{at(homeOf("long"), 10*many)}}); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{97, MaxLimit} {
		if have := eventVersions(t, h, "long", limit); !slices.Equal(have, upTo(many)) {
			t.Errorf("limit %d: %d versions", limit, len(have))
		}
	}
	past, err := h.AsOf(soon(t), "long", Moment{Version: many - 1}, nil)
	if want := int64(many-1)*many/2 - 1; err != nil || !past.Found || past.State.Data.(account.Account).Balance != want {
		t.Errorf("folded %+v, %v; want a balance of %d", past, err, want)
	}
}

// A page of large events ends early and says that there are more.
func TestLargeEventsEndAPage(t *testing.T) {
	const size = 800_000
	s := newSystem(t)
	for v := int64(1); v <= 12; v++ {
		e := deposited("large", v, fmt.Sprintf("c-%d", v))
		e.Data = account.Deposited{Amount: v, Currency: "CZK", Reference: strings.Repeat("x", size)}
		produce(t, s.producer, s.eventRecord(e, at(homeOf("large"), v)))
	}
	set := s.start()
	h := set.History("account")
	page, err := h.Page(soon(t), "large", HistoryQuery{})
	if want := maxPageBytes/size + 1; err != nil || len(page.Events) != want || page.Next != int64(want) {
		t.Fatalf("%d events, next %d, %v; want %d", len(page.Events), page.Next, err, want)
	}
	if page, err = h.Page(soon(t), "large", HistoryQuery{After: page.Next}); err != nil || len(page.Events) == 0 || page.Next != 0 {
		t.Errorf("the rest: %d events, next %d, %v", len(page.Events), page.Next, err)
	}
	if past, err := h.AsOf(soon(t), "large", Moment{Version: 12}, nil); err != nil || past.State.Data.(account.Account).Balance != 78 {
		t.Errorf("folded over the end of a page: version %d, %v", past.State.Version, err)
	}
	trace, err := set.Trace(soon(t), "talk of large", nil)
	if want := maxTraceBytes/size + 1; err != nil || !trace.Truncated || len(trace.Commands) != want {
		t.Errorf("a trace of %d commands, truncated: %v, %v; want %d", len(trace.Commands), trace.Truncated, err, want)
	}
}

// Records that cannot be events are counted and skipped; what is missing is an error of those who
// would have read it.
func TestRecordsThatAreNoEvents(t *testing.T) {
	s := newSystem(t)
	wrong := s.eventRecord(opened("a"), at(0, 1))
	wrong.Partition = (homeOf("a") + 1) % partitions
	produce(t, s.client(kgo.RecordPartitioner(kgo.ManualPartitioner())), wrong)
	rekeyed := s.eventRecord(opened("a"), at(0, 1))
	rekeyed.Key = []byte("holder")
	forged := s.eventRecord(deposited("a", 2, "forged"), at(homeOf("a"), 50))
	noKey := s.eventRecord(opened("a"), at(0, 1))
	noKey.Key = nil
	bad := s.eventRecord(opened("a/b"), at(0, 1))
	bare := s.eventRecord(opened("bare"), at(0, 1))
	bare.Headers = nil
	records := s.accountRecords("a", 6)
	produce(t, s.producer, records[:3]...)
	produce(t, s.producer, rekeyed, noKey, bad, forged, bare,
		&kgo.Record{Topic: "account.events", Key: []byte("a"), Value: []byte("no avro")}, &kgo.Record{Topic: "account.events", Key: []byte("a")})
	produce(t, s.producer, records[4:]...) // without version 4
	set := s.start()
	h := set.History("account")
	if n := set.metric("foldlog_view_records_total", "topic=account.events", "kind=ignored"); n != 7 {
		t.Errorf("%v records ignored, want 7", n)
	}
	if n := set.metric("foldlog_view_records_total", "topic=account.events", "kind=event"); n != 6 {
		t.Errorf("%v events, want 6", n)
	}
	page, err := h.Page(soon(t), "a", HistoryQuery{Limit: 3})
	if err != nil || len(page.Events) != 3 || page.Events[1].CommandID != "a-2" {
		t.Errorf("before the gap: %d events, %v", len(page.Events), err)
	}
	_, err = h.Page(soon(t), "a", HistoryQuery{})
	if gap, is := errors.AsType[*GapError](err); !is || gap.AggregateID != "a" || gap.Version != 4 || gap.Next != 5 {
		t.Errorf("across the gap: %v", err)
	}
	if _, err := h.AsOf(soon(t), "a", Moment{Version: 6}, nil); err == nil {
		t.Error("folded across the gap")
	}
	if page, err := h.Page(soon(t), "a", HistoryQuery{After: 4}); err != nil || len(page.Events) != 2 {
		t.Errorf("behind the gap: %+v, %v", page, err)
	}
	page, err = h.Page(soon(t), "bare", HistoryQuery{})
	if err != nil || len(page.Events) != 1 || len(page.Events[0].Chain) != 0 || page.Events[0].Cause != "" {
		t.Errorf("without headers: %+v, %v", page, err)
	}
}
