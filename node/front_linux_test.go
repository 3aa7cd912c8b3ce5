package node

import (
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A socket in blocking mode, for however short a time, can hold up for good a goroutine that waits
// for a connection at that moment, and with it the start.
func TestTheListenerNeverBlocks(t *testing.T) {
	for range 300 {
		f, err := listenFront("127.0.0.1:0", prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := f.listener.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var blocking bool
		looking, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for first := true; ; first = false {
				err := raw.Control(func(fd uintptr) {
					flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
					blocking = blocking || flags&syscall.O_NONBLOCK == 0
				})
				if err != nil {
					return
				}
				if first {
					close(looking)
				}
			}
		}()
		<-looking
		listener, err := f.handOver()
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		f.listener.TCPListener.Close()
		<-done
		if blocking {
			t.Fatal("the socket was in blocking mode")
		}
	}
}
