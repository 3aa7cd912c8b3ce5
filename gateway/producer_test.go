package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"
)

const testTopic = "account.commands"

func broker(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(12, testTopic)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func logTo(t *testing.T, patience time.Duration, brokers ...string) *producer {
	t.Helper()
	l, err := newProducer(cluster.Config{Brokers: brokers}, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func recordOf(key string) *kgo.Record {
	return &kgo.Record{Topic: testTopic, Key: []byte(key), Value: []byte("command of " + key)}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestCommandsGoWhereJavaProducersPutThem(t *testing.T) {
	t.Parallel()
	c := broker(t)
	l := logTo(t, 5*time.Second, c.ListenAddrs()...)
	for i := range 50 {
		key := fmt.Sprintf("account-%d:~.x", i)
		r := recordOf(key)
		if err := l.append(within(t, 10*time.Second), r); err != nil {
			t.Fatal(err)
		}
		if want := topology.PartitionOf([]byte(key), 12); r.Partition != want || r.Offset < 0 {
			t.Fatalf("%s: written to partition %d at %d, want partition %d", key, r.Partition, r.Offset, want)
		}
	}
}

// What is acknowledged is with all in-sync replicas, and a request that is sent again writes
// nothing twice.
func TestCommandsAreWrittenIdempotentlyToAllReplicas(t *testing.T) {
	t.Parallel()
	c := broker(t)
	l := logTo(t, 5*time.Second, c.ListenAddrs()...)
	var acks atomic.Int64
	var producer atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		produce := req.(*kmsg.ProduceRequest)
		var batch kmsg.RecordBatch
		if err := batch.ReadFrom(produce.Topics[0].Partitions[0].Records); err != nil {
			t.Errorf("the batch: %v", err)
		}
		acks.Store(int64(produce.Acks))
		producer.Store(batch.ProducerID)
		return nil, nil, false
	})
	if err := l.append(within(t, 10*time.Second), recordOf("a")); err != nil {
		t.Fatal(err)
	}
	if acks.Load() != -1 || producer.Load() < 0 {
		t.Errorf("written with acks %d (want -1, all) and producer id %d (without one it is not idempotent)", acks.Load(), producer.Load())
	}
}

func TestNothingIsWrittenWhereNoBrokerIs(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close() // an address where nobody listens
	l := logTo(t, time.Second, listener.Addr().String())
	start := time.Now()
	err = l.append(within(t, 20*time.Second), recordOf("a"))
	if !errors.Is(err, ErrNothingWritten) {
		t.Fatalf("got %v", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("said so after %s", took)
	}
}

func TestNothingIsWrittenWhereTheBrokerStaysSilent(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l := logTo(t, time.Second, listener.Addr().String())
	if err := l.append(within(t, 20*time.Second), recordOf("a")); !errors.Is(err, ErrNothingWritten) {
		t.Fatalf("got %v", err)
	}
}

func TestNothingIsWrittenAfterTheBrokerWentAway(t *testing.T) {
	t.Parallel()
	c := broker(t)
	l := logTo(t, time.Second, c.ListenAddrs()...)
	if err := l.append(within(t, 10*time.Second), recordOf("a")); err != nil {
		t.Fatal(err)
	}
	c.Close()
	// The first may be sent into the dying connection; those after it meet a closed port.
	_ = l.append(within(t, 20*time.Second), recordOf("a"))
	for _, key := range []string{"a", "b"} {
		start := time.Now()
		if err := l.append(within(t, 20*time.Second), recordOf(key)); !errors.Is(err, ErrNothingWritten) {
			t.Errorf("%s: got %v", key, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: said so after %s", key, took)
		}
	}
}

func TestUnansweredCommandsMayBeWritten(t *testing.T) {
	t.Parallel()
	c := broker(t)
	l := logTo(t, time.Second, c.ListenAddrs()...)
	if err := l.append(within(t, 10*time.Second), recordOf("a")); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		c.SleepControl(func() { <-release })
		return nil, nil, false // then written after all
	})
	defer close(release)
	if err := l.append(within(t, 1500*time.Millisecond), recordOf("a")); !errors.Is(err, ErrMayBeWritten) {
		t.Fatalf("got %v", err)
	}
}

func TestALostAnswerBeforeARefusalMayBeWritten(t *testing.T) {
	t.Parallel()
	c := broker(t)
	l := logTo(t, time.Second, c.ListenAddrs()...)
	if err := l.append(within(t, 10*time.Second), recordOf("a")); err != nil {
		t.Fatal(err)
	}
	first := true
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if first {
			first = false
			return nil, errors.New("cut the connection"), true
		}
		return refuse(req, kerr.TopicAuthorizationFailed), nil, true
	})
	if err := l.append(within(t, 20*time.Second), recordOf("a")); !errors.Is(err, ErrMayBeWritten) {
		t.Fatalf("got %v", err)
	}
}

func TestRefusedCommandsAreNotWritten(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		answer *kerr.Error
		want   error
	}{
		{kerr.TopicAuthorizationFailed, ErrNothingWritten},
		{kerr.UnknownTopicOrPartition, ErrNothingWritten},
		{kerr.MessageTooLarge, ErrTooLarge},
		{kerr.UnknownServerError, ErrMayBeWritten},
		{kerr.NotEnoughReplicasAfterAppend, ErrMayBeWritten},
		{kerr.RequestTimedOut, ErrMayBeWritten},
		// not this time, but the client does not tell what an earlier attempt met
		{kerr.NotEnoughReplicas, ErrMayBeWritten},
	} {
		t.Run(tc.answer.Message, func(t *testing.T) {
			t.Parallel()
			c := broker(t)
			l := logTo(t, time.Second, c.ListenAddrs()...)
			c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				return refuse(req, tc.answer), nil, true
			})
			if err := l.append(within(t, 5*time.Second), recordOf("a")); !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestATopicThatIsMissingIsNotWritten(t *testing.T) {
	t.Parallel()
	c := broker(t)
	l := logTo(t, 2*time.Second, c.ListenAddrs()...)
	r := recordOf("a")
	r.Topic = "nobody.commands"
	if err := l.append(within(t, 20*time.Second), r); !errors.Is(err, ErrNothingWritten) {
		t.Fatalf("got %v", err)
	}
}

func TestTheLargestCommandFits(t *testing.T) {
	t.Parallel()
	c := broker(t)
	l := logTo(t, 5*time.Second, c.ListenAddrs()...)
	r := recordOf("a")
	r.Value = make([]byte, topology.MaxCommandBytes)
	if err := l.append(within(t, 10*time.Second), r); err != nil {
		t.Fatal(err)
	}
	r = recordOf("a")
	r.Value = make([]byte, 2*topology.MaxCommandBytes)
	if err := l.append(within(t, 10*time.Second), r); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
}

// refuse answers a produce request with one error for all partitions.
func refuse(req kmsg.Request, answer *kerr.Error) kmsg.Response {
	produce := req.(*kmsg.ProduceRequest)
	resp := produce.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range produce.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.BaseOffset = partition.Partition, answer.Code, -1
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
