package atleastonce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"
)

const (
	// rowPrefix keeps rows apart from Goka's own key, __offset.
	rowPrefix = "r"
	// longestAbsence is half of Kafka's default delete.retention.ms: a store that was away longer could keep rows whose
	// deletion is no longer in the log.
	longestAbsence = 12 * time.Hour
)

// receipt says that a store was closed in good order, and of which topic it is a copy.
type receipt struct {
	TopicID  string    `json:"topic_id"`
	ClosedAt time.Time `json:"closed_at"`
}

// storeBuilder opens the store of a table's partition under dir, or a new one where the old one cannot be trusted.
func storeBuilder(dir string, c cluster.Config, log *slog.Logger) storage.Builder {
	return func(topic string, partition int32) (storage.Storage, error) {
		topicID, err := topicID(c, topic)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, fmt.Sprintf("%s.%d", topic, partition))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("store of %s, partition %d: %w", topic, partition, err)
		}
		if reason := distrust(path, topicID); reason != "" {
			log.Info("the local store is rebuilt from its topic", "topic", topic, "partition", partition, "reason", reason)
			if err := os.RemoveAll(path); err != nil {
				return nil, fmt.Errorf("store of %s, partition %d: remove the old one: %w", topic, partition, err)
			}
		}
		db, err := leveldb.OpenFile(path, nil)
		if err != nil { // damaged: keep it for whoever wants to know why, and start anew
			aside := fmt.Sprintf("%s.damaged-%d", path, time.Now().UnixNano())
			log.Error("the local store is damaged; it is set aside and rebuilt", "path", path, "aside", aside, "error", err)
			if err := os.Rename(path, aside); err != nil {
				return nil, fmt.Errorf("store of %s, partition %d: set the damaged one aside: %w", topic, partition, err)
			}
			if db, err = leveldb.OpenFile(path, nil); err != nil {
				return nil, fmt.Errorf("store of %s, partition %d: %w", topic, partition, err)
			}
		}
		inner, err := storage.New(db)
		if err != nil {
			return nil, err
		}
		return &store{Storage: inner, receipt: path + ".closed", topicID: topicID}, nil
	}
}

// distrust returns why the store at path must not be used, or "".
func distrust(path, topicID string) string {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	data, err := os.ReadFile(path + ".closed")
	var r receipt
	switch {
	case err != nil || json.Unmarshal(data, &r) != nil:
		return "it was not closed in good order"
	case r.TopicID != topicID:
		return "its topic was created anew"
	case time.Since(r.ClosedAt) > longestAbsence:
		return "it was away for too long"
	}
	return ""
}

func topicID(c cluster.Config, topic string) (string, error) {
	opts, err := c.Franz()
	if err != nil {
		return "", err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return "", fmt.Errorf("kafka client: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	listed, err := kadm.NewClient(client).ListTopics(ctx, topic)
	if err == nil {
		err = listed[topic].Err
	}
	if err != nil {
		return "", fmt.Errorf("find the id of topic %s: %w", topic, err)
	}
	return listed[topic].ID.String(), nil
}

// store is Goka's store with keys of its own for rows, and a receipt.
type store struct {
	storage.Storage
	receipt string
	topicID string
}

func (s *store) Open() error {
	if err := os.Remove(s.receipt); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take back the store's receipt: %w", err)
	}
	return s.Storage.Open()
}

func (s *store) Close() error {
	if err := s.Storage.Close(); err != nil {
		return err
	}
	data, err := json.Marshal(receipt{TopicID: s.topicID, ClosedAt: time.Now().UTC()})
	if err != nil {
		return err
	}
	return os.WriteFile(s.receipt, data, 0o600)
}

func (s *store) Has(key string) (bool, error)       { return s.Storage.Has(rowPrefix + key) }
func (s *store) Get(key string) ([]byte, error)     { return s.Storage.Get(rowPrefix + key) }
func (s *store) Set(key string, value []byte) error { return s.Storage.Set(rowPrefix+key, value) }
func (s *store) Delete(key string) error            { return s.Storage.Delete(rowPrefix + key) }

// restoreRow is Goka's callback for each record of the table during recovery.
func restoreRow(_ goka.UpdateContext, s storage.Storage, key string, value []byte) error {
	if strings.HasPrefix(key, topology.ProgressPrefix) {
		return nil
	}
	if value == nil {
		return s.Delete(key)
	}
	return s.Set(key, value)
}
