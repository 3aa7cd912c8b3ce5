package devcluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// journal is the file of all changes of the registry, one JSON line each, in order. A change is
// acknowledged after its line is on the disk.
type journal struct {
	path string
	file *os.File
}

// entry is one change: the request, and the schema id that it was answered with, 0 if none.
// NB: the names must not change, they are in the data directory.
type entry struct {
	Method string          `json:"method"`
	Path   string          `json:"path"` // escaped, with the query
	Body   json.RawMessage `json:"body,omitempty"`
	ID     int             `json:"id,omitempty"`
}

// line is an entry with the CRC-32C of its bytes.
type line struct {
	Sum   string          `json:"sum"`
	Entry json.RawMessage `json:"entry"`
}

// openJournal opens or creates the file and applies every entry. A last line without its end was
// being written when the process was killed, so it was never acknowledged. It is cut off, and torn
// is its length.
func openJournal(path string, apply func(entry) error) (j *journal, torn int, err error) {
	text, err := readFile(path)
	if err != nil {
		return nil, 0, fmt.Errorf("read registry journal %s: %w", path, err)
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	number := 0
	for l := range bytes.Lines(text[:whole]) {
		number++
		e, err := parseLine(l)
		if err == nil {
			err = apply(e)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("registry journal %s, line %d: %w. Records refer to schemas by id, so the registry does not start"+
				" without it: restore the file from a copy, or start over with Reset, which removes all data", path, number, err)
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open registry journal: %w", err)
	}
	if torn = len(text) - whole; torn > 0 {
		if err := file.Truncate(int64(whole)); err != nil {
			return nil, 0, errors.Join(fmt.Errorf("cut off the torn last line of registry journal %s: %w", path, err), file.Close())
		}
	}
	return &journal{path: path, file: file}, torn, nil
}

func parseLine(text []byte) (entry, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return entry{}, fmt.Errorf("damaged: not a JSON line: %w", err)
	}
	if sum := checksum(l.Entry); sum != l.Sum {
		return entry{}, fmt.Errorf("damaged: its checksum is %s, not %s as it says", sum, l.Sum)
	}
	var e entry
	if err := json.Unmarshal(l.Entry, &e); err != nil {
		return entry{}, fmt.Errorf("damaged: %w", err)
	}
	return e, nil
}

func checksum(text []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(text, castagnoli)) }

// add writes an entry through to the disk. After an error the file may end in a torn line, and the
// journal must not be used again.
func (j *journal) add(e entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode entry of registry journal: %w", err)
	}
	l, err := json.Marshal(line{Sum: checksum(text), Entry: text})
	if err != nil {
		return fmt.Errorf("encode line of registry journal: %w", err)
	}
	if _, err := j.file.Write(append(l, '\n')); err != nil {
		return fmt.Errorf("write registry journal %s: %w", j.path, err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("flush registry journal %s: %w", j.path, err)
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }
