package cli

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/foldlog/foldlog/node"
)

// welcome says where everything is and what to try first.
func (c *Context) welcome(n node.Running, took time.Duration) error {
	base := "http://" + reachable(n.HTTP)
	if c.JSON() {
		return c.PrintJSON(map[string]any{
			"http": base, "brokers": n.Brokers, "registry": n.Registry, "data_dir": n.DataDir, "instance": n.Instance,
		})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is ready after %s.\n\n", c.App.Name, took.Round(10*time.Millisecond))
	_ = writeFields(&b, [][2]string{ // a strings.Builder takes everything
		{"  HTTP", base},
		{"  Kafka", strings.Join(n.Brokers, ",")},
		{"  schema registry", n.Registry},
		{"  data directory", n.DataDir + " (--reset empties it)"},
	})
	if len(c.App.Examples) > 0 {
		b.WriteString("\nTry:\n")
		for i, e := range c.App.Examples {
			fmt.Fprintf(&b, "  %s\n", e.curl(base, fmt.Sprintf("first-%d", i+1)))
		}
	}
	b.WriteString("\nLook at:\n")
	for _, line := range c.sights(n, base) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	b.WriteString("\nCtrl-C stops it; what is under way is finished first.\n")
	return c.Printf("%s", b.String())
}

// reachable returns an address that a program on this machine can connect to, for one that is
// listened on.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

// curl returns the example as a command line. The idempotency key makes it safe to run twice.
func (e Example) curl(base, key string) string {
	return fmt.Sprintf("curl -X POST %s/v1/%s/%s/%s -H 'Content-Type: application/json' -H 'Idempotency-Key: %s' -d '%s'",
		base, e.Aggregate, e.ID, e.Command, key, strings.ReplaceAll(e.Body, "'", `'\''`))
}

// sights returns command lines that show the state, a view, the events and the metrics.
func (c *Context) sights(n node.Running, base string) []string {
	var lines []string
	if len(c.App.Examples) > 0 {
		e := c.App.Examples[0]
		lines = append(lines, fmt.Sprintf("curl %s/v1/%s/%s", base, e.Aggregate, e.ID))
		for _, p := range c.App.Topology.Projections {
			if p.Source == e.Aggregate && !p.Rekeyed() {
				lines = append(lines, fmt.Sprintf("curl %s/v1/views/%s/%s", base, p.Name, e.ID))
				break
			}
		}
		lines = append(lines, fmt.Sprintf(`kcat -b %s -C -e -q -t %s -f '%%t/%%p/%%o %%k\n'`, n.Brokers[0], c.Names().Events(e.Aggregate)))
	}
	return append(lines,
		fmt.Sprintf("curl %s/subjects", n.Registry),
		fmt.Sprintf("curl %s/metrics", base),
		fmt.Sprintf("%s topology", c.App.Name),
		fmt.Sprintf("%s dead-letters list --brokers %s", c.App.Name, strings.Join(n.Brokers, ",")),
	)
}
