package verify

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"

	"github.com/foldlog/foldlog/replay/kit"
)

// answered holds the parts of an outcome by which it is compared with the other outcomes of its
// command id.
type answered struct {
	id             digest // of the aggregate's id and the command's
	offset         int64
	first, version int64
	recorded       int64 // when the outcome was recorded, in microseconds since 1970
	asked          int64 // the same of its command
	accepted       bool
	repeat         bool
	failed         bool // internal_error: the next command with the id is a new attempt
}

// digest identifies a text among all others of this process.
type digest [16]byte

// digestOf returns the digest of some texts in their order. It hashes twice, with seeds of this
// process: that two of 10^9 are the same happens once in 10^20 runs.
func digestOf(texts ...string) (d digest) {
	for i, seed := range digestSeeds {
		var h maphash.Hash
		h.SetSeed(seed)
		for _, text := range texts {
			_, _ = h.WriteString(text) // a hash takes everything
			_ = h.WriteByte(0)
		}
		binary.BigEndian.PutUint64(d[8*i:], h.Sum64())
	}
	return d
}

var digestSeeds = [2]maphash.Seed{hashSeed, maphash.MakeSeed()}

// entry is an encoded answered. It has no pointers, and its first bytes are the sort key.
type entry [len(digest{}) + 5*8 + 1]byte

const entryOrder = len(digest{}) + 8 // digest and offset

func (e *entry) compare(other *entry) int {
	return bytes.Compare(e[:entryOrder], other[:entryOrder])
}

func (a *answered) encode() (e entry) {
	b := append(e[:0], a.id[:]...)
	for _, n := range []int64{a.offset, a.first, a.version, a.recorded, a.asked} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	var flags byte
	if a.accepted {
		flags |= 1
	}
	if a.repeat {
		flags |= 2
	}
	if a.failed {
		flags |= 4
	}
	_ = append(b, flags) // in e
	return e
}

func (e *entry) decode() (a answered) {
	b := e[copy(a.id[:], e[:]):]
	for _, n := range []*int64{&a.offset, &a.first, &a.version, &a.recorded, &a.asked} {
		*n = int64(binary.BigEndian.Uint64(b))
		b = b[8:]
	}
	a.accepted, a.repeat, a.failed = b[0]&1 != 0, b[0]&2 != 0, b[0]&4 != 0
	return a
}

// answers brings the outcomes of a partition in the order of their command ids. There is one for
// every command, and hardly any id comes twice. So they are sorted instead of looked up: in memory,
// and beyond their share of it in runs on the disk that are merged at the end (an external merge
// sort). Memory is the same for any number of them but for a small buffer for each run.
type answers struct {
	budget *kit.Budget
	most   int // entries in memory
	memory []entry
	file   *os.File
	runs   []int64 // ends of the runs in the file
}

// answersShare is the part of the budget that entries are sorted in.
const answersShare = 64

func newAnswers(b *kit.Budget) *answers {
	return &answers{budget: b, most: max(int(b.Reserve(answersShare))/len(entry{}), 16)}
}

func (s *answers) add(a answered) error {
	if len(s.memory) == s.most {
		if err := s.spill(); err != nil {
			return fmt.Errorf("spill command ids: %w", err)
		}
	}
	s.memory = append(s.memory, a.encode())
	return nil
}

func (s *answers) sort() {
	slices.SortFunc(s.memory, func(x, y entry) int { return x.compare(&y) })
}

// spill writes a sorted run.
func (s *answers) spill() error {
	if s.file == nil {
		path, err := s.budget.Path("ids")
		if err != nil {
			return err
		}
		if s.file, err = os.Create(path); err != nil {
			return err
		}
	}
	s.sort()
	w := bufio.NewWriterSize(s.file, runBuffer)
	for i := range s.memory {
		if _, err := w.Write(s.memory[i][:]); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	end := int64(len(s.memory) * len(entry{}))
	if n := len(s.runs); n > 0 {
		end += s.runs[n-1]
	}
	s.runs = append(s.runs, end)
	s.memory = s.memory[:0]
	return nil
}

const runBuffer = 32 << 10

// each calls visit with all outcomes by command id, those of one id in the order of offsets.
func (s *answers) each(visit func(answered) error) error {
	s.sort()
	runs := merge{{next: s.fromMemory()}}
	begin := int64(0)
	for _, end := range s.runs {
		r := bufio.NewReaderSize(io.NewSectionReader(s.file, begin, end-begin), runBuffer)
		runs = append(runs, &run{next: func(e *entry) error {
			_, err := io.ReadFull(r, e[:])
			return err
		}})
		begin = end
	}
	heads := runs[:0]
	for _, r := range runs {
		more, err := r.advance()
		if err != nil {
			return err
		}
		if more {
			heads = append(heads, r)
		}
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		r := heads[0]
		if err := visit(r.head.decode()); err != nil {
			return err
		}
		more, err := r.advance()
		if err != nil {
			return err
		}
		if more {
			heap.Fix(&heads, 0)
		} else {
			heap.Pop(&heads)
		}
	}
	return nil
}

func (s *answers) fromMemory() func(*entry) error {
	left := s.memory
	return func(e *entry) error {
		if len(left) == 0 {
			return io.EOF
		}
		*e, left = left[0], left[1:]
		return nil
	}
}

func (s *answers) close() {
	if s.file != nil {
		_ = s.file.Close() // what it holds is thrown away
	}
}

// run is a sorted sequence of entries that are read one after another.
type run struct {
	head entry
	next func(*entry) error // io.EOF at the end
}

// advance goes on to the next entry. It reports whether there is one.
func (r *run) advance() (more bool, err error) {
	err = r.next(&r.head)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read back spilled command ids: %w", err)
	}
	return true, nil
}

// merge is a heap of runs, that with the smallest head first.
type merge []*run

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].head.compare(&m[j].head) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(r any)        { *m = append(*m, r.(*run)) }
func (m *merge) Pop() any {
	last := len(*m) - 1
	r := (*m)[last]
	*m = (*m)[:last]
	return r
}
