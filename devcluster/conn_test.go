package devcluster

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
)

// exhausted is a listener without descriptors for a while.
type exhausted struct {
	net.Listener
	left int
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.left > 0 {
		e.left--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return e.Listener.Accept()
}

// A process that had too many files open for a moment takes connections again.
func TestConnectionsAreTakenAgain(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{ready: make(chan struct{}), log: &brokerLog{to: slog.New(slog.DiscardHandler)}}
	close(b.ready)
	l := &listener{Listener: &exhausted{inner, 3}, broker: b}
	dialled, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialled.Close()
	taken, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	taken.Close()
	inner.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the listener was closed: %v", err)
	}
}
