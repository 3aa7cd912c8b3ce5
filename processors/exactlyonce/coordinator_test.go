package exactlyonce

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// A connection to a frozen broker is cut while somebody waits for an answer, and none is made to it
// for a while.
func TestConnectionsToAFrozenBrokerAreCut(t *testing.T) {
	frozen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	d := newHangingUp(sarama.NewConfig())
	address := frozen.Addr().String()
	conn, err := d.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		waiting <- err
	}()
	d.hangUp(address)
	select {
	case err := <-waiting:
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the read ended with %v, want that the connection was closed", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the read still waits")
	}
	if len(d.open[address]) != 0 {
		t.Errorf("%d connections are kept", len(d.open[address]))
	}
	if _, err := d.Dial("tcp", address); !errors.Is(err, errAvoided) {
		t.Errorf("dialled at once: %v", err)
	}
	d.avoided[address] = time.Now()
	again, err := d.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil || len(d.open[address]) != 0 {
		t.Errorf("%v, %d connections are kept", err, len(d.open[address]))
	}
}
