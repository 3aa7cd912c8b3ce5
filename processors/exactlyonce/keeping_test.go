package exactlyonce

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// locked reports whether somebody has the store open on the disk.
func locked(path string) bool {
	db, _, err := folder{}.open(path)
	if err != nil {
		return true
	}
	_ = db.Close()
	return false
}

func TestClosedStoresAreKeptOpen(t *testing.T) {
	k := newKeeping(folder{})
	path := func(name string) string { return filepath.Join(t.TempDir(), name) }
	open := func(path string) database {
		t.Helper()
		db, _, err := k.open(path)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	closed := func(db database) {
		t.Helper()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	stays, moves, removed, broken := path("stays"), path("moves"), path("removed"), path("broken")
	first := open(stays)
	closed(first)
	closed(open(moves))
	if !locked(stays) {
		t.Error("it was closed on the disk")
	}
	if again := open(stays); again != first {
		t.Error("it was opened anew")
	}

	if err := k.closeIf(func(path string) bool { return path == moves || path == stays }); err != nil {
		t.Fatal(err)
	}
	if locked(moves) || !locked(stays) {
		t.Errorf("the one that nobody uses is locked: %t; the one in use: %t", locked(moves), locked(stays))
	}

	old := open(removed)
	closed(old)
	if err := k.remove(removed); err != nil {
		t.Fatal(err)
	}
	if fresh, existed, err := k.open(removed); err != nil || existed || fresh == old {
		t.Errorf("after it was removed: existed %t, %v", existed, err)
	}

	failing := open(broken).(*keptDatabase)
	failing.database = noWrites{failing.database}
	if err := failing.Write(new(leveldb.Batch), nil); err == nil {
		t.Fatal("it was written")
	}
	closed(failing)
	if locked(broken) {
		t.Error("a store that takes no more writes was kept")
	}

	if err := k.end(); err != nil {
		t.Fatal(err)
	}
	closed(first)
	if locked(stays) {
		t.Error("it is open after the end")
	}
}

type noWrites struct{ database }

func (noWrites) Write(*leveldb.Batch, *opt.WriteOptions) error { return errors.New("the disk is full") }
