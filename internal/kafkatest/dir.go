package kafkatest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// checkEmpty returns an error if there is something in the directory. It need not exist.
func checkEmpty(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("directory for data: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("directory for data: %s is not empty", dir)
	}
	return nil
}

// ownDir returns the given directory with its full path, or a new temporary one.
func ownDir(given, prefix string) (dir string, err error) {
	if given == "" {
		dir, err = os.MkdirTemp("", prefix)
	} else if dir, err = filepath.Abs(given); err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("directory for data: %w", err)
	}
	return dir, nil
}
