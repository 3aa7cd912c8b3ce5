package devcluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/retry"
)

// maxRequestBytes is the largest request: Apache Kafka's default of socket.request.max.bytes.
const maxRequestBytes = 100 << 20

// requestHeadBytes is the length of every request's head: size (int32, of the rest), API key and
// version (int16), and correlation id (int32). A client id of at least two bytes follows.
const requestHeadBytes = 12

// waitingRequests bounds how many requests of a connection are remembered.
const waitingRequests = 4

// listener hands kfake connections that watch their traffic. The first one waits until the control
// functions are in place.
type listener struct {
	net.Listener
	broker *broker
}

// Accept fails only after the listener was closed. kfake would never accept again after any other
// error, such as too many open files.
func (l *listener) Accept() (net.Conn, error) {
	<-l.broker.ready
	for try := range retry.Attempts(context.Background(), 5*time.Millisecond, time.Second) {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			return &conn{Conn: c, broker: l.broker}, nil
		case errors.Is(err, net.ErrClosed):
			return nil, err
		}
		l.broker.log.to.Warn("a connection could not be taken, trying again", "error", err, "in", try.Pause())
	}
	return nil, net.ErrClosed // not reached: the context does not end
}

// conn watches one client's traffic. Kafka's protocol is a sequence of requests, answered in the
// same order.
//
// On the way in, conn refuses bytes that are no request: kfake allocates a buffer of any claimed
// size and panics on an unknown API key. On the way out, it corrects the responses in which kfake
// differs from Apache Kafka.
//
// kfake reads from one goroutine and writes from another, each with one call at a time.
type conn struct {
	net.Conn
	broker *broker

	// Only Read touches these.
	head   []byte // what is read of the current request but not handed on yet
	remain int    // what of the current request is not read yet

	mu      sync.Mutex
	waiting []request // requests whose responses are to be corrected, in order
}

// request is the part of a request that its response needs.
type request struct {
	correlation int32
	version     int16
	response    func() kmsg.Response
	described   *kmsg.DescribeConfigsRequest
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.head) == 0 && c.remain == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), c.remain)])
	c.remain -= n
	return n, err
}

// next reads the head of the next request and refuses bytes that are none.
func (c *conn) next() error {
	head := make([]byte, requestHeadBytes)
	if _, err := io.ReadFull(c.Conn, head); err != nil {
		return err
	}
	size := int64(int32(binary.BigEndian.Uint32(head)))
	key, version := int16(binary.BigEndian.Uint16(head[4:])), int16(binary.BigEndian.Uint16(head[6:]))
	if size < requestHeadBytes-4+2 || size > maxRequestBytes || version < 0 || kmsg.RequestForKey(key) == nil {
		c.broker.log.to.Warn("connection refused: not a Kafka request", "client", c.RemoteAddr().String(),
			"size", size, "key", key, "version", version)
		return fmt.Errorf("devcluster: not a Kafka request: size %d, key %d, version %d", size, key, version)
	}
	c.head, c.remain = head, int(size)+4-requestHeadBytes
	r := request{correlation: int32(binary.BigEndian.Uint32(head[8:])), version: version}
	switch kmsg.Key(key) {
	case kmsg.Produce:
		r.response = func() kmsg.Response { return kmsg.NewPtrProduceResponse() }
	case kmsg.Fetch:
		r.response = func() kmsg.Response { return kmsg.NewPtrFetchResponse() }
	case kmsg.ShareFetch:
		r.response = func() kmsg.Response { return kmsg.NewPtrShareFetchResponse() }
	case kmsg.DescribeConfigs:
		r.response = func() kmsg.Response { return kmsg.NewPtrDescribeConfigsResponse() }
		body := make([]byte, c.remain)
		if _, err := io.ReadFull(c.Conn, body); err != nil {
			return err
		}
		c.head, c.remain = append(c.head, body...), 0
		r.described = describeRequest(version, body)
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// kfake reads one request ahead. Older ones were answered already, or get no answer (acks=0).
	if len(c.waiting) >= waitingRequests {
		c.waiting = slices.Delete(c.waiting, 0, 1)
	}
	c.waiting = append(c.waiting, r)
	return nil
}

// Write takes one whole response: kfake writes one response with each call.
func (c *conn) Write(p []byte) (int, error) {
	out, err := c.correct(p)
	if err != nil {
		return 0, err
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// correct returns the response as Apache Kafka would give it. If only records change, they change
// in p, which kfake wrote for this response alone.
func (c *conn) correct(p []byte) ([]byte, error) {
	if len(p) < 8 {
		return p, nil
	}
	r, ok := c.answered(int32(binary.BigEndian.Uint32(p[4:])))
	if !ok {
		return p, nil
	}
	resp := r.response()
	resp.SetVersion(r.version)
	head := p[:8]
	if resp.IsFlexible() {
		head = p[:9] // no tags
	}
	if err := resp.ReadFrom(p[len(head):]); err != nil {
		return nil, fmt.Errorf("devcluster: response to request with key %d version %d: %w", resp.Key(), r.version, err)
	}
	switch resp := resp.(type) {
	case *kmsg.FetchResponse:
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				showAppendTimes(resp.Topics[i].Partitions[j].RecordBatches)
			}
		}
		return p, nil
	case *kmsg.ShareFetchResponse:
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				showAppendTimes(resp.Topics[i].Partitions[j].Records)
			}
		}
		return p, nil
	case *kmsg.ProduceResponse:
		c.broker.times.showAppendTime(resp)
	case *kmsg.DescribeConfigsResponse:
		c.broker.describe(r.described, resp)
	}
	out := resp.AppendTo(slices.Clone(head))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out, nil
}

// answered returns the waiting request with this correlation id. It forgets that request and all
// before it.
func (c *conn) answered(correlation int32) (request, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.waiting, func(r request) bool { return r.correlation == correlation })
	if i < 0 {
		return request{}, false
	}
	r := c.waiting[i]
	c.waiting = slices.Delete(c.waiting, 0, i+1)
	return r, true
}
