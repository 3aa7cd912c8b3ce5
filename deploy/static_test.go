package deploy

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestImagesArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^[^:@]+(:[^:@]+|@sha256:[0-9a-f]{64})$`)
	for name, s := range loadCompose(t).Services {
		if !pinned.MatchString(s.Image) || strings.HasSuffix(s.Image, ":latest") {
			t.Errorf("service %s: image %q has no version", name, s.Image)
		}
	}
	for _, match := range regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(readDockerfile(t), -1) {
		if !pinned.MatchString(match[1]) || strings.HasSuffix(match[1], ":latest") {
			t.Errorf("Dockerfile: image %q has no version", match[1])
		}
	}
}

func TestBrokerSettingsAreKnownToKafka(t *testing.T) {
	c := loadCompose(t)
	file, err := os.Open("testdata/kafka-4.3.1-properties.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	known := map[string]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		known[lines.Text()] = true
	}
	if len(c.brokers()) != 3 {
		t.Fatalf("brokers: %v", c.brokers())
	}
	var common map[string]string
	for _, name := range c.brokers() {
		properties := brokerProperties(c.Services[name].Environment)
		for property := range properties {
			if !known[property] {
				t.Errorf("service %s: Kafka knows no property %q", name, property)
			}
		}
		delete(properties, "node.id")
		delete(properties, "advertised.listeners")
		if common != nil && !maps.Equal(common, properties) {
			t.Errorf("service %s has other settings than the brokers before it", name)
		}
		common = properties
	}
}

func TestPortsAreLoopbackAndListenedOn(t *testing.T) {
	c := loadCompose(t)
	listening := map[string]string{"registry": "8080", "prometheus": "9090"} // the images' own
	for name := range c.roles() {
		listening[name] = strings.TrimPrefix(c.Services[name].Environment["FOLDLOG_HTTP"], ":")
	}
	for _, name := range c.brokers() {
		listening[name] = listenerOf(t, c.Services[name].Environment["KAFKA_LISTENERS"], "HOST").port
	}
	owner := map[string]string{}
	for name, s := range c.Services {
		for _, published := range s.Ports {
			parts := strings.Split(published, ":")
			if len(parts) != 3 || parts[0] != "127.0.0.1" {
				t.Errorf("service %s: port %s is not published on loopback alone", name, published)
				continue
			}
			if other, taken := owner[parts[1]]; taken {
				t.Errorf("services %s and %s publish port %s", name, other, parts[1])
			}
			owner[parts[1]] = name
			if parts[2] != listening[name] {
				t.Errorf("service %s: port %s leads to %s, but %s listens on %q", name, published, parts[2], name, listening[name])
			}
			if advertised, has := s.Environment["KAFKA_ADVERTISED_LISTENERS"]; has && listenerOf(t, advertised, "HOST").address() != "127.0.0.1:"+parts[1] {
				t.Errorf("service %s is published as %s and tells clients %s", name, published, advertised)
			}
		}
	}
	for name := range listening {
		if len(c.Services[name].Ports) != 1 {
			t.Errorf("service %s publishes %v, want one port", name, c.Services[name].Ports)
		}
	}
}

// listener is one of Kafka's, NAME://host:port. The host may be empty.
type listener struct{ name, host, port string }

func (l listener) address() string { return l.host + ":" + l.port }

func listenerOf(t *testing.T, listeners, name string) listener {
	t.Helper()
	for one := range strings.SplitSeq(listeners, ",") {
		if found, address, _ := strings.Cut(one, "://"); found == name {
			host, port, _ := strings.Cut(address, ":")
			return listener{found, host, port}
		}
	}
	t.Fatalf("no listener %s in %q", name, listeners)
	return listener{}
}

func TestServicesFindEachOther(t *testing.T) {
	c := loadCompose(t)
	var bootstrap []string
	for _, name := range c.brokers() {
		env := c.Services[name].Environment
		inside := listenerOf(t, env["KAFKA_ADVERTISED_LISTENERS"], env["KAFKA_INTER_BROKER_LISTENER_NAME"])
		if inside.host != name || inside.port != listenerOf(t, env["KAFKA_LISTENERS"], inside.name).port {
			t.Errorf("service %s advertises %s", name, inside.address())
		}
		bootstrap = append(bootstrap, inside.address())
	}
	want := strings.Join(bootstrap, ",")
	for name, variable := range map[string]string{
		"registry": "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS", "topics": "FOLDLOG_BROKERS", "edge": "FOLDLOG_BROKERS", "processor": "FOLDLOG_BROKERS", "view": "FOLDLOG_BROKERS",
	} {
		if got := c.Services[name].Environment[variable]; got != want {
			t.Errorf("service %s: %s is %q, the brokers are at %q", name, variable, got, want)
		}
	}
	roles := slices.Sorted(maps.Values(c.roles()))
	if fmt.Sprint(roles) != "[edge processor view]" {
		t.Errorf("roles: %v", roles)
	}
}

func TestServicesAreSupervised(t *testing.T) {
	c := loadCompose(t)
	for name, s := range c.Services {
		once := false // it ends when it is done
		for _, other := range c.Services {
			once = once || other.DependsOn[name].Condition == "service_completed_successfully"
		}
		switch {
		case once && (s.Restart != "on-failure" || !s.Healthcheck.Disable):
			t.Errorf("service %s ends when it is done: restart on-failure, no health check", name)
		case !once && (s.Restart != "unless-stopped" || len(s.Healthcheck.Test) < 2 || s.Healthcheck.Interval == 0 || s.Healthcheck.Timeout == 0):
			t.Errorf("service %s needs a health check with interval and timeout, and restart unless-stopped", name)
		}
		if s.Deploy.Resources.Limits.Memory == "" {
			t.Errorf("service %s has no limit for memory", name)
		}
		for other, dependency := range s.DependsOn {
			target, exists := c.Services[other]
			if !exists {
				t.Errorf("service %s depends on %s, which does not exist", name, other)
				continue
			}
			if dependency.Condition == "service_healthy" && target.Healthcheck.Disable {
				t.Errorf("service %s waits for the health of %s, which has no health check", name, other)
			}
		}
	}
}

func TestVolumesAreDeclaredAndOwnedByOne(t *testing.T) {
	c := loadCompose(t)
	owner := map[string]string{}
	for name, s := range c.Services {
		for _, mounted := range s.Volumes {
			volume, _, _ := strings.Cut(mounted, ":")
			if strings.HasPrefix(volume, "./") {
				if _, err := os.Stat("../" + volume); err != nil {
					t.Errorf("service %s: %v", name, err)
				}
				continue
			}
			if _, declared := c.Volumes[volume]; !declared {
				t.Errorf("service %s mounts %s, which is not declared", name, volume)
			}
			if other, taken := owner[volume]; taken {
				t.Errorf("services %s and %s share volume %s", name, other, volume)
			}
			owner[volume] = name
		}
	}
	for volume := range c.Volumes {
		if owner[volume] == "" {
			t.Errorf("volume %s is mounted nowhere", volume)
		}
	}
}

func TestFoldlogSettingsAreKnown(t *testing.T) {
	example, err := os.ReadFile("../foldlog.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range loadCompose(t).Services {
		for variable := range s.Environment {
			setting, is := strings.CutPrefix(variable, "FOLDLOG_")
			if !is {
				continue
			}
			setting = strings.ReplaceAll(strings.ToLower(setting), "_", "-")
			if !strings.Contains(string(example), "\n#"+setting+": ") {
				t.Errorf("service %s: foldlog has no setting %s", name, setting)
			}
		}
	}
}

// prometheusConfig is prometheus.yml, as far as it is used.
type prometheusConfig struct {
	Global struct {
		ScrapeInterval string `yaml:"scrape_interval"`
		ScrapeTimeout  string `yaml:"scrape_timeout"`
	}
	ScrapeConfigs []struct {
		JobName       string `yaml:"job_name"`
		MetricsPath   string `yaml:"metrics_path"`
		StaticConfigs []struct {
			Targets []string
			Labels  map[string]string
		} `yaml:"static_configs"`
	} `yaml:"scrape_configs"`
}

// scrapes returns the addresses that Prometheus reads, each with the path.
func scrapes(t *testing.T) map[string]string {
	t.Helper()
	var config prometheusConfig
	decodeYAML(t, "prometheus.yml", &config)
	all := map[string]string{}
	for _, job := range config.ScrapeConfigs {
		if job.MetricsPath == "" {
			job.MetricsPath = "/metrics" // Prometheus' default
		}
		for _, group := range job.StaticConfigs {
			for _, target := range group.Targets {
				all[target] = job.MetricsPath
			}
		}
	}
	return all
}

func TestPrometheusReadsTheServices(t *testing.T) {
	c := loadCompose(t)
	targets := scrapes(t)
	for target := range targets {
		host, _, _ := strings.Cut(target, ":")
		if _, exists := c.Services[host]; !exists && host != "localhost" {
			t.Errorf("Prometheus reads %s, and there is no such service", target)
		}
	}
	for name := range c.roles() {
		if target := name + c.Services[name].Environment["FOLDLOG_HTTP"]; targets[target] == "" {
			t.Errorf("Prometheus does not read %s", target)
		}
	}
}
