package exactlyonce

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// coordinators is sarama's client with one difference: when the connection to a group's coordinator broke, it asks who the coordinator is now. sarama
// goes on with the broker that it knows. Where that is dead, its heartbeats use up all their tries within a moment, the session ends, and the whole group
// rebalances although every member is well; the new coordinator then even waits for members that have not noticed.
type coordinators struct {
	sarama.Client
	engine *engine

	mu   sync.Mutex
	last *sarama.Broker
}

// Coordinator returns the broker that coordinates the group, connected or connecting.
func (c *coordinators) Coordinator(group string) (*sarama.Broker, error) {
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	if last != nil {
		if up, _ := last.Connected(); !up { // it waits for a connection that is being made
			if err := c.askAgain(group); err != nil {
				return nil, err
			}
		}
	}
	b, err := c.Client.Coordinator(group)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.last = b
	c.mu.Unlock()
	return b, nil
}

// askAgain makes sarama forget the coordinator that it knows, as soon as the brokers know one. Unlike sarama's own search it ends with the attempt.
func (c *coordinators) askAgain(group string) error {
	if err := sleep(c.engine.ctx, joinRetry); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.engine.ctx, 5*time.Second)
	defer cancel()
	found := c.engine.admin.FindGroupCoordinators(ctx, group)
	if err := found[group].Err; err != nil {
		return fmt.Errorf("find the coordinator of group %s: %w", group, err)
	}
	return c.Client.RefreshCoordinator(group)
}
