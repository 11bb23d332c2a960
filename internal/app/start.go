package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/confidant-secrets/confidant/internal/config"
)

// StartError says that the program cannot start as it is configured: a key file
// that is missing or of another database, a database of a newer version. It is
// for people and names the remedy.
type StartError struct {
	Message string
	Cause   error // nil: the message says it all
}

// Error returns the message and its cause.
func (e *StartError) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Cause }

func startError(format string, args ...any) *StartError {
	return &StartError{Message: fmt.Sprintf(format, args...)}
}

// databaseFile is the name of the SQLite database within the data directory.
const databaseFile = "confidant.db"

func databasePath(cfg *config.Config) string {
	return filepath.Join(cfg.Storage.DataDir, databaseFile)
}

// closeToOthers makes sure that no file this process makes can be read by other
// users, the database's among them, whose driver leaves the mode to the umask.
func closeToOthers() { unix.Umask(0o077) }

// prepareDirectory makes the data directory if it may.
func prepareDirectory(cfg *config.Config, create bool) error {
	dir := cfg.Storage.DataDir
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the data directory: %w", err)
		}
		return nil
	}
	if !exists(dir) {
		return startError("there is no data directory %s; %s", dir, rightPlace)
	}
	return nil
}

// rightPlace is what to do about data that is not where it is looked for.
const rightPlace = `name the right place with CONFIDANT_DATA_DIR or --data-dir, or run "confidant serve" to begin there`

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
