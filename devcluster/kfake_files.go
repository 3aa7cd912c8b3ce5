package devcluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
)

// This file knows as much of the formats of kfake's data directory as recovery needs, as of the
// revision in go.mod:
//
//	groups.log, pids.log                entries, see readEntries
//	seq_windows.json                    sequence numbers of producers, only written when kfake is closed
//	session_state.json                  sessions and open transactions, likewise
//	partitions/TOPIC-N/BASE.dat         record batches as they are on the wire; TOPIC is path-escaped
//	partitions/TOPIC-N/BASE.idx         one entry per batch of BASE.dat, see indexEntry
//	partitions/TOPIC-N/snapshot.json    what kfake need not read again; ignored when the .dat files have other sizes
//
// A new revision of kfake with another format fails the tests of recovery.

// kfakeVersion is the version of every entry.
const kfakeVersion = 1

// entryHeadBytes are an entry's length, of what follows the checksum (uint32), its CRC-32C (uint32)
// and its version (uint16), little endian. JSON follows.
const entryHeadBytes = 10

// pidEntry is an entry of pids.log.
type pidEntry struct {
	Type    string `json:"type"` // init, endtx, timeout
	PID     int64  `json:"pid"`
	Epoch   int16  `json:"epoch"`
	TxID    string `json:"txid,omitempty"`
	Timeout int32  `json:"timeout,omitempty"`
	Commit  *bool  `json:"commit,omitempty"`
}

// commitEntry is an entry of groups.log that commits an offset.
type commitEntry struct {
	Type       string  `json:"type"` // commit
	Group      string  `json:"g"`
	Topic      string  `json:"t,omitempty"`
	Partition  int32   `json:"p,omitempty"`
	Offset     int64   `json:"o,omitempty"`
	Epoch      int32   `json:"e,omitempty"`
	Metadata   *string `json:"m,omitempty"`
	LastCommit *int64  `json:"lc,omitempty"` // milliseconds
}

// readEntries returns the entries of a log, and the log's length up to its last whole entry.
func readEntries(log []byte) (entries [][]byte, whole int64) {
	rest := log
	for len(rest) >= entryHeadBytes {
		size := uint64(binary.LittleEndian.Uint32(rest)) + 8
		if size < entryHeadBytes || size > uint64(len(rest)) ||
			crc32.Checksum(rest[8:size], castagnoli) != binary.LittleEndian.Uint32(rest[4:]) {
			break
		}
		entries = append(entries, rest[entryHeadBytes:size])
		rest = rest[size:]
		whole += int64(size)
	}
	return entries, whole
}

func appendEntry(log []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	head := len(log)
	log = append(append(log, make([]byte, entryHeadBytes)...), text...)
	entry := log[head:]
	binary.LittleEndian.PutUint16(entry[8:], kfakeVersion)
	binary.LittleEndian.PutUint32(entry, uint32(len(entry)-8))
	binary.LittleEndian.PutUint32(entry[4:], crc32.Checksum(entry[8:], castagnoli))
	return log, nil
}

// sequenceWindow is what kfake remembers of an idempotent producer on a partition: its last
// batches, to recognise them when they are sent again.
type sequenceWindow struct {
	PID       int64            `json:"pid"`
	Topic     string           `json:"topic"`
	Partition int32            `json:"partition"`
	Entries   [5]sequenceEntry `json:"entries"`
	Count     uint8            `json:"count"`
	At        uint8            `json:"at"` // where the next entry goes
	Epoch     int16            `json:"epoch"`
	Seen      bool             `json:"seen"`
	Next      int32            `json:"next_seq"`
}

type sequenceEntry struct {
	First  int32 `json:"first_seq"`
	Next   int32 `json:"next_seq"`
	Offset int64 `json:"offset"`
}

type sequenceWindows struct {
	Version int               `json:"version"`
	Windows []*sequenceWindow `json:"windows"`
}

const maxSequence = 1<<31 - 1

// add takes the next batch of the log into the window.
func (w *sequenceWindow) add(b batch) {
	next := int32((int64(b.firstSequence()) + int64(b.records())) % maxSequence)
	e := sequenceEntry{First: b.firstSequence(), Next: next, Offset: b.offset()}
	if !w.Seen || w.Epoch != b.producerEpoch() {
		w.Entries, w.Count, w.At = [5]sequenceEntry{}, 0, 0
	}
	w.Seen, w.Epoch, w.Next = true, b.producerEpoch(), next
	w.Entries[w.At] = e
	w.At = (w.At + 1) % uint8(len(w.Entries))
	w.Count = min(w.Count+1, uint8(len(w.Entries)))
}

// indexEntryBytes are version, checksum (the low byte of the CRC-32C of what follows), leader epoch
// (uint32), a timestamp (uint64) that kfake does not read again, and flags: 1 for a batch of a
// transaction, markers excepted. Little endian.
const indexEntryBytes = 15

func indexEntry(b batch) []byte {
	e := make([]byte, indexEntryBytes)
	e[0] = kfakeVersion
	if b.transactional() && !b.control() {
		e[14] = 1
	}
	e[1] = byte(crc32.Checksum(e[2:], castagnoli))
	return e
}

// indexed reports whether an index has an entry for every batch, with the right flag.
func indexed(index []byte, batches []batch) bool {
	if len(index) != len(batches)*indexEntryBytes {
		return false
	}
	for i, b := range batches {
		e := index[i*indexEntryBytes:][:indexEntryBytes]
		if e[1] != byte(crc32.Checksum(e[2:], castagnoli)) || e[14] != indexEntry(b)[14] {
			return false
		}
	}
	return true
}

// readBatches returns the batches of a segment, and the segment's length up to its last whole
// batch.
func readBatches(segment []byte) (batches []batch, whole int64) {
	for {
		rest := segment[whole:]
		if len(rest) < batchHeaderBytes {
			return batches, whole
		}
		size := uint64(binary.BigEndian.Uint32(rest[batchLengthAt:])) + 12
		if size > uint64(len(rest)) || !batch(rest[:size]).wellFormed() {
			return batches, whole
		}
		batches = append(batches, batch(rest[:size]))
		whole += int64(size)
	}
}

// replaceFile replaces a file in one step.
func replaceFile(path string, text []byte) error {
	temporary := path + ".tmp" // kfake removes these
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

func appendFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// removeFile removes a file, if it is there.
func removeFile(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readFile reads a file. A file that does not exist counts as empty.
func readFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
