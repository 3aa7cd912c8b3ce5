package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/foldlog/foldlog/proof/torture/proxy"
)

// echo is a server that answers each line, and tells what it got.
func echo(t *testing.T) (addr string, got <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	lines := make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				for in := bufio.NewReader(conn); ; {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					lines <- line
					if _, err := io.WriteString(conn, line); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String(), lines
}

func start(t *testing.T) (*proxy.Proxy, <-chan string) {
	t.Helper()
	addr, got := echo(t)
	p, err := proxy.Listen("127.0.0.1:0", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, got
}

func dial(t *testing.T, p *proxy.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a line and returns how long the answer took, or the error of reading it.
func ask(t *testing.T, conn net.Conn, line string, patience time.Duration) (time.Duration, error) {
	t.Helper()
	began := time.Now()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return 0, err
	}
	_ = conn.SetReadDeadline(began.Add(patience))
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && answer != line+"\n" {
		t.Errorf("sent %q, got %q", line, answer)
	}
	return time.Since(began), err
}

func TestPassesAndDelays(t *testing.T) {
	p, _ := start(t)
	conn := dial(t, p)
	if _, err := ask(t, conn, "one", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	p.Delay(60 * time.Millisecond)
	if took, err := ask(t, conn, "two", 5*time.Second); err != nil || took < 120*time.Millisecond {
		t.Errorf("with 60 ms each way the answer took %s, %v", took, err)
	}
	p.Mend()
	if _, err := ask(t, conn, "three", 5*time.Second); err != nil {
		t.Error(err)
	}
}

func TestCutAndRefuse(t *testing.T) {
	p, _ := start(t)
	conn := dial(t, p)
	if _, err := ask(t, conn, "one", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if _, err := ask(t, conn, "two", 5*time.Second); err == nil {
		t.Error("an answer over a connection that was cut")
	}
	if _, err := ask(t, dial(t, p), "three", 5*time.Second); err != nil {
		t.Errorf("after a cut new connections pass: %v", err)
	}
	p.Refuse()
	// The reset may come before the connection is reported as made, or after.
	if conn, err := net.Dial("tcp", p.Addr()); err == nil {
		defer conn.Close()
		if _, err := ask(t, conn, "four", 5*time.Second); err == nil {
			t.Error("an answer over a refused connection")
		}
	}
	p.Mend()
	if _, err := ask(t, dial(t, p), "five", 5*time.Second); err != nil {
		t.Error(err)
	}
}

func TestHoldKeepsConnectionsAndBytes(t *testing.T) {
	p, got := start(t)
	conn := dial(t, p)
	if _, err := ask(t, conn, "one", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	<-got
	p.Hold()
	if _, err := ask(t, conn, "held", 100*time.Millisecond); !errors.Is(err, errTimeout(err)) {
		t.Errorf("held connection: %v", err)
	}
	p.Mend()
	if line := <-got; line != "held\n" { // late, not lost
		t.Errorf("the server got %q", line)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if answer, err := bufio.NewReader(conn).ReadString('\n'); err != nil || answer != "held\n" {
		t.Errorf("late answer %q, %v", answer, err)
	}
}

// errTimeout returns err if it is a time-out, else an error that nothing is.
func errTimeout(err error) error {
	if timeout, is := errors.AsType[net.Error](err); is && timeout.Timeout() {
		return err
	}
	return errors.New("no time-out")
}

func TestResetAnswersLetsRequestsThrough(t *testing.T) {
	p, got := start(t)
	p.ResetAnswers()
	if _, err := ask(t, dial(t, p), "done, but never told", 5*time.Second); err == nil {
		t.Error("the answer came through")
	}
	if line := <-got; line != "done, but never told\n" {
		t.Errorf("the server got %q", line)
	}
	if p.Resets() != 1 {
		t.Errorf("%d resets are counted", p.Resets())
	}
}
