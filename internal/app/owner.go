package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// giveFilesAway makes what root made in the data directory belong to whoever
// owns the directory, so that a server that runs as that user can go on using
// it after a command given by root.
func (a *App) giveFilesAway() error {
	if os.Geteuid() != 0 {
		return nil
	}
	var errs []error
	for _, dir := range []string{a.cfg.Storage.DataDir, a.cfg.Audit.Dir} {
		errs = append(errs, giveAway(dir))
	}
	return errors.Join(errs...)
}

func giveAway(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return nil // nothing was made there
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("looking at the data directory: %w", err)
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a server beside this command removed it
		}
		if err != nil {
			return fmt.Errorf("looking at the data directory: %w", err)
		}
		if file, ok := info.Sys().(*syscall.Stat_t); ok && file.Uid == 0 {
			err := os.Lchown(path, int(owner.Uid), int(owner.Gid))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("giving %s to the owner of the data directory: %w", path, err)
			}
		}
		return nil
	})
}
