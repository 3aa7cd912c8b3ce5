package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/foldlog/foldlog/internal/retry"
)

// coordinators is sarama's client with three differences, two of them for a group coordinator that
// is gone.
//
// If the connection to it broke, the brokers are asked for the present one. sarama stays with the
// broker that it knows. Against a dead one its heartbeats use up all their tries within a moment,
// the session ends, and the whole group rebalances although every member is well.
//
// If it is silent, and the brokers say that another one has taken over, its connections are cut.
// sarama would wait for an answer for longer than the session lasts, since a join may take as long.
//
// A join that waits for other members ends with the attempt. sarama would wait for the answer, and
// then the group would wait for a member that only leaves.
type coordinators struct {
	sarama.Client
	engine *engine
	dialer *hangingUp

	mu    sync.Mutex
	last  *sarama.Broker
	asked time.Time
}

func newCoordinators(e *engine, config *sarama.Config) (*coordinators, error) {
	c := &coordinators{engine: e, dialer: newHangingUp(config)}
	config.Net.Proxy.Enable, config.Net.Proxy.Dialer = true, c.dialer
	var err error
	c.Client, err = sarama.NewClient(e.config.Cluster.Brokers, config)
	return c, err
}

// findTry bounds one try to find a coordinator.
const findTry = 3 * time.Second

// find asks the brokers, once, for the group's coordinator.
func (c *coordinators) find(group string) (int32, error) {
	ctx, cancel := context.WithTimeout(c.engine.ctx, findTry)
	defer cancel()
	found := c.engine.admin.FindGroupCoordinators(ctx, group)[group]
	if found.Err != nil {
		return -1, fmt.Errorf("find the coordinator of group %s: %w", group, found.Err)
	}
	return found.NodeID, nil
}

// Coordinator returns the broker that coordinates the group, connected or connecting. If the end is
// wanted and no generation is left that needs a coordinator, it returns none, so that nobody joins
// any more.
func (c *coordinators) Coordinator(group string) (*sarama.Broker, error) {
	if err := c.engine.ctx.Err(); err != nil && c.engine.current.Load() == nil {
		return nil, err
	}
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	if last != nil {
		if up, _ := last.Connected(); !up { // it waits for a connection that is being made
			if err := c.lookAgain(group); err != nil {
				return nil, err
			}
		}
	}
	b, err := c.Client.Coordinator(group)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.last, c.asked = b, time.Now()
	c.mu.Unlock()
	return b, nil
}

// lookAgain makes sarama look for the coordinator once the brokers know one. sarama's own search
// goes on for long, even after the attempt has ended.
func (c *coordinators) lookAgain(group string) error {
	if err := retry.Sleep(c.engine.ctx, joinRetry); err != nil {
		return err
	}
	if _, err := c.find(group); err != nil {
		return err
	}
	return c.RefreshCoordinator(group)
}

// silence is the time for which a coordinator may be silent before the brokers are asked whether it
// still coordinates. Heartbeats ask for answers much more often.
const silence = 1500 * time.Millisecond

// watch cuts connections to former coordinators until the attempt ends.
func (c *coordinators) watch(group string) {
	for retry.Sleep(c.engine.ctx, silence/2) == nil {
		c.mu.Lock()
		last, asked := c.last, c.asked
		c.mu.Unlock()
		if last == nil || time.Since(asked) < silence {
			continue
		}
		now, err := c.find(group)
		if err == nil && now != last.ID() {
			c.dialer.hangUp(last.Addr())
		}
	}
}

// stopJoining ends a join that is waiting. Coordinator lets no further one begin, since the
// attempt's context has ended.
func (c *coordinators) stopJoining() {
	if c.engine.current.Load() == nil {
		c.dialer.hangUpAll()
	}
}

// hangingUp connects to brokers and can cut all connections to one.
type hangingUp struct {
	net.Dialer

	mu      sync.Mutex
	open    map[string]map[*cuttable]bool // by address
	avoided map[string]time.Time          // until when
}

func newHangingUp(config *sarama.Config) *hangingUp {
	return &hangingUp{Dialer: net.Dialer{Timeout: config.Net.DialTimeout, KeepAlive: config.Net.KeepAlive},
		open: map[string]map[*cuttable]bool{}, avoided: map[string]time.Time{}}
}

// avoidFor is the time for which no connection to a cut-off broker is made. It would still accept
// connections and be silent.
const avoidFor = 10 * time.Second

var errAvoided = errors.New("the broker did not answer a moment ago")

// Dial is called by sarama.
func (d *hangingUp) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	avoided := time.Now().Before(d.avoided[address])
	d.mu.Unlock()
	if avoided {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errAvoided}
	}
	conn, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	c := &cuttable{Conn: conn, dialer: d, address: address}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[address] == nil {
		d.open[address] = map[*cuttable]bool{}
	}
	d.open[address][c] = true
	return c, nil
}

// hangUp cuts all connections to an address, and has none made for a while. All who wait for an
// answer get an error.
func (d *hangingUp) hangUp(address string) {
	d.mu.Lock()
	d.avoided[address] = time.Now().Add(avoidFor)
	all := slices.Collect(maps.Keys(d.open[address]))
	d.mu.Unlock()
	closeAll(all)
}

// hangUpAll cuts all connections. New ones can be made.
func (d *hangingUp) hangUpAll() {
	d.mu.Lock()
	var all []*cuttable
	for _, open := range d.open {
		all = slices.AppendSeq(all, maps.Keys(open))
	}
	d.mu.Unlock()
	closeAll(all)
}

func closeAll(all []*cuttable) {
	for _, c := range all {
		_ = c.Close() // what is left of it does not matter
	}
}

// cuttable is a connection that its dialer can close.
type cuttable struct {
	net.Conn
	dialer  *hangingUp
	address string
}

// Close may be called by both sides.
func (c *cuttable) Close() error {
	c.dialer.mu.Lock()
	delete(c.dialer.open[c.address], c)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}
