package deploy

import (
	"bytes"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/foldlog/foldlog/internal/kafkatest"
)

func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }

// compose is docker-compose.yml, as far as it is used. A key that is not here fails: it may be
// misspelled.
type compose struct {
	Name       string
	Services   map[string]*service
	Volumes    map[string]any
	Extensions map[string]any `yaml:",inline"` // x-...
}

type service struct {
	Image string
	Build *struct {
		Context    string
		Dockerfile string
	}
	Command     []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	Healthcheck struct {
		Disable     bool
		Test        []string
		Interval    time.Duration
		Timeout     time.Duration
		StartPeriod time.Duration `yaml:"start_period"`
		Retries     int
	}
	DependsOn       map[string]struct{ Condition string } `yaml:"depends_on"`
	Restart         string
	StopGracePeriod time.Duration `yaml:"stop_grace_period"`
	ReadOnly        bool          `yaml:"read_only"`
	CapDrop         []string      `yaml:"cap_drop"`
	SecurityOpt     []string      `yaml:"security_opt"`
	Deploy          struct {
		Resources struct{ Limits struct{ Memory string } }
	}
}

func loadCompose(t *testing.T) *compose {
	t.Helper()
	c := &compose{}
	decodeYAML(t, "../docker-compose.yml", c)
	for key := range c.Extensions {
		if !strings.HasPrefix(key, "x-") {
			t.Fatalf("docker-compose.yml has the unknown key %q", key)
		}
	}
	for name, s := range c.Services {
		if s.Environment == nil {
			s.Environment = map[string]string{}
		}
		if s.Build != nil { // the image's own settings hold if the service has none
			for key, value := range imageEnvironment(t) {
				if _, set := s.Environment[key]; !set {
					s.Environment[key] = value
				}
			}
		}
		if len(s.Command) > 0 && s.Command[0] == "" {
			t.Fatalf("service %s has an empty command", name)
		}
	}
	return c
}

func decodeYAML(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func readDockerfile(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var envInstruction = regexp.MustCompile(`(?m)^ENV (\S+?)=(\S+)$`)

// imageEnvironment returns what the image sets.
func imageEnvironment(t *testing.T) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, match := range envInstruction.FindAllStringSubmatch(readDockerfile(t), -1) {
		env[match[1]] = match[2]
	}
	if len(env) != strings.Count(readDockerfile(t), "\nENV ") {
		t.Fatalf("Dockerfile: one NAME=value per ENV instruction, please; understood %v", env)
	}
	return env
}

// named returns the services whose environment has a variable, in the order of their names.
func (c *compose) having(variable string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		if _, has := c.Services[name].Environment[variable]; has {
			names = append(names, name)
		}
	}
	return names
}

func (c *compose) brokers() []string { return c.having("KAFKA_NODE_ID") }

// roles returns the services that run foldlog's roles, with the role.
func (c *compose) roles() map[string]string {
	roles := map[string]string{}
	for name, s := range c.Services {
		if i := slices.Index(s.Command, "--roles"); i >= 0 {
			roles[name] = s.Command[i+1]
		}
	}
	return roles
}

// runtimeVariables configure the image's Java and logging, not the broker.
var runtimeVariables = []string{"KAFKA_HEAP_OPTS", "KAFKA_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS", "KAFKA_LOG4J_ROOT_LOGLEVEL", "KAFKA_LOG4J_LOGGERS"}

// brokerProperties returns the properties that the image of Apache Kafka makes of its environment:
// KAFKA_FOO_BAR is foo.bar, with two underscores for one and three for a hyphen.
func brokerProperties(environment map[string]string) map[string]string {
	properties := map[string]string{}
	for variable, value := range environment {
		name, is := strings.CutPrefix(variable, "KAFKA_")
		if !is || slices.Contains(runtimeVariables, variable) {
			continue
		}
		name = strings.ReplaceAll(strings.ToLower(name), "_", ".")
		name = strings.ReplaceAll(name, "...", "-")
		properties[strings.ReplaceAll(name, "..", "_")] = value
	}
	return properties
}

func TestBrokerProperties(t *testing.T) {
	got := brokerProperties(map[string]string{"KAFKA_LOG_DIRS": "a", "KAFKA_A__B": "b", "KAFKA_A___B": "c", "KAFKA_HEAP_OPTS": "d", "CLUSTER_ID": "e"})
	if want := map[string]string{"log.dirs": "a", "a_b": "b", "a-b": "c"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
