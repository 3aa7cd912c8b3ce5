package views

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/util"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/localdb"
)

func TestDamagedStoreIsRebuilt(t *testing.T) {
	files := func(t *testing.T, dir, pattern string) []string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no file %s: %v", pattern, err)
		}
		return found
	}
	overwrite := func(t *testing.T, path string, change func([]byte) []byte) {
		t.Helper()
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]func(t *testing.T, dir string){
		"CURRENT names nothing": func(t *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, "CURRENT.bak"))
			overwrite(t, filepath.Join(dir, "CURRENT"), func([]byte) []byte { return []byte("garbage") })
		},
		"MANIFEST truncated": func(t *testing.T, dir string) {
			for _, f := range files(t, dir, "MANIFEST-*") {
				overwrite(t, f, func(b []byte) []byte { return b[:len(b)/2] })
			}
		},
		"journal flipped": func(t *testing.T, dir string) {
			for _, f := range files(t, dir, "*.log") {
				overwrite(t, f, func(b []byte) []byte { b[len(b)/2] ^= 0xff; return b })
			}
		},
		"meta record of another kind": func(t *testing.T, dir string) {
			st, err := openStore(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(st.db.Put(metaKey, []byte("{"), nil), st.close()); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t)
			produce(t, s.producer, s.balanceRow("a", 1), s.balanceRow("b", 1), progressRecord("balances-table", 0, at(0, 7)))
			s.start().stop()
			produce(t, s.producer, s.balanceRow("a", 2))
			dir := filepath.Join(s.dataDir, "views", "balances-table")
			damage(t, dir)
			set := s.start()
			for key, want := range map[string]int64{"a": 2, "b": 1} {
				if have, err := balance(soon(t), set.Projection("balances"), key, nil); err != nil || have != want {
					t.Errorf("%s is %d, %v, want %d", key, have, err, want)
				}
			}
			if _, err := set.Projection("balances").Get(soon(t), keyIn("x", 0), foldlog.Token{at(0, 7)}); err != nil {
				t.Errorf("progress is lost: %v", err)
			}
			if n := set.metric("foldlog_view_rebuilds_total", "topic=balances-table", "reason=damaged"); n != 1 {
				t.Errorf("%v rebuilds for damage, want 1", n)
			}
			if n := set.metric("foldlog_view_rebuilds_total"); n != 1 {
				t.Errorf("%v rebuilds in all, want 1", n)
			}
			if _, err := os.Stat(dir + ".damaged"); err != nil {
				t.Errorf("the damaged store is not kept: %v", err)
			}
		})
	}
}

// A block that went bad is met by a read only: that read fails, the store is rebuilt, and reads are
// right again.
func TestDamageFoundByARead(t *testing.T) {
	s := newSystem(t)
	var records []*kgo.Record
	for i := range 2000 {
		records = append(records, s.balanceRow(fmt.Sprintf("acc-%04d", i), int64(i)))
	}
	produce(t, s.producer, records...)
	set := s.start()
	table := set.Projection("balances")
	if err := table.replica.use(func(st *store) error { return st.db.CompactRange(util.Range{}) }); err != nil {
		t.Fatal(err)
	}
	set.stop()
	dir := filepath.Join(s.dataDir, "views", "balances-table")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".ldb" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i := len(content) / 3; i < len(content)/2; i++ {
			content[i] ^= 0x55
		}
		return os.WriteFile(path, content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	set = s.open()
	table = set.Projection("balances")
	set.awaitReady()
	damaged := false
	eventually(t, func() error {
		for i := range 2000 {
			have, err := balance(soon(t), table, fmt.Sprintf("acc-%04d", i), nil)
			if err != nil {
				damaged = damaged || errors.Is(err, localdb.ErrDamaged)
				return err
			}
			if have != int64(i) {
				return fmt.Errorf("acc-%04d is %d", i, have)
			}
		}
		return nil
	})
	if n := set.metric("foldlog_view_rebuilds_total", "reason=damaged"); n < 1 {
		t.Errorf("%v rebuilds for damage (a read met it: %v)", n, damaged)
	}
}
