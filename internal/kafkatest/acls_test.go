package kafkatest

import (
	"testing"

	"github.com/foldlog/foldlog/internal/cluster"
)

// Brokers without an authorizer are told from others, so that a process can warn.
func TestOpenBrokersAreNoticed(t *testing.T) {
	open, err := cluster.Open(t.Context(), cluster.Config{Brokers: Shared(t).Bootstrap()})
	if err != nil || !open {
		t.Errorf("brokers without ACLs: %v, %v", open, err)
	}
}
