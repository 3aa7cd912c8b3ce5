package kafkatest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gofrs/flock"
)

// Ports are TCP ports on 127.0.0.1 that no other user of this package is given until Close.
//
// They lie outside the range from which the system picks the local end of outgoing connections.
// From within it, a client that keeps dialling a dead broker is sooner or later given the broker's
// own port as its local end, is then connected to itself, and the broker cannot boot.
type Ports struct {
	numbers []int
	locks   []*flock.Flock
}

// ReservePorts returns count free ports.
func ReservePorts(count int) (*Ports, error) {
	root, err := cacheRoot()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, "ports")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("reserve ports: %w", err)
	}
	lowest, highest := portRange(os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"))
	p := &Ports{}
	const patience = 1000
	for range patience {
		if len(p.numbers) == count {
			return p, nil
		}
		if err := p.try(dir, lowest+rand.IntN(highest-lowest+1)); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return nil, errors.Join(fmt.Errorf("reserve ports: %d of %d found in %d attempts between %d and %d", len(p.numbers), count, patience, lowest, highest),
		p.Close())
}

// portRange returns the ports to choose from, given what Linux says about its choice of local
// ports.
func portRange(ephemeral []byte, err error) (lowest, highest int) {
	const from, to = 10000, 32767 // below what any system picks unless told otherwise
	var first, last int
	if err != nil {
		return from, to
	}
	if n, _ := fmt.Sscan(string(ephemeral), &first, &last); n != 2 {
		return from, to
	}
	const enough = 1000
	switch {
	case first-from >= enough:
		return from, min(to, first-1)
	case 65535-last >= enough:
		return last + 1, 65535
	}
	return from, to
}

// try adds the port if it is free.
func (p *Ports) try(dir string, number int) error {
	lock := flock.New(filepath.Join(dir, strconv.Itoa(number)))
	locked, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("reserve port %d: %w", number, err)
	}
	if !locked {
		return nil
	}
	listener, err := net.Listen("tcp", loopback(number))
	if err != nil { // someone else's
		return lock.Close()
	}
	p.numbers = append(p.numbers, number)
	p.locks = append(p.locks, lock)
	return listener.Close()
}

// Addr returns the i-th port, counted from 0, as host:port.
func (p *Ports) Addr(i int) string { return loopback(p.numbers[i]) }

// Close gives the ports up.
func (p *Ports) Close() error {
	var all []error
	for _, lock := range p.locks {
		all = append(all, lock.Close())
	}
	p.locks = nil
	return errors.Join(all...)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
