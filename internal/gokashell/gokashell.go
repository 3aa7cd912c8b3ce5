package gokashell

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka/storage"
)

// ErrRefused is the answer to all that Goka must not do.
var ErrRefused = errors.New("this is not Goka's to do")

// Topics is a Goka topic manager. Topics are created and verified elsewhere.
type Topics struct {
	Count   int                         // of partitions of every topic
	Reached func(partition int32) int64 // the next offset to handle; all before it was restored
}

func (t Topics) EnsureTableExists(string, int) error                         { return nil }
func (t Topics) EnsureStreamExists(string, int) error                        { return nil }
func (t Topics) EnsureTopicExists(string, int, int, map[string]string) error { return nil }
func (t Topics) Close() error                                                { return nil }

// Partitions returns the partitions that every topic has.
func (t Topics) Partitions(string) ([]int32, error) {
	all := make([]int32, t.Count)
	for p := range all {
		all[p] = int32(p)
	}
	return all, nil
}

// GetOffset returns the newest offset that was reached.
func (t Topics) GetOffset(_ string, partition int32, time int64) (int64, error) {
	if time == sarama.OffsetOldest {
		return 0, nil
	}
	return t.Reached(partition), nil
}

// Storage is a partition's Goka storage. It outlives Goka's use of it, and rows are read and
// written past it. The offset is written with the rows.
type Storage struct {
	Opened  func() error
	Reached func() int64
}

func (s *Storage) Open() error                                                { return s.Opened() }
func (s *Storage) Close() error                                               { return nil }
func (s *Storage) GetOffset(int64) (int64, error)                             { return s.Reached() - 1, nil }
func (s *Storage) SetOffset(int64) error                                      { return nil }
func (s *Storage) MarkRecovered() error                                       { return nil }
func (s *Storage) Has(string) (bool, error)                                   { return false, ErrRefused }
func (s *Storage) Get(string) ([]byte, error)                                 { return nil, ErrRefused }
func (s *Storage) Set(string, []byte) error                                   { return ErrRefused }
func (s *Storage) Delete(string) error                                        { return ErrRefused }
func (s *Storage) Iterator() (storage.Iterator, error)                        { return nil, ErrRefused }
func (s *Storage) IteratorWithRange([]byte, []byte) (storage.Iterator, error) { return nil, ErrRefused }

// Log takes the lines that Goka prints.
type Log func(line string)

func (l Log) Print(args ...any)                 { l(fmt.Sprint(args...)) }
func (l Log) Println(args ...any)               { l(fmt.Sprint(args...)) }
func (l Log) Printf(format string, args ...any) { l(fmt.Sprintf(format, args...)) }
