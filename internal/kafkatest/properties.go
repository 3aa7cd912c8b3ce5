package kafkatest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// properties returns the settings of a node: ours, then those that were asked for.
func (k *Kafka) properties(n *node) map[string]string {
	replicas, inSync := 1, 1
	if len(k.nodes) >= 3 {
		replicas, inSync = 3, 2
	}
	var voters []string
	for _, voter := range k.nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", voter.ID, voter.ControllerAddr))
	}
	p := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        strconv.Itoa(n.ID),
		"controller.quorum.voters":       strings.Join(voters, ","),
		"listeners":                      "PLAINTEXT://" + n.Addr + ",CONTROLLER://" + n.ControllerAddr,
		"advertised.listeners":           "PLAINTEXT://" + n.Addr,
		"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"controller.listener.names":      "CONTROLLER",
		"inter.broker.listener.name":     "PLAINTEXT",
		"log.dirs":                       filepath.Join(n.dir, "data"),

		// As in a real deployment: nothing appears because somebody misspelled it, and nothing is
		// acknowledged by one replica of three.
		"auto.create.topics.enable":                "false",
		"default.replication.factor":               strconv.Itoa(replicas),
		"min.insync.replicas":                      strconv.Itoa(inSync),
		"offsets.topic.replication.factor":         strconv.Itoa(replicas),
		"transaction.state.log.replication.factor": strconv.Itoa(replicas),
		"transaction.state.log.min.isr":            strconv.Itoa(inSync),

		// Fewer files and threads than the defaults of 50 each, which a test waits for.
		"offsets.topic.num.partitions":         "8",
		"transaction.state.log.num.partitions": "8",

		// Tests bring their own timing: no waiting for more members, short sessions and long
		// transactions are allowed.
		"group.initial.rebalance.delay.ms": "0",
		"group.min.session.timeout.ms":     "1000",
		"transaction.max.timeout.ms":       "900000",
	}
	maps.Copy(p, k.config.Properties)
	maps.Copy(p, k.config.NodeProperties(n.Node, k.Nodes()))
	return p
}

// writeProperties writes a Java properties file.
func writeProperties(path string, properties map[string]string) error {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&text, "%s=%s\n", key, escape.Replace(properties[key]))
	}
	return os.WriteFile(path, []byte(text.String()), 0o600)
}
