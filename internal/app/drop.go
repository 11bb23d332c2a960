package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
)

// DropTables moves the embedded database aside, the archive in it too, and
// returns where it is now; "" if there was none. The data must be locked for this
// process alone and the database not be open. Key file and audit log stay. The
// context ends it before the one rename or not at all.
func (a *App) DropTables(ctx context.Context) (aside string, err error) {
	path := databasePath(a.cfg)
	if err := a.unfinishedRestore(); err != nil {
		return "", err
	}
	if !exists(path) {
		return "", nil
	}
	// Closing it moves the write-ahead log into the database, so that one rename
	// takes everything.
	if err := a.openStore(ctx); err != nil {
		return "", err
	}
	if err := a.store.Close(); err != nil {
		return "", fmt.Errorf("closing the database: %w", err)
	}
	a.store = nil
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return "", fmt.Errorf("the write-ahead log %s-wal does not go into the database; nothing was moved", path)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	aside = freeName(path + ".before-drop-" + time.Now().UTC().Format("20060102-150405"))
	return aside, a.audited(context.WithoutCancel(ctx), audit.Entry{
		Action: "delete", ResourceType: "store", ResourceName: path, Info: map[string]any{"moved_aside": aside},
	}, func() error {
		if err := os.Rename(path, aside); err != nil {
			return fmt.Errorf("moving the database aside: %w", err)
		}
		if err := flush(filepath.Dir(path)); err != nil {
			return fmt.Errorf("the database is moved to %s, but that may not be on the disk: %w", aside, err)
		}
		return nil
	})
}

// freeName returns a path that nothing bears: the given one, or with a number
// behind it.
func freeName(path string) string {
	free := path
	for i := 2; exists(free); i++ {
		free = fmt.Sprintf("%s-%d", path, i)
	}
	return free
}

func flush(directory string) error {
	names, err := os.Open(directory)
	if err != nil {
		return err
	}
	return errors.Join(names.Sync(), names.Close())
}
