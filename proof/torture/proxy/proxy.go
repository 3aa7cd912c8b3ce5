package proxy

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Proxy passes connections on to one address.
type Proxy struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	mode   mode
	delay  time.Duration
	change chan struct{} // closed when the mode changes
	links  map[*link]bool
	resets int
	closed bool
	done   sync.WaitGroup
}

type mode int

const (
	passing  mode = iota
	refusing      // connections are closed at once
	holding       // nothing is passed on, connections stay open
	deaf          // requests go through, answers are thrown away by a reset
)

// link is one connection with its other side.
type link struct{ client, server net.Conn }

func (l *link) close() {
	for _, c := range []net.Conn{l.client, l.server} {
		if tcp, is := c.(*net.TCPConn); is {
			_ = tcp.SetLinger(0) // a reset, not a good end
		}
		_ = c.Close()
	}
}

// Listen returns a proxy at addr that leads to target, both host:port.
func Listen(addr, target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, target: target, change: make(chan struct{}), links: map[*link]bool{}}
	p.done.Add(1)
	go p.accept()
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Target is where connections go.
func (p *Proxy) Target() string { return p.target }

// Resets returns how many connections were reset after a request had gone through.
func (p *Proxy) Resets() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.resets
}

// Cut resets all connections. New ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

func (p *Proxy) cut() {
	for l := range p.links {
		l.close()
	}
}

// Refuse resets all connections and every new one.
func (p *Proxy) Refuse() {
	p.set(refusing, 0)
	p.Cut()
}

// Hold lets nothing pass and keeps connections open, as a network that loses every packet.
func (p *Proxy) Hold() { p.set(holding, 0) }

// Delay lets every piece of data wait, both ways.
func (p *Proxy) Delay(by time.Duration) { p.set(passing, by) }

// ResetAnswers passes requests on and resets a connection when the answer comes.
func (p *Proxy) ResetAnswers() { p.set(deaf, 0) }

// Mend ends every fault.
func (p *Proxy) Mend() { p.set(passing, 0) }

func (p *Proxy) set(m mode, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode, p.delay = m, delay
	close(p.change)
	p.change = make(chan struct{})
}

// Close ends all connections and stops listening.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.cut()
	close(p.change)
	p.change = make(chan struct{})
	p.mu.Unlock()
	err := p.listener.Close()
	p.done.Wait()
	return err
}

func (p *Proxy) accept() {
	defer p.done.Done()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		p.done.Add(1)
		go p.serve(client)
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer p.done.Done()
	p.mu.Lock()
	refuse := p.mode == refusing || p.closed
	p.mu.Unlock()
	l := &link{client: client}
	if !refuse {
		var err error
		if l.server, err = net.DialTimeout("tcp", p.target, 5*time.Second); err != nil {
			refuse = true
		}
	}
	if refuse {
		if tcp, is := client.(*net.TCPConn); is {
			_ = tcp.SetLinger(0)
		}
		_ = client.Close()
		return
	}
	p.mu.Lock()
	if p.closed || p.mode == refusing {
		p.mu.Unlock()
		l.close()
		return
	}
	p.links[l] = true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(l, l.server, l.client, false) })
	both.Go(func() { p.pass(l, l.client, l.server, true) })
	both.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// pass copies one direction until the link ends.
func (p *Proxy) pass(l *link, to, from net.Conn, answers bool) {
	// one direction's end is the other's: Kafka's protocol has no half-open connections
	defer l.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !p.gate(answers) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// gate waits as the fault demands and reports whether data may pass.
func (p *Proxy) gate(answers bool) bool {
	for {
		p.mu.Lock()
		m, delay, change, closed := p.mode, p.delay, p.change, p.closed
		if m == deaf && answers {
			p.resets++
		}
		p.mu.Unlock()
		switch {
		case closed || m == refusing || m == deaf && answers:
			return false
		case m == holding:
			<-change
			continue
		case delay > 0:
			select {
			case <-change: // mended or worse: look again, late enough
				continue
			case <-time.After(delay):
			}
		}
		return true
	}
}
