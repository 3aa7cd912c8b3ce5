package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/foldlog/foldlog/proof/torture/system"
)

// smallDisk is what the instance has whose disk runs full.
const smallDisk = "48m"

// mountSmallDisk gives one processor's data a small file system of its own. It needs Linux and the
// right to mount.
func mountSmallDisk(_ context.Context, r *run) error {
	dir := filepath.Join(r.dir, "system", "data", "processor-1")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if printed, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+smallDisk+",mode=0700", "tmpfs", dir).CombinedOutput(); err != nil {
		return skip{fmt.Errorf("a small tmpfs cannot be mounted here: %w: %s", err, bytes.TrimSpace(printed))}
	}
	r.cleanup = append(r.cleanup, func() error {
		if printed, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			return fmt.Errorf("umount %s: %w: %s", dir, err, printed)
		}
		return nil
	})
	return nil
}

// fillDisk fills the small disk for a while.
func fillDisk(ctx context.Context, r *run) error {
	victim := r.processors()[0]
	return r.each(ctx, func(n int) error {
		ballast := filepath.Join(victim.Dir, "ballast")
		r.inflicted(hit{kind: "disk-full", target: victim.Name})
		mend := r.breaks("the full disk", func(context.Context) error {
			r.note("disk-freed", victim.Name, "")
			return os.Remove(ballast)
		})
		if err := fill(ballast); err != nil {
			return err
		}
		if err := r.wait(ctx, 3*time.Second, 15*time.Second); err != nil {
			return err
		}
		if n%2 == 1 { // it must also come up again on a full disk, or wait for room
			if err := r.kill(victim); err != nil {
				return err
			}
			if err := r.boot(victim, "on a full disk"); err != nil {
				return err
			}
			if err := r.wait(ctx, 3*time.Second, 10*time.Second); err != nil {
				return err
			}
		}
		if err := mend(ctx); err != nil {
			return err
		}
		if err := r.backIfEnded(ctx, victim); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return r.wait(ctx, time.Second, 3*time.Second)
	})
}

// backIfEnded boots an instance again that ended because of the fault, as a supervisor does, and
// waits until it is ready.
func (r *run) backIfEnded(ctx context.Context, i *system.Instance) error {
	err := r.awaitReady(ctx, i)
	if err == nil || i.Running() {
		return err
	}
	r.say("%s had ended: %s", i.Name, err)
	return r.bootReady(ctx, i, "since it had ended")
}

// fill writes a file until there is no room.
func fill(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	for size := len(block); ; {
		if _, err := file.Write(block[:size]); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				return errors.Join(err, file.Close())
			}
			if size /= 16; size == 0 {
				return file.Close()
			}
		}
	}
}
