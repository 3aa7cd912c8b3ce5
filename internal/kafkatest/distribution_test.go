package kafkatest

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestDistributionIsFetchedOnce(t *testing.T) {
	t.Setenv("FOLDLOG_CACHE", t.TempDir())
	var fetched atomic.Int32
	d := distribution{name: "program-1", fill: func(_ context.Context, dir string) error {
		fetched.Add(1)
		return os.WriteFile(filepath.Join(dir, "program"), []byte("content"), 0o600)
	}}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			dir, err := d.fetch(t.Context(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			if content, err := os.ReadFile(filepath.Join(dir, "program")); err != nil || string(content) != "content" {
				t.Errorf("got %q, %v", content, err)
			}
		})
	}
	all.Wait()
	if fetched.Load() != 1 {
		t.Errorf("fetched %d times", fetched.Load())
	}
}

func TestFailedFetchLeavesNothing(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("FOLDLOG_CACHE", cache)
	if err := os.MkdirAll(filepath.Join(cache, "program-1.partial-old", "of a process that died"), 0o700); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the line is dead")
	d := distribution{name: "program-1", fill: func(_ context.Context, dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), broken)
	}}
	if _, err := d.fetch(t.Context(), slog.New(slog.DiscardHandler)); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	left, err := filepath.Glob(filepath.Join(cache, "program-1*"))
	if err != nil || len(left) != 1 || !strings.HasSuffix(left[0], ".lock") {
		t.Errorf("left in the cache: %v, %v", left, err)
	}
}

func TestUnpackStaysInItsDirectory(t *testing.T) {
	for name, header := range map[string]tar.Header{
		"inside":           {Name: "lib/main/a.jar", Typeflag: tar.TypeReg, Size: 3},
		"above":            {Name: "../a.jar", Typeflag: tar.TypeReg, Size: 3},
		"absolute":         {Name: "/tmp/a.jar", Typeflag: tar.TypeReg, Size: 3},
		"neither of both":  {Name: "link", Linkname: "/etc", Typeflag: tar.TypeSymlink},
		"through a parent": {Name: "lib/../../a.jar", Typeflag: tar.TypeReg, Size: 3},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "into")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			err := unpack(writeArchive(t, header), dir)
			if (err == nil) != (name == "inside") {
				t.Fatalf("got %v", err)
			}
			if name != "inside" {
				return
			}
			if content, err := os.ReadFile(filepath.Join(dir, header.Name)); err != nil || string(content) != "abc" {
				t.Errorf("got %q, %v", content, err)
			}
		})
	}
}

func writeArchive(t *testing.T, header tar.Header) string {
	t.Helper()
	header.Mode = 0o644
	file, err := os.Create(filepath.Join(t.TempDir(), "a.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	packed := gzip.NewWriter(file)
	archive := tar.NewWriter(packed)
	if err := archive.WriteHeader(&header); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write([]byte("abc")[:header.Size]); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(archive.Close(), packed.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}
