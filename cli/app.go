package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/topology"
)

// App is a system with a command line. Make one in the domain's package and give it to [Main].
type App struct {
	// Name is the program's name in help texts and messages; default "foldlog".
	Name string
	// Summary says in one line what the system is, for the help text.
	Summary string
	// Version is the program's version; default what the Go toolchain recorded in the binary.
	Version string
	// Topology is the declared system.
	Topology *topology.Topology
	// Schemas has one .avsc file for each published version of each topic's values, as the schemas
	// package expects them.
	Schemas fs.FS
	// Examples are commands that work in this order on an empty system. Help texts and the welcome
	// of dev show them; none is allowed.
	Examples []Example
	// Commands add the domain's own commands.
	Commands []func(*Context) *cobra.Command
}

// Example is a command that a newcomer can send.
type Example struct {
	// Aggregate, ID and Command are the parts of the path, such as "account", "alice" and
	// "deposit".
	Aggregate, ID, Command string
	// Body is the payload in JSON, in one line.
	Body string
}

// ensureDefaults fills in what is empty.
func (a *App) ensureDefaults() {
	if a.Name == "" {
		a.Name = "foldlog"
	}
	if a.Version == "" {
		a.Version = buildVersion()
	}
}

// Main runs the program with the arguments of the process and ends it with one of the exit codes.
// SIGINT, SIGTERM and, unless it is ignored (nohup), SIGHUP let the running command finish cleanly;
// a second one ends the process at once.
func Main(app App) {
	app.ensureDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // the terminal was closed
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		cancel()
		<-signals
		fmt.Fprintf(os.Stderr, "%s: second signal, leaving without draining\n", app.Name)
		os.Exit(ExitInfrastructure)
	}()
	os.Exit(Run(ctx, app, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Run runs one command line, given without the program's name, and returns its exit code. It
// touches nothing of the process but the environment variables and the working directory that the
// configuration comes from. When ctx ends, the command stops cleanly.
func Run(ctx context.Context, app App, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	app.ensureDefaults()
	c := &Context{App: app, In: stdin, Out: stdout, Err: stderr}
	root := c.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	code := exitCode(err, c.started)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", app.Name, explain(err))
	}
	if code == ExitUsage && cmd != nil {
		fmt.Fprintf(stderr, "Run '%s --help' for how to use it.\n", cmd.CommandPath())
	}
	return code
}
