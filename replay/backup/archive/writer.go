package archive

import (
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// Writer writes the records of one kind and partition, in their order. It begins a file for each
// day, schema and export. It belongs to one goroutine. The records count once [Writer.Close] has
// returned nil.
type Writer struct {
	archive *Archive
	// The file that is being written has the writer's kind, aggregate type and partition.
	next   File
	cut    int
	schema string // of the file that is being written
	day    string
	to     *os.File
	rows   *ocf.Writer
	hash   hash.Hash
	buffer []byte
	last   []byte // value of the last row
}

// Writer returns a writer. The cut is the number of the next one.
func (a *Archive) Writer(kind Kind, aggregate string, partition int32, cut int) *Writer {
	return &Writer{archive: a, cut: cut, next: File{Kind: kind, Aggregate: aggregate, Partition: partition}}
}

// ours matches the names of an archive's files.
var ours = regexp.MustCompile(`^[a-z0-9-]+\.(events|outcomes|commands|pending)/(day=\d{4}-\d{2}-\d{2}/\d{4}-\d{20}|\d{8}-\d{4}-\d{20})\.avro(\.new)?$`)

// path returns the name of the file that begins with the row.
//
// NB: must not change. Readers of the files go by their directories.
func (w *Writer) path(first int64) string {
	dir := w.next.Aggregate + "." + string(w.next.Kind)
	if w.next.Kind == Pending {
		return fmt.Sprintf("%s/%08d-%04d-%020d.avro", dir, w.cut, w.next.Partition, first)
	}
	return fmt.Sprintf("%s/day=%s/%04d-%020d.avro", dir, w.day, w.next.Partition, first)
}

// Write writes a row whose value has the given schema and recorded time.
func (w *Writer) Write(schema string, recorded time.Time, r *Row) error {
	day := recorded.UTC().Format(time.DateOnly)
	if w.to != nil && (schema != w.schema || day != w.day && w.next.Kind != Pending) {
		if err := w.Close(); err != nil {
			return err
		}
	}
	if w.to == nil {
		w.schema, w.day = schema, day
		if err := w.begin(r.Offset); err != nil {
			return err
		}
		w.next.First, w.next.FirstTime, w.next.LastTime = r.Offset, recorded.UTC(), recorded.UTC()
	}
	if recorded.Before(w.next.FirstTime) {
		w.next.FirstTime = recorded.UTC()
	}
	if recorded.After(w.next.LastTime) {
		w.next.LastTime = recorded.UTC()
	}
	w.next.Last, w.next.Count = r.Offset, w.next.Count+1
	w.last = append(w.last[:0], r.Value...)
	w.buffer = r.appendTo(w.buffer[:0])
	_, err := w.rows.Write(w.buffer)
	return err
}

// begin begins a file.
func (w *Writer) begin(first int64) error {
	text, err := fileSchema(w.schema)
	if err != nil {
		return err
	}
	parsed, err := avro.Parse(text)
	if err != nil {
		return fmt.Errorf("schema of a record in the log, with the archive's columns: %w", err)
	}
	w.next.Path = w.path(first)
	file := filepath.Join(w.archive.dir, filepath.FromSlash(w.next.Path))
	if err := os.MkdirAll(filepath.Dir(file), dirMode); err != nil {
		return err
	}
	if w.to, err = os.OpenFile(file+unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode); err != nil {
		return err
	}
	w.hash = sha256.New()
	w.rows, err = ocf.NewWriter(io.MultiWriter(w.to, w.hash), parsed, ocf.WithSchema(text), ocf.WithCodec(ocf.DeflateCodec(flate.BestSpeed)),
		ocf.WithBlockBytes(blockBytes), ocf.WithMetadata(map[string][]byte{writerKey: []byte(w.schema)}))
	return err
}

// Close completes the current file, if there is one.
func (w *Writer) Close() error {
	if w.to == nil {
		return nil
	}
	file, to := filepath.Join(w.archive.dir, filepath.FromSlash(w.next.Path)), w.to
	w.to = nil
	if err := w.rows.Close(); err != nil {
		return errors.Join(err, to.Close())
	}
	info, err := to.Stat()
	if err != nil {
		return errors.Join(err, to.Close())
	}
	if err := publish(to, file); err != nil {
		return err
	}
	w.next.Bytes, w.next.SHA256, w.next.LastSHA256 = info.Size(), hex.EncodeToString(w.hash.Sum(nil)), Sum(w.last)
	done := w.next
	w.next = File{Kind: done.Kind, Aggregate: done.Aggregate, Partition: done.Partition}
	return w.archive.add(done)
}

// Abandon throws away the file that Close has not completed.
func (w *Writer) Abandon() {
	if w.to != nil {
		_ = w.to.Close()
		_ = os.Remove(w.to.Name()) // else the next export does
		w.to = nil
	}
}

// Sum returns the SHA-256 of a value in the manifest's form.
func Sum(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:])
}
