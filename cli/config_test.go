package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/foldlog/foldlog/cli"
)

// configFile writes foldlog.yaml into a new working directory of the test.
func configFile(t *testing.T, yaml string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile(cli.DefaultConfigFile, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
}

// partitions returns the partition count that a command line ends up with.
func partitions(t *testing.T, args ...string) string {
	t.Helper()
	got := run(t, append([]string{"topology"}, args...)...)
	if got.Code != cli.ExitOK {
		t.Fatalf("exit %d: %s", got.Code, got.Err)
	}
	_, rest, _ := strings.Cut(got.Out, "each with ")
	count, _, _ := strings.Cut(rest, " ")
	return count
}

func TestPrecedence(t *testing.T) {
	t.Chdir(t.TempDir())
	if got := partitions(t); got != "12" {
		t.Errorf("default: %s partitions", got)
	}
	configFile(t, "partitions: 5\nhorizon: 2d\n")
	if got := partitions(t); got != "5" {
		t.Errorf("file: %s partitions", got)
	}
	t.Setenv("FOLDLOG_PARTITIONS", "6")
	if got := partitions(t); got != "6" {
		t.Errorf("environment over file: %s partitions", got)
	}
	if got := partitions(t, "--partitions", "7"); got != "7" {
		t.Errorf("flag over environment: %s partitions", got)
	}
	if got := partitions(t, "--partitions", "12"); got != "12" {
		t.Errorf("flag with the default's value over environment: %s partitions", got)
	}
	t.Setenv("FOLDLOG_PARTITIONS", "")
	if got := partitions(t); got != "5" {
		t.Errorf("an empty variable is an unset one: %s partitions", got)
	}
	// outcomes: horizon and a day
	if out := run(t, "topology").Out; !strings.Contains(out, "retention.ms=259200000") {
		t.Errorf("the file's horizon of 2 days is not in force:\n%s", out)
	}
}

func TestConfigFileByNameAndEnvironment(t *testing.T) {
	configFile(t, "partitions: 5\n")
	for name, count := range map[string]string{"a.yaml": "8", "b.yaml": "9"} {
		if err := os.WriteFile(name, []byte("partitions: "+count+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("FOLDLOG_CONFIG", "a.yaml")
	if got := partitions(t); got != "8" {
		t.Errorf("FOLDLOG_CONFIG: %s partitions", got)
	}
	if got := partitions(t, "--config", "b.yaml"); got != "9" {
		t.Errorf("--config: %s partitions", got)
	}
	if got := run(t, "topology", "--config", "missing.yaml"); got.Code != cli.ExitUsage || !strings.Contains(got.Err, "missing.yaml") {
		t.Errorf("a named file that is not there: %+v", got)
	}
}

func TestConfigFileMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"unknown key":         {"partitons: 5\n", []string{`foldlog.yaml: unknown key "partitons"; did you mean "partitions"?`}},
		"all unknown keys":    {"broker: x:1\nlog_level: info\n", []string{`"broker"; did you mean "brokers"?`, `"log_level"; did you mean "log-level"?`}},
		"nested key":          {"kafka:\n  sasl:\n    user: x\n", []string{`unknown key "kafka.sasl.user"; did you mean "kafka-sasl-user"?`}},
		"not a number":        {"partitions: many\n", []string{`foldlog.yaml: key "partitions": many is not a value`}},
		"a list for a number": {"partitions: [1, 2]\n", []string{`key "partitions"`}},
		"a key twice":         {"partitions: 4\npartitions: 5\n", []string{`foldlog.yaml: key "partitions" appears twice`}},
		"a list of lists":     {"brokers: [[a:1]]\n", []string{`key "brokers": an item of the list is no single value`}},
		"no keys":             {"- partitions\n", []string{"configuration file foldlog.yaml"}},
		"not a duration":      {"horizon: soon\n", []string{`key "horizon"`, `"soon" is not a duration such as 7d`}},
		"out of range":        {"partitions: 0\nreplication-factor: 2\nmin-isr: 3\n", []string{"min ISR 3: use 1 to the replication factor, 2"}},
		"not YAML":            {"partitions: [1\n", []string{"configuration file foldlog.yaml"}},
		"log level":           {"log-level: loud\n", []string{`log level "loud": use debug, info, warn or error`}},
	} {
		t.Run(name, func(t *testing.T) {
			configFile(t, c.yaml)
			got := run(t, "topology")
			if got.Code != cli.ExitUsage || got.Out != "" {
				t.Errorf("exit %d, output %q", got.Code, got.Out)
			}
			for _, want := range c.want {
				if !strings.Contains(got.Err, want) {
					t.Errorf("%q is not in %q", want, got.Err)
				}
			}
		})
	}
}

func TestBrokenConfigFileLeavesHelp(t *testing.T) {
	configFile(t, "nonsense: [")
	for _, args := range [][]string{{"--help"}, {"help", "topology"}, {"completion", "bash"}, {"__complete", "topics", ""}} {
		if got := run(t, args...); got.Code != cli.ExitOK || got.Out == "" {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestSecretsAreNotFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	if got := run(t, "topics", "verify", "--kafka-sasl-password", "x"); got.Code != cli.ExitUsage || !strings.Contains(got.Err, "unknown flag") {
		t.Errorf("%+v", got)
	}
	// From the environment it is taken: a mechanism without a password is refused, with one the
	// broker is asked.
	args := []string{"topics", "verify", "--brokers", "127.0.0.1:1", "--kafka-sasl-mechanism", "plain", "--kafka-sasl-user", "u"}
	if got := run(t, args...); got.Code != cli.ExitUsage || !strings.Contains(got.Err, "needs a user and a password") {
		t.Errorf("without a password: %+v", got)
	}
	t.Setenv("FOLDLOG_KAFKA_SASL_PASSWORD", "secret")
	got := run(t, args...)
	if got.Code != cli.ExitInfrastructure || !strings.Contains(got.Err, "no answer from Kafka at 127.0.0.1:1") {
		t.Errorf("with a password: %+v", got)
	}
	if strings.Contains(got.Err, "secret") {
		t.Errorf("the password is in %q", got.Err)
	}
}

// The example file names every setting with its default, so that it can be copied and changed.
func TestExampleConfigFile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(sourceDir, "..", "foldlog.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	withDefaults := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "#")
		if name, value, found := strings.Cut(line, ": "); found && !strings.Contains(name, " ") {
			withDefaults[name], _, _ = strings.Cut(value, " #")
		}
	}
	for name, def := range cli.Settings() {
		got, ok := withDefaults[name]
		if !ok {
			t.Errorf("setting %q (default %q) is missing", name, def)
		} else if strings.TrimSpace(got) != def {
			t.Errorf("setting %q has %q, its default is %q", name, got, def)
		}
		delete(withDefaults, name)
	}
	for name := range withDefaults {
		t.Errorf("%q is no setting", name)
	}
	// With the comment signs taken away it must be a valid file.
	configFile(t, regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(string(text), "$1"))
	if got := run(t, "topology"); got.Code != cli.ExitOK {
		t.Errorf("the uncommented example is refused: %s", got.Err)
	}
}
