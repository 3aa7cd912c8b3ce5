package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/foldlog/foldlog/proof/planted"
)

// Binaries are the programs to run.
type Binaries struct {
	// Product is foldlog as it is shipped. Planted is the same with crash points and, if one is
	// planted, the bug.
	Product, Planted string
	// Next, if there is one, is a later release, with crash points. Then it is what runs, and
	// Product made the topics before.
	Next string
}

// Build builds into dir what is needed and not given, from the module that the working directory is
// in. Planted is needed for crash points and for a bug, Next if next says so.
func (b Binaries) Build(ctx context.Context, dir string, crashes, next bool, bug string) (Binaries, error) {
	if b.Product == "" {
		b.Product = filepath.Join(dir, "foldlog")
		if err := build(ctx, b.Product, shipped); err != nil {
			return b, err
		}
	}
	if (crashes || bug != "") && b.Planted == "" {
		b.Planted = filepath.Join(dir, "foldlog-planted")
		if err := buildPlanted(ctx, b.Planted, shipped, bug); err != nil {
			return b, err
		}
	}
	if next && b.Next == "" {
		b.Next = filepath.Join(dir, "foldlog-next")
		if err := buildPlanted(ctx, b.Next, "github.com/foldlog/foldlog/proof/banknext/foldlog", bug); err != nil {
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

// buildPlanted builds a program with crash points and, unless it is "", a bug.
func buildPlanted(ctx context.Context, target, program, bug string) error {
	replacements := planted.CrashPoints()
	if bug != "" {
		b, err := planted.Named(bug)
		if err != nil {
			return err
		}
		replacements = append(replacements, b.Plant...)
	}
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/foldlog/foldlog").Output()
	if err != nil {
		return fmt.Errorf("find the folder of the product's module: %w", err)
	}
	sources, err := os.MkdirTemp("", "foldlog-planted-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(sources) }()
	overlay, err := planted.Overlay(strings.TrimSpace(string(module)), sources, replacements)
	if err != nil {
		return err
	}
	return build(ctx, target, program, "-overlay", overlay)
}

func build(ctx context.Context, target, program string, flags ...string) error {
	args := append([]string{"build", "-o", target}, flags...)
	printed, err := exec.CommandContext(ctx, "go", append(args, program)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build foldlog (run this within the module, or give --binary, --planted-binary and --next-binary): %w\n%s", err, strings.TrimSpace(string(printed)))
	}
	return nil
}
