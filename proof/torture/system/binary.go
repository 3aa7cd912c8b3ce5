package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Binaries are the programs to run.
type Binaries struct {
	// Product is foldlog as it is shipped, Planted the same with crash points and planted bugs
	// compiled in.
	Product, Planted string
	// Next, where there is one, is a later release, with crash points. Then it is what runs, and
	// Product made the topics before.
	Next string
}

// Build builds what is needed and not given into dir, from the module that the working directory is
// in.
func (b Binaries) Build(ctx context.Context, dir string, planted, next bool) (Binaries, error) {
	if b.Product == "" {
		b.Product = filepath.Join(dir, "foldlog")
		if err := build(ctx, b.Product, shipped); err != nil {
			return b, err
		}
	}
	if planted && b.Planted == "" {
		b.Planted = filepath.Join(dir, "foldlog-planted")
		if err := build(ctx, b.Planted, shipped, "-tags", "planted"); err != nil {
			return b, err
		}
	}
	if next && b.Next == "" {
		b.Next = filepath.Join(dir, "foldlog-next")
		if err := build(ctx, b.Next, "github.com/foldlog/foldlog/proof/banknext/foldlog", "-tags", "planted"); err != nil {
			return b, err
		}
	}
	var all []error
	for _, path := range []*string{&b.Product, &b.Planted, &b.Next} {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err == nil {
			_, err = os.Stat(absolute)
		}
		all = append(all, err)
		*path = absolute // instances run in directories of their own
	}
	return b, errors.Join(all...)
}

// shipped is the program as it is shipped.
const shipped = "github.com/foldlog/foldlog/cmd/foldlog"

func build(ctx context.Context, target, program string, flags ...string) error {
	args := append([]string{"build", "-o", target}, flags...)
	printed, err := exec.CommandContext(ctx, "go", append(args, program)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build foldlog (run this within the module, or give --binary, --planted-binary and --next-binary): %w\n%s", err, strings.TrimSpace(string(printed)))
	}
	return nil
}
