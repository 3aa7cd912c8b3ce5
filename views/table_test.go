package views

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
)

func TestRowsOfBothKindsAndTombstones(t *testing.T) {
	s := newSystem(t)
	produce(t, s.producer, s.stateRow("a", 3, 300), s.balanceRow("a", 300), s.holderRow("Ada", 2), s.stateRow("b", 1, 100))
	set := s.start()

	row, err := set.State("account").Get(soon(t), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	state := row.Value.(codecs.State)
	if !row.Found || row.Key != "a" || state.Version != 3 || state.Data.(account.Account).Balance != 300 {
		t.Errorf("state row is %+v", row)
	}
	row, err = set.Projection("accounts-by-holder").Get(soon(t), "Ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	if row.Value.(bank.AccountsByHolderRow).Count != 2 {
		t.Errorf("projection row is %+v", row)
	}
	if set.State("balances") != nil || set.Projection("account") != nil || set.Outcomes("nothing") != nil {
		t.Error("a table that is not declared exists")
	}

	produce(t, s.producer, s.stateRow("a", 4, 400), &kgo.Record{Topic: "account-table", Key: []byte("b")})
	awaitBalance(t, set.State("account"), "a", 400)
	awaitBalance(t, set.State("account"), "b", -1)
	if row, err := set.State("account").Get(soon(t), "b", nil); err != nil || row.Found || row.Value != nil {
		t.Errorf("deleted row is %+v, %v", row, err)
	}
	if n := set.metric("foldlog_view_records_total", "topic=account-table", "kind=tombstone"); n != 1 {
		t.Errorf("%v tombstones counted, want 1", n)
	}
}

// What comes while a view follows its topic is in it as what it read before, to the last record.
func TestEveryRecordThatComesIsApplied(t *testing.T) {
	s := newSystem(t)
	set := s.start()
	var keys []string
	var records []*kgo.Record
	for i := range 200 {
		keys = append(keys, fmt.Sprintf("acc-%03d", i))
		records = append(records, s.balanceRow(keys[i], int64(i)))
	}
	produce(t, s.producer, records...)
	lacksNothing(t, set)
	if have := allKeys(t, set.Projection("balances"), "", 100); !slices.Equal(have, keys) {
		t.Errorf("%d rows of %d are there", len(have), len(keys))
	}
}

// Keys that meet what libraries or the store itself use, and any UTF-8.
func TestKeysOfAnyKind(t *testing.T) {
	s := newSystem(t)
	keys := []string{"__offset", "m", "s", "r", "__foldlog", "o\x00\x00\x00\x00", "žluťoučký kůň", "日本語", "\U0001f600", " ", "a/b?c=d&e#f",
		"\x00", "\x00\xff\xfe", "\xff\xff", strings.Repeat("é", 256), "a", "a\x00", "aa"}
	for i, key := range keys {
		produce(t, s.producer, s.holderRow(key, int64(i+1)))
	}
	set := s.start()
	table := set.Projection("accounts-by-holder")
	check := func() {
		t.Helper()
		for i, key := range keys {
			row, err := table.Get(soon(t), key, nil)
			if err != nil || !row.Found || row.Value.(bank.AccountsByHolderRow).Count != int64(i+1) {
				t.Errorf("row %q is %+v, %v", key, row, err)
			}
		}
		if have := allKeys(t, table, "", 3); !slices.Equal(have, sorted(keys)) {
			t.Errorf("listed %q, want %q", have, sorted(keys))
		}
	}
	check()
	set.stop()
	set = s.start()
	table = set.Projection("accounts-by-holder")
	check()
}

func sorted(keys []string) []string {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return keys
}

// allKeys reads a list page by page.
func allKeys(t *testing.T, table *Table, prefix string, limit int) (keys []string) {
	t.Helper()
	after := ""
	for {
		page, err := table.List(soon(t), ListQuery{Prefix: prefix, After: after, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Rows) > limit || len(page.Rows) == 0 && page.Next != "" {
			t.Fatalf("a page of %d rows with next %q, limit %d", len(page.Rows), page.Next, limit)
		}
		for _, row := range page.Rows {
			if !row.Found || row.Value == nil {
				t.Fatalf("listed row %+v", row)
			}
			keys = append(keys, row.Key)
		}
		if after = page.Next; after == "" {
			return keys
		}
		if after != keys[len(keys)-1] {
			t.Fatalf("next is %q, the last key is %q", after, keys[len(keys)-1])
		}
	}
}

func TestListsAreOrderedOverPartitions(t *testing.T) {
	s := newSystem(t)
	var keys []string
	var records []*kgo.Record
	homes := map[int32]bool{}
	for i := range 250 {
		key := fmt.Sprintf("acc-%03d", i*7%250)
		keys = append(keys, key)
		homes[homeOf(key)] = true
		records = append(records, s.balanceRow(key, int64(i)))
	}
	for i := range 20 {
		records = append(records, s.balanceRow(fmt.Sprintf("bcc-%02d", i), 1))
	}
	if len(homes) != partitions {
		t.Fatalf("the keys are in %d partitions, want all %d", len(homes), partitions)
	}
	produce(t, s.producer, records...)
	set := s.start()
	table := set.Projection("balances")
	for _, limit := range []int{1, 7, 125, 250, 1000} {
		if have := allKeys(t, table, "acc-", limit); !slices.Equal(have, sorted(keys)) {
			t.Fatalf("limit %d: listed %d keys, want %d in order: %v", limit, len(have), len(keys), have)
		}
	}
	if have := allKeys(t, table, "acc-00", 4); len(have) != 10 || have[0] != "acc-000" || have[9] != "acc-009" {
		t.Errorf("prefix acc-00 lists %v", have)
	}
	if have := allKeys(t, table, "", 100); len(have) != 270 {
		t.Errorf("%d rows without a prefix, want 270", len(have))
	}
	for _, q := range []ListQuery{{Prefix: "zzz"}, {Prefix: "acc-", After: "acc-999"}, {Prefix: "acc-", After: "bcc"}} {
		page, err := table.List(soon(t), q)
		if err != nil || len(page.Rows) != 0 || page.Next != "" {
			t.Errorf("%+v gives %d rows, next %q, %v", q, len(page.Rows), page.Next, err)
		}
	}
	page, err := table.List(soon(t), ListQuery{Prefix: "acc-", After: "a"})
	if err != nil || len(page.Rows) != DefaultLimit || page.Rows[0].Key != "acc-000" {
		t.Errorf("after a key before the prefix: %d rows, %v", len(page.Rows), err)
	}
	page, err = table.List(soon(t), ListQuery{Limit: MaxLimit + 1})
	if err != nil || len(page.Rows) != 270 {
		t.Errorf("a limit above the largest gives %d rows, %v", len(page.Rows), err)
	}
}

func TestUndecodableRowIsAnErrorOfItsReadsAlone(t *testing.T) {
	s := newSystem(t)
	produce(t, s.producer, s.balanceRow("a", 1), s.balanceRow("c", 3),
		&kgo.Record{Topic: "balances-table", Key: []byte("b"), Value: []byte("no avro")},
		&kgo.Record{Topic: "balances-table", Key: []byte("d"), Value: []byte{}})
	set := s.start()
	table := set.Projection("balances")
	awaitBalance(t, table, "a", 1)
	for _, key := range []string{"b", "d"} {
		_, err := table.Get(soon(t), key, nil)
		var bad *RowError
		if !errors.As(err, &bad) || bad.Topic != "balances-table" || bad.Partition != homeOf(key) || bad.Key != key {
			t.Fatalf("error %v", err)
		}
		var cause *codecs.Undecodable
		if !errors.As(err, &cause) {
			t.Errorf("%v has no cause", err)
		}
	}
	if page, err := table.List(soon(t), ListQuery{Limit: 1}); err != nil || page.Next != "a" {
		t.Errorf("the page before it: next %q, %v", page.Next, err)
	}
	var bad *RowError
	if _, err := table.List(soon(t), ListQuery{}); !errors.As(err, &bad) || bad.Key != "b" {
		t.Errorf("the page with it: %v", err)
	}
	if page, err := table.List(soon(t), ListQuery{After: "b", Limit: 1}); err != nil || page.Rows[0].Key != "c" {
		t.Errorf("the page behind it: %+v, %v", page, err)
	}
	produce(t, s.producer, s.balanceRow("b", 2)) // written anew
	awaitBalance(t, table, "b", 2)
}

// Records that cannot be rows are counted and skipped, and what follows them is applied.
func TestRecordsThatAreNoRows(t *testing.T) {
	s := newSystem(t)
	wrong := s.balanceRow("a", 1)
	wrong.Partition = (homeOf("a") + 1) % partitions
	manual := s.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	bad := progressRecord("balances-table", 0, at(0, 5))
	bad.Headers[0].Value = []byte("account/0/minus one")
	unmarked := progressRecord("balances-table", 0, at(0, 5))
	unmarked.Headers = nil
	noKey := s.balanceRow("x", 1)
	noKey.Key = nil
	produce(t, manual, wrong)
	produce(t, s.producer, bad, unmarked, noKey, s.balanceRow("b", 2))
	set := s.start()
	table := set.Projection("balances")
	awaitBalance(t, table, "b", 2)
	if have := allKeys(t, table, "", 10); !slices.Equal(have, []string{"b"}) {
		t.Errorf("rows are %q", have)
	}
	if n := set.metric("foldlog_view_records_total", "topic=balances-table", "kind=ignored"); n != 4 {
		t.Errorf("%v records ignored, want 4", n)
	}
	if row, err := table.Get(soon(t), keyIn("k", 0), nil); err != nil || len(row.Position) != 0 {
		t.Errorf("position is %v, %v", row.Position, err)
	}
}
