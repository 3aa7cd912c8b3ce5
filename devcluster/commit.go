package devcluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake commits a transaction in steps: a marker in each partition, then the offsets, one file
// after the other. A kill between two of them would leave the transaction committed in one place
// and aborted in another. So the commit is written down before the first step, and the next start
// completes an interrupted one (recovery.go).
//
// One note is enough, because kfake handles one request after the other: when the next request that
// writes arrives, all steps are done.

// producer is one life of a transactional producer.
type producer struct {
	id    int64
	epoch int16
}

// commitNote is the commit that is under way. NB: the names must not change, they are in the data
// directory.
type commitNote struct {
	PID   int64 `json:"pid"`
	Epoch int16 `json:"epoch"`
	// Bump: the epoch rises with the commit (transactions V2).
	Bump    bool          `json:"bump,omitempty"`
	Offsets []commitEntry `json:"offsets,omitempty"`
}

// commits keeps the note. Only control functions touch it.
type commits struct {
	file    *os.File
	sync    bool // flush the note, as everything else is
	written bool
	staged  map[int64]stagedOffsets // by producer id
}

// stagedOffsets are the offsets that take effect if their transaction is committed.
type stagedOffsets struct {
	epoch   int16
	offsets []commitEntry
}

func openCommits(path string, sync bool) (*commits, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open note of commits: %w", err)
	}
	return &commits{file: file, sync: sync, staged: make(map[int64]stagedOffsets)}, nil
}

// done removes the note after the last step of the commit.
func (c *commits) done() error {
	if !c.written {
		return nil
	}
	err := c.file.Truncate(0)
	if err == nil {
		err = c.flush()
	}
	if err != nil {
		return fmt.Errorf("remove note of a commit: %w", err)
	}
	c.written = false
	return nil
}

func (c *commits) flush() error {
	if !c.sync {
		return nil
	}
	return c.file.Sync()
}

func (c *commits) close() error { return errors.Join(c.done(), c.file.Close()) }

// stage remembers the offsets of a transaction. If kfake refuses them, their producer does not
// commit.
func (c *commits) stage(req *kmsg.TxnOffsetCommitRequest, name func(topicRef) string) {
	s := c.staged[req.ProducerID]
	if s.epoch != req.ProducerEpoch {
		s = stagedOffsets{epoch: req.ProducerEpoch}
	}
	for _, t := range req.Topics {
		topic := name(topicRef{t.Topic, t.TopicID})
		for _, p := range t.Partitions {
			s.offsets = append(s.offsets, commitEntry{Type: "commit", Group: req.Group, Topic: topic, Partition: p.Partition,
				Offset: p.Offset, Epoch: p.LeaderEpoch, Metadata: p.Metadata})
		}
	}
	c.staged[req.ProducerID] = s
}

// end writes the note of a commit and forgets the staged offsets of the transaction.
func (c *commits) end(req *kmsg.EndTxnRequest) error {
	s := c.staged[req.ProducerID]
	delete(c.staged, req.ProducerID)
	if !req.Commit {
		return nil
	}
	note := commitNote{PID: req.ProducerID, Epoch: req.ProducerEpoch, Bump: req.Version >= 5}
	if s.epoch == req.ProducerEpoch {
		note.Offsets = s.offsets
	}
	text, err := appendEntry(nil, note)
	if err == nil {
		c.written = true
		_, err = c.file.WriteAt(text, 0)
	}
	if err == nil {
		err = c.flush()
	}
	if err != nil {
		return fmt.Errorf("write note of a commit: %w", err)
	}
	return nil
}

// readCommitNote returns the commit that a kill interrupted. A note that is cut off is ignored: no
// step was done yet.
func readCommitNote(path string) (*commitNote, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read note of commits: %w", err)
	}
	entries, _ := readEntries(text)
	if len(entries) == 0 {
		return nil, nil
	}
	var note commitNote
	if err := json.Unmarshal(entries[0], &note); err != nil {
		return nil, fmt.Errorf("read note of commits %s: %w", path, err)
	}
	return &note, nil
}

// onWrite comes before every request that writes into files that the note is about. If the note
// cannot be written or removed, the client's connection is closed, so that the client asks again.
func (b *broker) onWrite(r kmsg.Request) (kmsg.Response, error, bool) {
	err := b.commits.done()
	switch r := r.(type) {
	case *kmsg.TxnOffsetCommitRequest:
		b.commits.stage(r, b.topicName)
	case *kmsg.EndTxnRequest:
		err = errors.Join(err, b.commits.end(r))
	case *kmsg.ProduceRequest:
		if err == nil {
			return b.onProduce(r)
		}
	}
	if err != nil {
		b.log.to.Error("a request was refused", "error", err)
	}
	return nil, err, err != nil
}
