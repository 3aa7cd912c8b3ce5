package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// Writer appends JSON lines to a file. It may be used by several goroutines at once.
type Writer struct {
	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
}

// Create returns a writer to a new file of a run's directory. Folders in between are made.
func Create(dir, name string) (*Writer, error) {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &Writer{file: file, buf: bufio.NewWriterSize(file, 1<<16)}, nil
}

// Write appends a line. It reaches the file at [Writer.Flush] or Close at the latest.
func (w *Writer) Write(line any) error {
	data, err := json.Marshal(line)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err = w.buf.Write(append(data, '\n'))
	return err
}

// Flush writes what is buffered.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Flush()
}

// Close flushes and closes.
func (w *Writer) Close() error {
	return errors.Join(w.Flush(), w.file.Close())
}

// WriteJSON writes a file of a run's directory as one JSON document.
func WriteJSON(dir, name string, content any) error {
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), append(data, '\n'), 0o644)
}

// ReadJSON reads such a file.
func ReadJSON(dir, name string, content any) error {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, content); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Read calls f for each line of a file of a run's directory. A last line that is cut off is passed
// over.
func Read[T any](dir, name string, f func(T) error) error {
	file, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewReaderSize(file, 1<<16)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // without its end of line it is not whole
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", name, n, err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var value T
		if err := json.Unmarshal(line, &value); err != nil {
			return fmt.Errorf("%s, line %d: %w", name, n, err)
		}
		if err := f(value); err != nil {
			return err
		}
	}
}
