package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// Check reads a file and compares it with the manifest's entry. The error wraps [ErrDamaged] if
// they differ.
func (a *Archive) Check(ctx context.Context, f File) error {
	file, err := a.open(f)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, &interruptible{ctx, file})
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", f.Path, err)
	case n != f.Bytes:
		return fmt.Errorf("%w: %s has %d bytes, not %d: restore it from a copy", ErrDamaged, f.Path, n, f.Bytes)
	case hex.EncodeToString(hash.Sum(nil)) != f.SHA256:
		return fmt.Errorf("%w: %s is not the file that was written (its SHA-256 is another one): restore it from a copy", ErrDamaged, f.Path)
	}
	return nil
}

func (a *Archive) open(f File) (*os.File, error) {
	if !filepath.IsLocal(filepath.FromSlash(f.Path)) || !strings.HasSuffix(f.Path, ".avro") {
		return nil, fmt.Errorf("%w: %s names the file %q, which is none of an archive", ErrDamaged, ManifestFile, f.Path)
	}
	file, err := os.Open(filepath.Join(a.dir, filepath.FromSlash(f.Path)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing: restore it from a copy", ErrDamaged, f.Path)
	}
	return file, err
}

// interruptible is a reader that ends with its context.
type interruptible struct {
	ctx context.Context
	in  io.Reader
}

func (r *interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}

// Rows returns the rows of files, one after another, each with the schema of its value. The last
// item may be an error, with the file's name.
func (a *Archive) Rows(files []File) iter.Seq2[Written, error] {
	return func(yield func(Written, error) bool) {
		for _, f := range files {
			if !a.rowsOf(f, yield) {
				return
			}
		}
	}
}

// Written is a row of a file, with its schema.
type Written struct {
	*Row
	// Schema is the schema of the value.
	Schema string
	File   File
}

func (a *Archive) rowsOf(f File, yield func(Written, error) bool) bool {
	fail := func(err error) bool {
		yield(Written{}, err)
		return false
	}
	file, err := a.open(f)
	if err != nil {
		return fail(err)
	}
	defer file.Close()
	r, err := NewReader(file)
	if err != nil {
		return fail(fmt.Errorf("%w: %s: %w", ErrDamaged, f.Path, err))
	}
	schema := r.Schema()
	for at, count := f.First, int64(0); ; count++ {
		row, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && count == f.Count:
			return true
		case errors.Is(err, io.EOF):
			return fail(fmt.Errorf("%w: %s has %d rows, not %d", ErrDamaged, f.Path, count, f.Count))
		case err != nil:
			return fail(fmt.Errorf("%w: %s, row %d: %w", ErrDamaged, f.Path, count, err))
		case row.Partition != f.Partition || row.Offset < at || row.Offset > f.Last:
			return fail(fmt.Errorf("%w: %s, row %d stands at %d/%d, which is not its place", ErrDamaged, f.Path, count, row.Partition, row.Offset))
		}
		at = row.Offset + 1
		if !yield(Written{row, schema, f}, nil) {
			return false
		}
	}
}
