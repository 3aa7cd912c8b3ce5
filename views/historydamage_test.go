package views

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
)

// A history whose store was lost, damaged, or is of another topic is read again from the log: all
// of it, and nothing else.
func TestHistoryIsRebuilt(t *testing.T) {
	s := newSystem(t)
	var records []*kgo.Record
	for _, id := range []string{"a", "b", "c"} {
		records = append(records, s.accountRecords(id, 40)...)
	}
	produce(t, s.producer, records...)
	s.start().stop()
	dir := filepath.Join(s.dataDir, "views", "account.events")
	for _, c := range []struct {
		reason string
		damage func(*store) error
	}{
		{reasonDamaged, func(st *store) error { return st.db.Put(metaKey, []byte("{"), nil) }},
		{reasonAhead, func(st *store) error { return st.db.Put(positionKey(homeOf("a")), encodeInt64(1<<40), nil) }},
		{reasonLayout, func(st *store) error {
			return st.db.Put(metaKey, []byte(`{"layout":1,"topic":"account.events","topic_id":"x","partitions":4}`), nil)
		}},
		// found by a read
		{reasonDamaged, func(st *store) error { return st.db.Put(eventID{"b", 7}.key(), []byte{5, 200}, nil) }},
	} {
		st, err := openStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.damage(st), st.db.Put(eventID{"d", 1}.key(), nil, nil), st.close()); err != nil {
			t.Fatal(err)
		}
		set := s.start()
		h := set.History("account")
		eventually(t, func() error {
			for _, id := range []string{"a", "b", "c", "d"} {
				if _, err := h.Page(soon(t), id, HistoryQuery{}); err != nil {
					return err
				}
			}
			return nil
		})
		for id, want := range map[string][]int64{"a": upTo(40), "b": upTo(40), "c": upTo(40), "d": nil} {
			if have := eventVersions(t, h, id, 9); !slices.Equal(have, want) {
				t.Errorf("%s: versions %v of %s", c.reason, have, id)
			}
		}
		if _, err := h.Page(soon(t), "c", HistoryQuery{Token: foldlog.Token{at(homeOf("c"), 400)}}); err != nil {
			t.Errorf("%s: progress is lost: %v", c.reason, err)
		}
		if n := set.metric("foldlog_view_rebuilds_total", "topic=account.events", "reason="+c.reason); n < 1 {
			t.Errorf("%v rebuilds for %s", n, c.reason)
		}
		if n := set.metric("foldlog_view_rebuilds_total"); n != set.metric("foldlog_view_rebuilds_total", "topic=account.events") {
			t.Errorf("%s: other views were rebuilt, too", c.reason)
		}
		set.stop()
	}
}
