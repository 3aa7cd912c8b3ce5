package system

import (
	"errors"
	"fmt"

	"github.com/foldlog/foldlog/internal/kafkatest"
	"github.com/foldlog/foldlog/proof/torture/proxy"
)

// links are proxies between instances and brokers. A broker tells clients where all brokers are, so
// each instance has a listener of its own at every broker, which advertises the instance's proxies.
type links struct {
	brokers int
	// byInstance has a proxy for each broker; listeners are the brokers' own addresses behind them.
	byInstance map[string][]*proxy.Proxy
	ports      *kafkatest.Ports
}

// LinkedInstances are the names of the instances that can be proxied. They are fixed, since brokers
// are told at their start.
var LinkedInstances = []string{"processor-1", "processor-2", "processor-3", "edge-1", "edge-2"}

// openLinks makes the proxies.
func openLinks(brokers int) (_ *links, err error) {
	l := &links{brokers: brokers, byInstance: map[string][]*proxy.Proxy{}}
	if l.ports, err = kafkatest.ReservePorts(2 * brokers * len(LinkedInstances)); err != nil {
		return nil, err
	}
	for i, name := range LinkedInstances {
		for b := range brokers {
			n := 2 * (i*brokers + b)
			p, err := proxy.Listen(l.ports.Addr(n), l.ports.Addr(n+1))
			if err != nil {
				return nil, errors.Join(err, l.close())
			}
			l.byInstance[name] = append(l.byInstance[name], p)
		}
	}
	return l, nil
}

func (l *links) close() error {
	var all []error
	for _, proxies := range l.byInstance {
		for _, p := range proxies {
			all = append(all, p.Close())
		}
	}
	if l.ports != nil {
		all = append(all, l.ports.Close())
	}
	return errors.Join(all...)
}

// nodeProperties gives a broker a listener for each proxied instance.
func (s *System) nodeProperties(n kafkatest.Node, _ []kafkatest.Node) map[string]string {
	if s.links == nil {
		return nil
	}
	listeners, advertised, protocols := "PLAINTEXT://"+n.Addr+",CONTROLLER://"+n.ControllerAddr, "PLAINTEXT://"+n.Addr, "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
	for i, name := range LinkedInstances {
		p := s.links.byInstance[name][n.ID-1]
		listener := fmt.Sprintf("LINK%d", i)
		listeners += fmt.Sprintf(",%s://%s", listener, p.Target())
		advertised += fmt.Sprintf(",%s://%s", listener, p.Addr())
		protocols += "," + listener + ":PLAINTEXT"
	}
	return map[string]string{"listeners": listeners, "advertised.listeners": advertised, "listener.security.protocol.map": protocols}
}

// brokersOf returns the bootstrap addresses of an instance.
func (s *System) brokersOf(instance string) []string {
	if s.links == nil || len(s.links.byInstance[instance]) == 0 {
		return s.Brokers()
	}
	var all []string
	for _, p := range s.links.byInstance[instance] {
		all = append(all, p.Addr())
	}
	return all
}

// Links returns the proxies between an instance and the brokers, in the order of the brokers' ids;
// none if the system is not proxied.
func (s *System) Links(instance string) []*proxy.Proxy {
	if s.links == nil {
		return nil
	}
	return s.links.byInstance[instance]
}
