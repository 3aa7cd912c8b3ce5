package deploy

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// network stands for the network and the volumes of docker-compose.yml: what services call each
// other by, and where that is here.
type network struct {
	t *testing.T
	// local maps an address as others write it, such as "kafka-1:9092" or "127.0.0.1:29092"
	// (published), to one on this machine.
	local map[string]string
	// own maps, for each service, a port as the service itself writes it, such as ":8080", to an
	// address on this machine.
	own map[string]map[string]string
	// volumes maps, for each service, a path to a directory here.
	volumes map[string]map[string]string
}

func newNetwork(t *testing.T, c *compose) *network {
	t.Helper()
	n := &network{t: t, local: map[string]string{}, own: map[string]map[string]string{}, volumes: map[string]map[string]string{}}
	root := t.TempDir()
	for name, s := range c.Services {
		n.own[name], n.volumes[name] = map[string]string{}, map[string]string{}
		for _, mounted := range s.Volumes {
			if volume, path, _ := strings.Cut(mounted, ":"); !strings.HasPrefix(volume, "./") {
				n.volumes[name][path] = filepath.Join(root, volume)
			}
		}
	}
	return n
}

// listen says that a service listens on a port, which is at the address here. Published ports lead
// to it too.
func (n *network) listen(c *compose, service, port, here string) {
	n.own[service][":"+port] = here
	n.local[service+":"+port] = here
	for _, published := range c.Services[service].Ports {
		if outside, found := strings.CutSuffix(published, ":"+port); found {
			n.local[outside] = here
		}
	}
}

// anAddress is host:port, where the host may be missing.
var anAddress = regexp.MustCompile(`[A-Za-z0-9_.-]*:[0-9]+`)

// translate writes for this machine what a service has in its environment or command line. An
// address that nobody listens on is an error.
func (n *network) translate(service, text string) string {
	n.t.Helper()
	for path, here := range n.volumes[service] {
		if text == path || strings.HasPrefix(text, path+"/") {
			return here + strings.TrimPrefix(text, path)
		}
	}
	return anAddress.ReplaceAllStringFunc(text, func(address string) string {
		host, port, _ := net.SplitHostPort(address)
		if here, is := n.own[service][":"+port]; is && (host == "" || host == "127.0.0.1") {
			return here
		}
		here, known := n.local[address]
		if !known {
			n.t.Fatalf("service %s uses %s in %q, and nothing listens there", service, address, text)
		}
		return here
	})
}

func (n *network) translateAll(service string, texts []string) []string {
	n.t.Helper()
	var all []string
	for _, text := range texts {
		all = append(all, n.translate(service, text))
	}
	return all
}

// environment returns a service's environment for this machine.
func (n *network) environment(c *compose, service string) []string {
	n.t.Helper()
	var all []string
	for variable, value := range c.Services[service].Environment {
		all = append(all, variable+"="+n.translate(service, value))
	}
	return all
}

func TestTranslationForThisMachine(t *testing.T) {
	c := &compose{Services: map[string]*service{
		"kafka-1": {Ports: []string{"127.0.0.1:29092:19092"}, Volumes: []string{"data:/var/lib/data"}},
		"edge":    {},
	}}
	n := newNetwork(t, c)
	n.listen(c, "kafka-1", "9092", "127.0.0.1:111")
	n.listen(c, "kafka-1", "19092", "127.0.0.1:222")
	n.listen(c, "edge", "8080", "127.0.0.1:333")
	for _, test := range []struct{ service, text, want string }{
		{"kafka-1", "INSIDE://:9092,OUTSIDE://:19092", "INSIDE://127.0.0.1:111,OUTSIDE://127.0.0.1:222"},
		{"kafka-1", "INSIDE://kafka-1:9092,OUTSIDE://127.0.0.1:29092", "INSIDE://127.0.0.1:111,OUTSIDE://127.0.0.1:222"},
		{"kafka-1", "/var/lib/data/1", n.volumes["kafka-1"]["/var/lib/data"] + "/1"},
		{"edge", "1@kafka-1:9092", "1@127.0.0.1:111"},
		{"edge", "http://127.0.0.1:8080/readyz", "http://127.0.0.1:333/readyz"},
		{"edge", ":8080", "127.0.0.1:333"},
		{"edge", "12", "12"},
	} {
		if got := n.translate(test.service, test.text); got != test.want {
			t.Errorf("%s: %q became %q, want %q", test.service, test.text, got, test.want)
		}
	}
}
