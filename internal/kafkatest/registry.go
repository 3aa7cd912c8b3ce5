package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// registryLimit bounds how long the registry may take to become ready: 4 s on an idle machine, 40 s
// have been seen on a busy one.
const registryLimit = 90 * time.Second

// RegistryConfig says what registry to start. The zero value is one that keeps schemas in memory.
type RegistryConfig struct {
	// Kafka has the brokers' addresses when schemas are to be kept in a topic of theirs
	// ("kafkasql"); default none.
	Kafka []string
	// Durable keeps schemas in a file, so that they outlast Kill and Boot. In memory they do not.
	// It is not for use with Kafka.
	Durable bool
	// Compatibility is the level of subjects that have none of their own, set at each boot; default
	// Apicurio's, which is NONE.
	Compatibility string
	// Dir takes log and data. It must be empty or not exist. Default a temporary directory, removed
	// when the registry is closed.
	Dir string
	// Keep leaves the directory when the registry is closed.
	Keep bool
	// Java is the program to run, from version 21 on; default the first that is found of JAVA_HOME,
	// the path and the system's folders.
	Java string
	// HeapMB bounds the heap, in MiB; default 384.
	HeapMB int
	// Properties are settings of Apicurio and Quarkus, on top of ours.
	Properties map[string]string
	// Env has environment variables, NAME=value, which Apicurio takes settings from. Properties win
	// over them.
	Env []string
	// Logger is told what the registry does; default nobody. The registry's own log is a file in
	// Dir.
	Logger *slog.Logger
}

// EnsureDefaults fills in what is zero, but for Dir and Java, which are looked for at the start.
func (c *RegistryConfig) EnsureDefaults() {
	if c.HeapMB == 0 {
		c.HeapMB = 384
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate returns all that is wrong with the configuration, after EnsureDefaults.
func (c RegistryConfig) Validate() error {
	var all []error
	if c.Durable && len(c.Kafka) > 0 {
		all = append(all, errors.New("a registry keeps schemas in a file or in Kafka, not in both: drop Durable or Kafka"))
	}
	if c.HeapMB < 128 {
		all = append(all, fmt.Errorf("%d MiB of heap: the registry needs 128", c.HeapMB))
	}
	return errors.Join(append(all, checkEmpty(c.Dir))...)
}

// Registry is a running Apicurio Registry, which speaks the interface of Confluent's. Its methods
// may be called by several goroutines at once.
type Registry struct {
	config  RegistryConfig
	dir     string
	home    string
	java    string
	ports   *Ports
	process *Process
	client  *http.Client
	closed  sync.Once
}

// StartRegistry starts a schema registry and returns once it is ready. Its program is fetched first
// if it is not on the machine, which takes as long as ctx allows.
func StartRegistry(ctx context.Context, config RegistryConfig) (_ *Registry, err error) {
	config.EnsureDefaults()
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("start the registry: %w", err)
	}
	r := &Registry{config: config, client: &http.Client{Timeout: askLimit}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start the registry: %w", err), r.Close())
		}
	}()
	if r.java, err = findJava(ctx, config.Java, registryJava); err != nil {
		return nil, err
	}
	if r.home, err = registryDistribution.fetch(ctx, config.Logger); err != nil {
		return nil, err
	}
	if r.dir, err = ownDir(config.Dir, "foldlog-registry-"); err != nil {
		return nil, err
	}
	if r.ports, err = ReservePorts(2); err != nil {
		return nil, err
	}
	r.process = NewProcess("the registry", filepath.Join(r.dir, "log"), r.command)
	begin := time.Now()
	if err := r.process.Boot(); err != nil {
		return nil, err
	}
	if err := r.AwaitReady(ctx); err != nil {
		return nil, err
	}
	config.Logger.Info("the registry is ready", "version", RegistryVersion, "url", r.URL(), "took", time.Since(begin).Round(time.Millisecond))
	return r, nil
}

func (r *Registry) command() *exec.Cmd {
	host, port, _ := strings.Cut(r.ports.Addr(0), ":")
	managementHost, managementPort, _ := strings.Cut(r.ports.Addr(1), ":")
	properties := map[string]string{
		"quarkus.http.host":       host,
		"quarkus.http.port":       port,
		"quarkus.management.host": managementHost, // every interface, unless told otherwise
		"quarkus.management.port": managementPort,
		// Only the storage in H2 uses it. The default starts with 20 connections.
		"apicurio.datasource.jdbc.initial-size": "4",
		"apicurio.datasource.jdbc.min-size":     "4",
		// As in Confluent's registry, where deleting subjects and versions is allowed.
		"apicurio.rest.deletion.artifact.enabled":         "true",
		"apicurio.rest.deletion.artifact-version.enabled": "true",
		"apicurio.rest.deletion.group.enabled":            "true",
	}
	if r.config.Durable {
		properties["apicurio.datasource.url"] = "jdbc:h2:file:" + filepath.Join(r.dir, "h2") + ";DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0"
	}
	if len(r.config.Kafka) > 0 {
		properties["apicurio.storage.kind"] = "kafkasql"
		properties["apicurio.kafkasql.bootstrap.servers"] = strings.Join(r.config.Kafka, ",")
	}
	maps.Copy(properties, r.config.Properties)
	args := []string{fmt.Sprintf("-Xmx%dm", r.config.HeapMB), "-XX:+UseSerialGC", quickStart, "-XX:+ExitOnOutOfMemoryError"}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		args = append(args, "-D"+name+"="+properties[name])
	}
	cmd := exec.Command(r.java, append(args, "-jar", filepath.Join(r.home, "quarkus-run.jar"))...)
	cmd.Dir = r.dir
	cmd.Env = javaEnvironment(r.java, r.config.Env)
	return cmd
}

// URL is the base URL for clients of Confluent's interface.
func (r *Registry) URL() string { return "http://" + r.ports.Addr(0) + "/apis/ccompat/v7" }

// ManagementURL is the base URL for health and metrics.
func (r *Registry) ManagementURL() string { return "http://" + r.ports.Addr(1) }

// Dir is where log and data are.
func (r *Registry) Dir() string { return r.dir }

// Usage returns what the running registry uses.
func (r *Registry) Usage() (Usage, error) { return r.process.Usage() }

// AwaitReady returns once the registry answers, and fails when it has not after 90 s, when ctx
// ends, and at once when it died by itself.
func (r *Registry) AwaitReady(ctx context.Context) error {
	ctx, cancel := within(ctx, registryLimit)
	defer cancel()
	return poll(ctx, "wait for the registry to be ready", func(ctx context.Context) error {
		if err := r.process.Died(); err != nil {
			return fatal{err}
		}
		if err := r.call(ctx, http.MethodGet, r.ManagementURL()+"/health/ready", ""); err != nil {
			return err
		}
		if err := r.call(ctx, http.MethodGet, r.URL()+"/subjects", ""); err != nil {
			return err
		}
		if r.config.Compatibility == "" {
			return nil
		}
		return r.call(ctx, http.MethodPut, r.URL()+"/config", fmt.Sprintf(`{"compatibility": %q}`, r.config.Compatibility))
	})
}

func (r *Registry) call(ctx context.Context, method, url, body string) error {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewBufferString(body))
	if err != nil {
		return fatal{err}
	}
	request.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, url, response.Status, answer)
	}
	return nil
}

// Kill ends the registry at once and returns when it is gone.
func (r *Registry) Kill() error { return r.process.Kill() }

// Freeze holds the registry still: its connections stay open and nothing answers on them.
func (r *Registry) Freeze() error { return r.process.Freeze() }

// Thaw lets a frozen registry go on.
func (r *Registry) Thaw() error { return r.process.Thaw() }

// Boot starts the registry again after Kill, under the same URL, and does not wait; see
// [Registry.AwaitReady]. What it kept in memory is lost.
func (r *Registry) Boot() error { return r.process.Boot() }

// Close kills the registry, a frozen one too, and removes its data unless they are to be kept. Only
// the first call has an effect.
func (r *Registry) Close() (err error) {
	r.closed.Do(func() {
		var all []error
		if r.process != nil {
			all = append(all, r.process.Close())
		}
		if r.ports != nil {
			all = append(all, r.ports.Close())
		}
		if r.dir != "" && !r.config.Keep {
			all = append(all, os.RemoveAll(r.dir))
		}
		r.client.CloseIdleConnections()
		err = errors.Join(all...)
	})
	return err
}
