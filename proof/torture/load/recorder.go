package load

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/foldlog/foldlog/proof/history"
)

// Recorder writes the clients' history. It may be used by several goroutines at once.
type Recorder struct {
	out  *history.Writer
	next atomic.Int64

	mu     sync.Mutex
	ids    map[string]map[string]bool
	counts Counts
	failed error
}

// Counts are what became of commands, each counted once however often it was tried, and of reads.
type Counts struct {
	Accepted, Rejected, Failed, Unknown int64
	Produced                            int64
	Reads                               int64
	Tries                               int64
}

// NewRecorder returns a recorder that writes clients.jsonl in a run's directory.
func NewRecorder(dir string) (*Recorder, error) {
	out, err := history.Create(dir, "clients.jsonl")
	if err != nil {
		return nil, err
	}
	return &Recorder{out: out, ids: map[string]map[string]bool{}}, nil
}

// invoke writes that a client is about to ask. Its end is written with [Recorder.end].
func (r *Recorder) invoke(op history.Op) history.Op {
	op.At, op.Kind, op.Number = history.Now(), history.Invoke, r.next.Add(1)
	r.mu.Lock()
	r.counts.Tries++
	if op.Aggregate != "" && op.ID != "" && op.View == "" {
		if r.ids[op.Aggregate] == nil {
			r.ids[op.Aggregate] = map[string]bool{}
		}
		r.ids[op.Aggregate][op.ID] = true
	}
	r.mu.Unlock()
	r.write(op)
	return history.Op{Client: op.Client, Number: op.Number, Call: op.Call}
}

// end writes how an operation ended.
func (r *Recorder) end(op history.Op, kind string) {
	op.At, op.Kind = history.Now(), kind
	r.write(op)
}

func (r *Recorder) write(op history.Op) {
	if err := r.out.Write(op); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.failed = err
	}
}

func (r *Recorder) count(f func(*Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.counts)
}

// Counts returns the counts so far.
func (r *Recorder) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// IDs returns the ids that clients used, by aggregate type, sorted.
func (r *Recorder) IDs() map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string][]string{}
	for aggregate, ids := range r.ids {
		for id := range ids {
			all[aggregate] = append(all[aggregate], id)
		}
		slices.Sort(all[aggregate])
	}
	return all
}

// Flush writes what is buffered and returns the first error of any write.
func (r *Recorder) Flush() error {
	r.mu.Lock()
	failed := r.failed
	r.mu.Unlock()
	if failed != nil {
		return failed
	}
	return r.out.Flush()
}

// Close ends the history.
func (r *Recorder) Close() error { return r.out.Close() }
