package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/foldlog/foldlog/proof/torture/system"
)

// damageStores damages the local stores of processors and the views of edges while their process is
// down.
func damageStores(ctx context.Context, r *run) error {
	all := append(r.processors(), r.edges()...)
	damages := []struct {
		name string
		do   func(*run, *system.Instance) (string, error)
	}{{"store-deleted", deleteStores}, {"store-flipped", flipBytes}, {"store-truncated", truncateFile}, {"store-file-deleted", deleteFile}, {"data-deleted", deleteAll},
		{"store-swapped", swapStores}}
	from := r.random.IntN(len(damages))
	return r.each(ctx, func(n int) error {
		damage, victim := damages[(from+n)%len(damages)], pick(r, all)
		if r.random.IntN(2) == 0 {
			if err := r.kill(victim); err != nil {
				return err
			}
		} else if err := r.term(ctx, victim); err != nil {
			return err
		}
		r.inflicted(hit{kind: damage.name, target: victim.Name, detail: "while it is down"})
		detail, err := damage.do(r, victim)
		if err != nil {
			return err
		}
		r.note("damaged", victim.Name, detail)
		if err := r.bootReady(ctx, victim, "after "+damage.name); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return r.wait(ctx, 0, 2*time.Second)
	})
}

// storeFiles returns the files of an instance's stores, sorted, so that the seed decides.
func storeFiles(i *system.Instance) (all []string, err error) {
	err = filepath.WalkDir(i.Dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && (strings.HasSuffix(path, ".ldb") || strings.HasSuffix(path, ".log") || strings.Contains(filepath.Base(path), "MANIFEST") ||
			filepath.Base(path) == "CURRENT") {
			all = append(all, path)
		}
		return err
	})
	slices.Sort(all)
	return all, err
}

// damageFiles calls do for up to three files of some size.
func damageFiles(r *run, i *system.Instance, do func(path string, size int64) error) (string, error) {
	all, err := storeFiles(i)
	if err != nil {
		return "", err
	}
	var hit []string
	for range 12 {
		if len(all) == 0 || len(hit) == 3 {
			break
		}
		path := pick(r, all)
		info, err := os.Stat(path)
		if err != nil || info.Size() < 2 {
			continue
		}
		if err := do(path, info.Size()); err != nil {
			return "", err
		}
		short, _ := filepath.Rel(i.Dir, path)
		hit = append(hit, short)
	}
	return strings.Join(hit, ", "), nil
}

func flipBytes(r *run, i *system.Instance) (string, error) {
	return damageFiles(r, i, func(path string, size int64) error {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // what was written stands
		one := make([]byte, 1)
		for range 4 {
			at := r.random.Int64N(size)
			if _, err := file.ReadAt(one, at); err != nil {
				return err
			}
			one[0] ^= byte(1 + r.random.IntN(255))
			if _, err := file.WriteAt(one, at); err != nil {
				return err
			}
		}
		return nil
	})
}

func truncateFile(r *run, i *system.Instance) (string, error) {
	return damageFiles(r, i, func(path string, size int64) error { return os.Truncate(path, r.random.Int64N(size)) })
}

func deleteFile(r *run, i *system.Instance) (string, error) {
	return damageFiles(r, i, func(path string, _ int64) error { return os.Remove(path) })
}

// deleteStores removes whole stores, some of them.
func deleteStores(r *run, i *system.Instance) (string, error) {
	paths, err := filepath.Glob(filepath.Join(i.ProcessorsDir(), "exactly-once", "*", "*"))
	if err != nil {
		return "", err
	}
	views, err := filepath.Glob(filepath.Join(i.Dir, "views", "*"))
	if err != nil {
		return "", err
	}
	deleted := 0
	for _, path := range append(paths, views...) {
		if r.random.IntN(2) == 0 {
			if err := os.RemoveAll(path); err != nil {
				return "", err
			}
			deleted++
		}
	}
	return fmt.Sprintf("%d of %d", deleted, len(paths)+len(views)), nil
}

// swapStores gives two partitions of a group each other's store.
func swapStores(r *run, i *system.Instance) (string, error) {
	groups, err := filepath.Glob(filepath.Join(i.ProcessorsDir(), "exactly-once", "*"))
	if err != nil {
		return "", err
	}
	swapped := 0
	for _, group := range groups {
		stores, err := filepath.Glob(filepath.Join(group, "*.[0-9]*"))
		if err != nil {
			return "", err
		}
		if len(stores) < 2 {
			continue
		}
		a, b := stores[0], stores[1+r.random.IntN(len(stores)-1)]
		for _, move := range [][2]string{{a, a + "-aside"}, {b, a}, {a + "-aside", b}} {
			if err := os.Rename(move[0], move[1]); err != nil {
				return "", err
			}
		}
		swapped++
	}
	return fmt.Sprintf("in %d groups", swapped), nil
}

func deleteAll(_ *run, i *system.Instance) (string, error) { return "everything", i.Wipe() }
