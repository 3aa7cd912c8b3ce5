package localdb

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/opt"
)

// damaged makes a store whose journal has a flipped bit.
func damaged(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	db, err := Open(dir, opt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Put([]byte("key"), []byte("value"), nil), db.Close()); err != nil {
		t.Fatal(err)
	}
	journals, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(journals) != 1 {
		t.Fatalf("journals %v, %v", journals, err)
	}
	content, err := os.ReadFile(journals[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(journals[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDamagedStoreIsSetAside(t *testing.T) {
	dir := damaged(t)
	if _, err := Open(dir, opt.Options{}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("error %v, want one of damage", err)
	}
	before := dir + ".damaged-17" // as earlier versions named it
	if err := os.Mkdir(before, 0o700); err != nil {
		t.Fatal(err)
	}
	aside, err := SetAside(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(aside, "CURRENT")); err != nil {
		t.Errorf("the damaged store is not kept: %v", err)
	}
	if _, err := os.Stat(before); err == nil {
		t.Error("two damaged stores are kept")
	}
	db, err := Open(dir, opt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if value, err := Get(db, []byte("key")); value != nil || err != nil {
		t.Errorf("the new store has %q, %v", value, err)
	}
}

func TestEnvironmentIsNoDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	db, err := Open(dir, opt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := Open(dir, opt.Options{}); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("opened twice: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(file, "store"), opt.Options{}); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("below a file: %v", err)
	}
}

func TestEmptyValueIsAValue(t *testing.T) {
	db, err := Scratch(filepath.Join(t.TempDir(), "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Put([]byte("empty"), nil, nil); err != nil {
		t.Fatal(err)
	}
	if value, err := Get(db, []byte("empty")); value == nil || err != nil {
		t.Errorf("empty: %v, %v", value, err)
	}
	if value, err := Get(db, []byte("none")); value != nil || err != nil {
		t.Errorf("none: %v, %v", value, err)
	}
}
