package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/foldlog/foldlog/internal/address"
	"github.com/foldlog/foldlog/topology"
)

// Context is what a command works with: the app, the streams and the configuration. The methods
// that read configuration may be called once the command runs, and only for groups of flags that it
// asked for ([Context.AddFlags]).
type Context struct {
	App App
	In  io.Reader
	// Out takes the result and nothing else.
	Out io.Writer
	// Err takes progress, logs and errors.
	Err io.Writer
	// Logger writes to Err.
	Logger *slog.Logger

	config  *config
	started bool // the command line was understood and the command runs
}

// prepare reads the configuration for the command that is about to run.
func (c *Context) prepare(cmd *cobra.Command) error {
	loaded, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	c.config = loaded
	if c.Logger, err = newLogger(c.Err, c.text("log-level"), c.text("log-format")); err != nil {
		return err
	}
	c.started = true
	return nil
}

func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var opts slog.HandlerOptions
	var parsed slog.Level
	if err := parsed.UnmarshalText([]byte(level)); err != nil {
		return nil, Usage("log level %q: use debug, info, warn or error", level)
	}
	opts.Level = parsed
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, &opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &opts)), nil
	}
	return nil, Usage("log format %q: use text or json", format)
}

// JSON reports whether the result is to be printed as JSON.
func (c *Context) JSON() bool { return c.yes("json") }

// Given reports whether the flag stands on the command line, whatever the environment and the file
// say.
func (c *Context) Given(flag string) bool { return c.config.flags.Changed(flag) }

// URL returns the address of the HTTP interface, without a slash at its end.
func (c *Context) URL() (string, error) { return c.httpURL("url") }

func (c *Context) httpURL(option string) (string, error) {
	text := c.text(option)
	if err := address.CheckURL(option, text); err != nil {
		return "", Usage("%w", err)
	}
	return strings.TrimRight(text, "/"), nil
}

// settings returns the settings of the topics, checked.
func (c *Context) settings() (topology.Settings, error) {
	s := topology.Settings{
		Prefix:              c.text("topic-prefix"),
		Partitions:          c.number("partitions"),
		Horizon:             c.period("horizon"),
		OutcomeRetention:    c.period("outcome-retention"),
		CommandRetention:    c.period("command-retention"),
		DeadLetterRetention: c.period("dead-letter-retention"),
	}
	if c.config.flags.Lookup("replication-factor") != nil {
		s.ReplicationFactor, s.MinISR = c.number("replication-factor"), c.number("min-isr")
	} else { // the embedded broker is a single one
		s.ReplicationFactor, s.MinISR = 1, 1
	}
	s.EnsureDefaults()
	if err := s.Validate(); err != nil {
		return s, Usage("%w", err)
	}
	return s, nil
}

// Names returns the names of topics and consumer groups.
func (c *Context) Names() topology.Names { return topology.Names{Prefix: c.text("topic-prefix")} }

// Terminal reports whether progress is shown to a person: Err is a terminal.
func (c *Context) Terminal() bool {
	file, isFile := c.Err.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}

func (c *Context) text(name string) string { return c.config.flags.Lookup(name).Value.String() }
func (c *Context) yes(name string) bool    { return c.text(name) == "true" }
func (c *Context) period(name string) (d time.Duration) {
	return time.Duration(*c.config.flags.Lookup(name).Value.(*days))
}

func (c *Context) number(name string) int {
	n, err := strconv.Atoi(c.text(name))
	if err != nil {
		panic(fmt.Sprintf("option %s is not a number", name))
	}
	return n
}

func (c *Context) list(name string) []string {
	items, err := c.config.flags.GetStringSlice(name)
	if err != nil {
		panic(fmt.Sprintf("option %s is not a list", name))
	}
	return items
}
