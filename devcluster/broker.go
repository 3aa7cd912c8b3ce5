package devcluster

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// controlUses is the number of requests after which a control function is replaced by a fresh one.
// kfake remembers for each of them the last request of every connection, and frees that only
// together with the function.
const controlUses = 1024

// broker is kfake with two additions: a listener that watches all traffic (conn.go), and control
// functions that see each produce request in the order of appending (append_time.go) and each
// member that leaves a group (leaving.go).
type broker struct {
	kfake   *kfake.Cluster
	address string
	ready   chan struct{}
	log     *brokerLog
	configs map[string]string
	times   appendTimes
	commits *commits
}

func startBroker(l net.Listener, c Config) (*broker, error) {
	b := &broker{
		address: l.Addr().String(),
		ready:   make(chan struct{}),
		log:     &brokerLog{to: c.Logger.With("part", "broker")},
		configs: brokerConfigs(c),
		times:   appendTimes{now: time.Now},
	}
	options := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("foldlog-devcluster"),
		kfake.DataDir(filepath.Join(c.Dir, kafkaDir)),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return &listener{Listener: l, broker: b}, nil }),
		kfake.WithLogger(b.log),
		kfake.BrokerConfigs(b.configs),
	}
	if c.SyncWrites {
		options = append(options, kfake.SyncWrites())
	}
	var err error
	if b.commits, err = openCommits(filepath.Join(c.Dir, commitFile), c.SyncWrites); err != nil {
		return nil, err
	}
	if b.kfake, err = kfake.NewCluster(options...); err != nil {
		close(b.ready)
		_ = b.commits.close() // nothing was written
		return nil, fmt.Errorf("broker: read %s: %w (Reset removes all data)", filepath.Join(c.Dir, kafkaDir), err)
	}
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.OffsetCommit, kmsg.OffsetDelete, kmsg.DeleteGroups, kmsg.InitProducerID,
		kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn} {
		b.control(key, b.onWrite)
	}
	for _, key := range []kmsg.Key{kmsg.CreateTopics, kmsg.DeleteTopics, kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs} {
		b.control(key, func(kmsg.Request) (kmsg.Response, error, bool) {
			b.times.forget()
			return nil, nil, false
		})
	}
	waiting := syncing{}
	b.control(kmsg.JoinGroup, waiting.joins)
	b.control(kmsg.SyncGroup, waiting.syncs)
	b.control(kmsg.LeaveGroup, waiting.leaves)
	close(b.ready)
	if err := b.keepToFirstTransactions(); err != nil {
		return nil, errors.Join(fmt.Errorf("broker: %w", err), b.close())
	}
	return b, nil
}

// brokerConfigs keeps kfake from ever removing anything. Its compaction is not safe against a kill
// and stops the broker while it runs, and its retention also removes from topics that are only
// compacted. Both run in the interval of the cleaner's backoff, which is therefore 68 years.
// Offsets of a group without members would expire 7 days after its last commit: a machine that was
// off over a holiday would handle everything again.
func brokerConfigs(c Config) map[string]string {
	return map[string]string{
		"log.retention.ms":          "-1",
		"log.cleaner.backoff.ms":    "2147483647000",
		"offsets.retention.minutes": strconv.Itoa(math.MaxInt32),
		"message.max.bytes":         strconv.Itoa(c.MaxMessageBytes),
	}
}

// control lets fn see every request of a kind right before kfake handles it. Calls of all control
// functions are serial, in the order in which requests are handled.
func (b *broker) control(key kmsg.Key, fn func(kmsg.Request) (kmsg.Response, error, bool)) {
	left := controlUses
	b.kfake.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if left--; left > 0 {
			b.kfake.KeepControl()
		} else {
			b.kfake.DropControl()
			b.control(key, fn)
		}
		return fn(r)
	})
}

func (b *broker) close() error {
	b.log.closing()
	b.kfake.Close()
	return errors.Join(b.log.err(), b.commits.close())
}

// slowCommit is the beginning of kfake's message about each commit that takes more than a few
// milliseconds. It is no warning for anybody.
const slowCommit = "txn: EndTxn slow"

// brokerLog passes kfake's log on and keeps the errors of Close, which kfake only logs.
type brokerLog struct {
	to *slog.Logger

	mu   sync.Mutex
	keep bool
	errs []error
}

func (l *brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	switch level {
	case kfake.LogLevelError:
		l.to.Error(text)
		l.mu.Lock()
		if l.keep {
			l.errs = append(l.errs, errors.New("broker: "+text))
		}
		l.mu.Unlock()
	case kfake.LogLevelWarn:
		if strings.HasPrefix(format, slowCommit) {
			l.to.Debug(text)
			return
		}
		l.to.Warn(text)
	default: // also kfake's information: it tells of single requests
		l.to.Debug(text)
	}
}

func (l *brokerLog) closing() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep = true
}

func (l *brokerLog) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errs...)
}
