package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/node"
)

// Flags selects groups of shared flags for a command.
type Flags int

// Groups of flags that many commands share.
const (
	// ClientFlags are for commands that talk to the HTTP interface: --url.
	ClientFlags Flags = 1 << iota
	// KafkaFlags are for commands that talk to Kafka: --brokers and how to authenticate.
	KafkaFlags
	// RegistryFlags are for commands that talk to the schema registry.
	RegistryFlags
	// NameFlags are for commands that need the names of topics: --topic-prefix.
	NameFlags
	// TopicFlags are for commands that create, verify or print topics with their settings.
	TopicFlags
	// ServerFlags are for commands that run parts of the system: --http, --data-dir, --instance.
	ServerFlags

	globalFlags
	runFlags
	devFlags
)

type kind int

const (
	kindText kind = iota
	kindList
	kindNumber
	kindPeriod
	kindYesNo
	kindSecret // text that must not be a flag
)

// option is a setting: a flag, a key of the configuration file and an environment variable.
type option struct {
	// NB: the name must not change. Files, scripts and deployments carry it.
	name  string
	group Flags
	kind  kind
	def   string
	usage string
}

// options lists every setting that the configuration file may have.
var options = []option{
	{"log-level", globalFlags, kindText, "info", "least important log records to show: debug, info, warn or error"},
	{"log-format", globalFlags, kindText, "text", "form of log records on standard error: text or json"},
	{"json", globalFlags, kindYesNo, "false", "print the result as JSON, for programs"},

	{"url", ClientFlags, kindText, "http://127.0.0.1:8080", "address of the HTTP interface"},

	{"brokers", KafkaFlags, kindList, node.DefaultBroker, "Kafka brokers to start from, `host:port,...`"},
	{"kafka-tls", KafkaFlags, kindYesNo, "false", "talk TLS to Kafka"},
	{"kafka-tls-ca", KafkaFlags, kindText, "", "PEM `file` with the authorities that Kafka's certificates are checked against; default those of the system"},
	{"kafka-tls-cert", KafkaFlags, kindText, "", "PEM `file` with the client certificate for Kafka"},
	{"kafka-tls-key", KafkaFlags, kindText, "", "PEM `file` with the key of the client certificate"},
	{"kafka-tls-server-name", KafkaFlags, kindText, "", "name that Kafka's certificates must have; default the broker's host name"},
	{"kafka-sasl-mechanism", KafkaFlags, kindText, "", "SASL mechanism: plain, scram-sha-256 or scram-sha-512; default none"},
	{"kafka-sasl-user", KafkaFlags, kindText, "", "SASL user; the password comes from FOLDLOG_KAFKA_SASL_PASSWORD or the file"},
	{"kafka-sasl-password", KafkaFlags, kindSecret, "", "SASL password"},

	{"registry", RegistryFlags, kindText, node.DefaultRegistry, "`URL` of the schema registry"},
	{"registry-user", RegistryFlags, kindText, "", "user at the schema registry; the password comes from FOLDLOG_REGISTRY_PASSWORD or the file"},
	{"registry-password", RegistryFlags, kindSecret, "", "password at the schema registry"},
	{"registry-tls-ca", RegistryFlags, kindText, "", "PEM `file` with the authorities that the registry's certificate is checked against; default those of the system"},

	{"topic-prefix", NameFlags, kindText, "", "what the name of every topic and consumer group starts with"},

	{"partitions", TopicFlags, kindNumber, "12", "partitions of every topic; part of the contract, since keys would move away from their state"},
	{"replication-factor", TopicFlags, kindNumber, "3", "replicas of every topic"},
	{"min-isr", TopicFlags, kindNumber, "0", "replicas that must have a record before it counts as written; default 2, or 1 where there is one replica"},
	{"horizon", TopicFlags, kindPeriod, "7d", "how long a repeated command id is recognised"},
	{"outcome-retention", TopicFlags, kindPeriod, "0s", "how long outcomes are kept, at least for the horizon; 0s is a day longer than the horizon"},
	{"command-retention", TopicFlags, kindPeriod, "30d", "how long commands are kept"},
	{"dead-letter-retention", TopicFlags, kindPeriod, "90d", "how long dead letters are kept"},

	{"http", ServerFlags, kindText, node.DefaultHTTP, "`host:port` of the HTTP interface; :8080 listens on every address"},
	{"data-dir", ServerFlags, kindText, node.DefaultDataDir, "`directory` with the local state; one process owns it"},
	{"instance", ServerFlags, kindText, "", "name of this process among those of the system; default host name and data directory id"},

	{"roles", runFlags, kindList, strings.Join(node.Roles(), ","), "what this process does: `edge,processor,view`"},
	{"create-topics", runFlags, kindYesNo, "false", "create topics that are missing"},
	{"quick-restart", runFlags, kindYesNo, "false", "stay a member of the consumer groups when stopped, so that a restart within the session timeout (10 s) moves no partition; nobody else takes over before"},
	{"memory", runFlags, kindNumber, "0", "`MiB` that this process is given; default the limit of its container, if it has one"},
	{"transactions-v1", runFlags, kindYesNo, "false", "keep to the first version of Kafka's transactions where the brokers have the second (Apache Kafka from 4.0 on, KIP-890)"},

	{"kafka", devFlags, kindText, devcluster.DefaultKafkaListen, "`host:port` of the embedded broker"},
	{"registry-listen", devFlags, kindText, devcluster.DefaultRegistryListen, "`host:port` of the embedded schema registry"},
}

func optionNamed(name string) (option, bool) {
	for _, o := range options {
		if o.name == name {
			return o, true
		}
	}
	return option{}, false
}

// env returns the name of the option's environment variable.
func (o option) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
}

const envPrefix = "FOLDLOG_"

// AddFlags gives a command the flags of the groups. Their values are read through the context's
// methods once the command runs. It is called once for a command, with the groups joined by "|".
func (c *Context) AddFlags(cmd *cobra.Command, groups Flags) {
	if groups&TopicFlags != 0 {
		groups |= NameFlags // topics have names
	}
	for _, o := range options {
		if o.group&groups != 0 {
			o.addTo(cmd.Flags(), o.def)
		}
	}
}

// addTo defines the flag with a default of its own.
func (o option) addTo(flags *pflag.FlagSet, def string) {
	usage := o.usage + " [" + o.env() + "]"
	switch o.kind {
	case kindText:
		flags.String(o.name, def, usage)
	case kindList:
		flags.StringSlice(o.name, splitList(def), usage)
	case kindNumber:
		n, err := strconv.Atoi(def)
		if err != nil {
			panic(fmt.Sprintf("option %s: default %q is not a number", o.name, def))
		}
		flags.Int(o.name, n, usage)
	case kindYesNo:
		flags.Bool(o.name, def == "true", usage)
	case kindPeriod:
		value := new(days)
		if err := value.Set(def); err != nil {
			panic(fmt.Sprintf("option %s: %s", o.name, err))
		}
		flags.Var(value, o.name, usage)
	case kindSecret: // from the environment or the file
	}
}

// setDefault changes a flag's default for one command.
func setDefault(cmd *cobra.Command, name, def string) {
	f := cmd.Flags().Lookup(name)
	if err := f.Value.Set(def); err != nil {
		panic(fmt.Sprintf("option %s: default %q: %s", name, def, err))
	}
	f.DefValue = f.Value.String()
}

func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// days is a duration that may be written in days ("7d"), since retention times are.
type days time.Duration

func (d *days) Set(text string) error {
	if n, isDays := strings.CutSuffix(text, "d"); isDays {
		count, err := strconv.Atoi(n)
		if err != nil || count < 0 || count > 36500 {
			return fmt.Errorf("%q is not a number of days such as 7d", text)
		}
		*d = days(time.Duration(count) * 24 * time.Hour)
		return nil
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 7d, 36h or 90m", text)
	}
	*d = days(parsed)
	return nil
}

func (d *days) String() string {
	const day = 24 * time.Hour
	v := time.Duration(*d)
	if v != 0 && v%day == 0 {
		return strconv.Itoa(int(v/day)) + "d"
	}
	return v.String()
}

func (d *days) Type() string { return "duration" }
