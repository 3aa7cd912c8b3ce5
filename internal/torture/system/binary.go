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
	// Product is foldlog as it is shipped, Planted the same with crash points and planted bugs compiled in.
	Product, Planted string
}

// Build builds what is not given into dir, from the module that the working directory is in.
func (b Binaries) Build(ctx context.Context, dir string, planted bool) (Binaries, error) {
	if b.Product == "" {
		b.Product = filepath.Join(dir, "foldlog")
		if err := build(ctx, b.Product); err != nil {
			return b, err
		}
	}
	if planted && b.Planted == "" {
		b.Planted = filepath.Join(dir, "foldlog-planted")
		if err := build(ctx, b.Planted, "-tags", "planted"); err != nil {
			return b, err
		}
	}
	var all []error
	for _, path := range []*string{&b.Product, &b.Planted} {
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

func build(ctx context.Context, target string, flags ...string) error {
	args := append([]string{"build", "-o", target}, flags...)
	printed, err := exec.CommandContext(ctx, "go", append(args, "github.com/foldlog/foldlog/cmd/foldlog")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build foldlog (run this within the module, or give --binary and --planted-binary): %w\n%s", err, strings.TrimSpace(string(printed)))
	}
	return nil
}
