package backup_test

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/maintenance/backup"
)

// TestMain lets the test binary play a process that is killed at a point of a
// backup or a restore.
func TestMain(m *testing.M) {
	at, ok := os.LookupEnv("DIE_AT")
	if !ok {
		os.Exit(m.Run())
	}
	die := func(point string) {
		if point == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	var err error
	where := machine(os.Getenv("MACHINE"))
	if os.Getenv("ACT") == "create" {
		_, err = where.create(context.Background(), die)
	} else {
		err = where.restore(context.Background(), os.Getenv("BACKUP"), die)
	}
	if err != nil {
		println(err.Error())
	}
	os.Exit(3) // the point was not reached
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// machine is a directory with "data", "config" and "backups".
type machine string

func (m machine) path(elements ...string) string {
	return filepath.Join(append([]string{string(m)}, elements...)...)
}

func (m machine) source() backup.Source {
	return backup.Source{
		Snapshot: func(_ context.Context, path string) (backup.Database, error) {
			content, err := os.ReadFile(m.path("data", "confidant.db"))
			if err == nil {
				err = os.WriteFile(path, content, 0o600)
			}
			return backup.Database{Engine: "sqlite", Schema: 1, Fingerprint: "0123456789abcdef"}, err
		},
		AuditDir:  m.path("data", "audit"),
		ConfigDir: m.path("config"),
		LeaveOut:  []string{m.path("data"), m.path("backups")},
		KeyFile:   m.path("data", "enckey"),
		Version:   "test", Host: "here", Now: clock,
		Warn: func(string, ...any) {},
	}
}

func (m machine) create(ctx context.Context, die func(string)) (backup.Made, error) {
	s := m.source()
	s.StopAt(die)
	return backup.Create(ctx, m.path("backups"), s)
}

func (m machine) target() backup.Target {
	return backup.Target{
		DataDir: m.path("data"), Database: m.path("data", "confidant.db"), AuditDir: m.path("data", "audit"),
		ConfigDir: m.path("config"), KeyFile: m.path("data", "enckey"),
	}
}

func (m machine) restore(ctx context.Context, file string, die func(string)) error {
	if _, _, err := backup.Recover(m.path("data")); err != nil {
		return err
	}
	staged, err := backup.Stage(ctx, file, m.target(), clock, nil)
	if err != nil {
		return err
	}
	staged.StopAt(die)
	if err := staged.PlaceLog(); err != nil {
		return err
	}
	_, err = staged.Swap()
	return err
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// key is a plain key file.
var key = strings.Repeat("\x01\x80\xff", 32)

// newMachine returns a machine whose database and configuration say what.
func newMachine(t testing.TB, what string) machine {
	t.Helper()
	m := machine(t.TempDir())
	write(t, m.path("data", "confidant.db"), "database "+what)
	write(t, m.path("data", "enckey"), key)
	write(t, m.path("config", "confidant.env"), "BRAND_NAME="+what+"\n")
	write(t, m.path("config", "tls", "server.pem"), "the same everywhere")
	log, err := audit.OpenFile(audit.FileOptions{Dir: m.path("data", "audit"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(t.Context(), audit.Entry{Phase: audit.Done, Action: "get", User: what}); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return m
}

// tree returns the content of all files below a directory, by relative path.
func tree(t testing.TB, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			all[name] = "a directory"
			return nil
		}
		content, err := os.ReadFile(path)
		all[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
