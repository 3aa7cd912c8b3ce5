package devcluster

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kfake reads its files again after a kill, but some things differ then:
//
//   - It leaves out the abort marker of a transaction that was open at the kill, so consumers take
//     later committed records of that producer for aborted ones.
//   - It leaves a half-done commit half done.
//   - A kill between a batch and its index entry makes the batch part of no transaction, and shifts
//     the entries of all later ones.
//   - It appends to groups.log and pids.log behind a torn entry, and the next start reads only up
//     to there.
//   - Sequence numbers of producers are those of the last proper end, so a batch that is sent again
//     is written twice.
//
// recovery corrects the files before kfake reads them. It can itself be killed and run again.
type recovery struct {
	dir   string
	log   *slog.Logger
	now   time.Time
	note  *commitNote
	pids  map[int64]pidEntry // the last state of each producer
	parts []*partition
	seqs  []*sequenceWindow
}

// partition is what recovery finds in the files of a partition.
type partition struct {
	dir   string
	topic string
	index int32
	end   int64           // the next offset
	last  string          // the last segment, without its ending
	open  map[int64]int16 // epochs by producer id, of transactions without a marker
}

// recoverKafka makes kfake's directory whole after a kill.
func recoverKafka(dir, notePath string, log *slog.Logger) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil // the kill came before the first start's end
	}
	r := &recovery{dir: dir, log: log, now: time.Now(), pids: make(map[int64]pidEntry)}
	steps := []func() error{r.readPIDs, r.readPartitions, r.writeSequences, r.endTransactions, r.removeSessions}
	var err error
	if r.note, err = readCommitNote(notePath); err != nil {
		return err
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("recover %s after a kill: %w (Reset removes all data)", dir, err)
		}
	}
	if err := removeFile(notePath); err != nil {
		return fmt.Errorf("recover %s after a kill: %w", dir, err)
	}
	return nil
}

// readPIDs reads the producers and cuts off torn entries of both logs.
func (r *recovery) readPIDs() error {
	entries, err := r.trim("pids.log")
	if err != nil {
		return err
	}
	for _, text := range entries {
		var e pidEntry
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("pids.log: %w", err)
		}
		if known, ok := r.pids[e.PID]; ok && e.Type != "init" {
			e.TxID, e.Timeout = known.TxID, known.Timeout
		}
		r.pids[e.PID] = e
	}
	_, err = r.trim("groups.log")
	return err
}

func (r *recovery) trim(name string) ([][]byte, error) {
	path := filepath.Join(r.dir, name)
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	entries, whole := readEntries(text)
	return entries, r.cut(path, int64(len(text)), whole)
}

// cut removes the bytes behind the last whole entry of a file, which a kill left there.
func (r *recovery) cut(path string, size, whole int64) error {
	if size == whole {
		return nil
	}
	r.log.Warn("a file ended in something that was being written when the process ended: cut off", "file", path, "bytes", size-whole)
	return os.Truncate(path, whole)
}

func (r *recovery) readPartitions() error {
	dirs, err := os.ReadDir(filepath.Join(r.dir, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range dirs {
		dash := strings.LastIndexByte(d.Name(), '-')
		if dash < 0 {
			continue
		}
		topic, err := url.PathUnescape(d.Name()[:dash])
		index, err2 := strconv.ParseInt(d.Name()[dash+1:], 10, 32)
		if err != nil || err2 != nil {
			continue // not kfake's
		}
		p := &partition{dir: filepath.Join(r.dir, "partitions", d.Name()), topic: topic, index: int32(index), open: make(map[int64]int16)}
		if err := r.readPartition(p); err != nil {
			return fmt.Errorf("partition %s-%d: %w", topic, index, err)
		}
		r.parts = append(r.parts, p)
	}
	return nil
}

func (r *recovery) readPartition(p *partition) error {
	files, err := filepath.Glob(filepath.Join(p.dir, "*.dat"))
	if err != nil {
		return err
	}
	bases := make(map[string]int64, len(files))
	for _, f := range files {
		base, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(f), ".dat"), 10, 64)
		if err != nil {
			return fmt.Errorf("segment %s: %w", f, err)
		}
		bases[f] = base
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(bases[a], bases[b]) })
	windows := make(map[int64]*sequenceWindow)
	for _, f := range files {
		p.last = strings.TrimSuffix(f, ".dat")
		if err := r.readSegment(p, windows); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(windows)) {
		r.seqs = append(r.seqs, windows[id])
	}
	return nil
}

// readSegment reads the partition's last segment so far, makes it end with a whole batch, and
// completes its index.
func (r *recovery) readSegment(p *partition, windows map[int64]*sequenceWindow) error {
	text, err := os.ReadFile(p.last + ".dat")
	if err != nil {
		return err
	}
	batches, whole := readBatches(text)
	if err := r.cut(p.last+".dat", int64(len(text)), whole); err != nil {
		return err
	}
	for _, b := range batches {
		p.end = b.end()
		id := b.producerID()
		switch {
		case b.control():
			delete(p.open, id)
			continue
		case b.transactional():
			p.open[id] = b.producerEpoch()
		}
		if id < 0 {
			continue
		}
		if windows[id] == nil {
			windows[id] = &sequenceWindow{PID: id, Topic: p.topic, Partition: p.index}
		}
		windows[id].add(b)
	}
	index, err := readFile(p.last + ".idx")
	if err != nil || indexed(index, batches) {
		return err
	}
	return writeIndex(p.last+".idx", batches)
}

func writeIndex(path string, batches []batch) error {
	index := make([]byte, 0, len(batches)*indexEntryBytes)
	for _, b := range batches {
		index = append(index, indexEntry(b)...)
	}
	return replaceFile(path, index)
}

// writeSequences lets producers that outlived the kill go on: their next batch is accepted, and a
// batch that they send again is recognised.
func (r *recovery) writeSequences() error {
	text, err := json.Marshal(sequenceWindows{Version: kfakeVersion, Windows: r.seqs})
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(r.dir, "seq_windows.json"), text)
}

// endTransactions completes the interrupted commit and aborts all other open transactions. The
// producers' states come first: after another kill, a transaction with its marker is not looked at
// again.
func (r *recovery) endTransactions() error {
	if err := r.endProducers(); err != nil {
		return err
	}
	if err := r.commitOffsets(); err != nil {
		return err
	}
	for _, p := range r.parts {
		for _, id := range slices.Sorted(maps.Keys(p.open)) {
			owner := producer{id, p.open[id]}
			if err := p.appendMarker(marker(p.end, owner, r.commits(owner), r.now)); err != nil {
				return fmt.Errorf("end transaction of producer %d in %s-%d: %w", id, p.topic, p.index, err)
			}
		}
	}
	return nil
}

// commits reports whether the interrupted commit is this producer's transaction.
func (r *recovery) commits(p producer) bool {
	return r.note != nil && producer{r.note.PID, r.note.Epoch} == p
}

// endProducers raises the epoch of producers whose transaction is aborted, so that they cannot
// commit the rest of it. It makes the last transaction of the others an aborted one: kfake agrees
// to a second commit after a commit, and would agree to one whose offsets it has forgotten.
func (r *recovery) endProducers() error {
	open := make(map[int64]int16)
	for _, p := range r.parts {
		maps.Copy(open, p.open)
	}
	var log []byte
	var err error
	for _, id := range slices.Sorted(maps.Keys(r.pids)) {
		e := r.pids[id]
		if e.TxID == "" {
			continue
		}
		epoch, isOpen := open[id]
		committed := r.commits(producer{id, e.Epoch})
		if committed && r.note.Bump || !committed && isOpen && epoch == e.Epoch {
			e.Epoch++
		}
		e.Type, e.Commit = "init", &committed
		if log, err = appendEntry(log, e); err != nil {
			return err
		}
		if isOpen && !committed {
			r.log.Warn("a transaction was open when the process ended: aborted", "transactional id", e.TxID)
		}
	}
	return appendFile(filepath.Join(r.dir, "pids.log"), log)
}

// commitOffsets commits the offsets of the interrupted commit.
func (r *recovery) commitOffsets() error {
	if r.note == nil {
		return nil
	}
	var log []byte
	var err error
	now := r.now.UnixMilli()
	for _, e := range r.note.Offsets {
		e.LastCommit = &now
		if log, err = appendEntry(log, e); err != nil {
			return err
		}
	}
	return appendFile(filepath.Join(r.dir, "groups.log"), log)
}

// appendMarker appends the end of a transaction to the partition.
func (p *partition) appendMarker(m batch) error {
	if err := appendFile(p.last+".dat", m); err != nil {
		return err
	}
	p.end = m.end()
	return appendFile(p.last+".idx", indexEntry(m))
}

// removeSessions makes kfake forget the sessions and open transactions of an interrupted Close.
func (r *recovery) removeSessions() error {
	return removeFile(filepath.Join(r.dir, "session_state.json"))
}
