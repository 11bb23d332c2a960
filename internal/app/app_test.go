package app

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/maintenance"
)

// settings are those of a fresh data directory, with more as "NAME=value".
func settings(t *testing.T, more ...string) *config.Config {
	t.Helper()
	environ := append([]string{"CONFIDANT_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "PORT=0"}, more...)
	cfg, err := config.Load(config.Sources{Environ: environ}, config.Everything)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// firstStart are the options of a server.
func firstStart() Options {
	return Options{
		Lock: maintenance.Shared, Create: true, MakeKey: true, Key: true,
		Operator: "cli:tester", Log: slog.New(slog.DiscardHandler),
	}
}

const allRooms = config.ForData | config.ForStore | config.ForAudit | config.ForVault

func open(t *testing.T, cfg *config.Config, o Options) *App {
	t.Helper()
	a, err := Open(t.Context(), cfg, allRooms, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return a
}

func TestOpen_FirstStartsAtOnceAgreeOnOneKey(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	var wg sync.WaitGroup
	fingerprints := make([]string, 4)
	made := make([]bool, len(fingerprints))
	for i := range fingerprints {
		wg.Go(func() {
			a, err := Open(t.Context(), cfg, allRooms, firstStart())
			if err != nil {
				t.Error(err)
				return
			}
			fingerprints[i], made[i] = a.key.Fingerprint(), a.madeKey
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	makers := 0
	for i := range fingerprints {
		if made[i] {
			makers++
		}
		if fingerprints[i] == "" || fingerprints[i] != fingerprints[0] {
			t.Errorf("fingerprints %q, want all equal", fingerprints)
		}
	}
	if makers != 1 {
		t.Errorf("%d of them made the key, want 1", makers)
	}
}

func TestOpen_RefusesWhatANewerVersionWrote(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	a := open(t, cfg, firstStart())
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", databasePath(cfg))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 1000"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), cfg, allRooms, firstStart()); !errors.As(err, new(*StartError)) {
		t.Errorf("Open = %v, want a StartError", err)
	}
}

func TestOpen_LeavesNothingBehindWhenItFails(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	o := firstStart()
	o.MakeKey = false
	if _, err := Open(t.Context(), cfg, allRooms, o); !errors.As(err, new(*StartError)) {
		t.Fatalf("without a key: %v, want a StartError", err)
	}
	exclusive := firstStart()
	exclusive.Lock = maintenance.Exclusive
	open(t, cfg, exclusive) // the lock is free again
}

func TestMakeKey_OnlyForADatabaseWithoutOne(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	a := open(t, cfg, firstStart())
	if !a.madeKey {
		t.Error("the first start made no key")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if a := open(t, cfg, firstStart()); a.madeKey {
		t.Error("the second start made a key")
	}
	if err := os.Remove(cfg.Keys.File); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), cfg, allRooms, firstStart())
	if !errors.As(err, new(*StartError)) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("the key is gone: %v, want a StartError", err)
	}
	if exists(cfg.Keys.File) {
		t.Error("a key was made for a database that belongs to another")
	}
}

func TestSecrets_FromSettingsOrTheKeyFile(t *testing.T) {
	t.Parallel()
	derived := open(t, settings(t), firstStart())
	if a, b := derived.tokenSecret(), derived.sessionSecrets()[0]; len(a) != 32 || len(b) != 32 || bytes.Equal(a, b) {
		t.Error("derived secrets have not 32 bytes or are equal")
	}
	token, session, previous := strings.Repeat("t", 32), strings.Repeat("s", 16), strings.Repeat("p", 16)
	set := open(t, settings(t, "API_TOKEN_SECRET="+token, "SESSION_SECRET="+session, "SESSION_SECRET_PREVIOUS="+previous), firstStart())
	all := set.sessionSecrets()
	if string(set.tokenSecret()) != token || len(all) != 2 || string(all[0]) != session || string(all[1]) != previous {
		t.Error("the settings do not win over the key file")
	}
	back := open(t, settings(t, "SESSION_SECRET_PREVIOUS="+previous), firstStart())
	if all := back.sessionSecrets(); len(all) != 2 || string(all[1]) != previous || len(all[0]) != 32 {
		t.Error("without a present secret the previous one seals")
	}
}

func TestAudited_RecordsAttemptAndFailure(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	a := open(t, cfg, firstStart())
	failure := errors.New("no room")
	entry := audit.Entry{Action: "update", ResourceType: "store", ResourceName: "index"}
	if err := a.audited(t.Context(), entry, func() error { return failure }); !errors.Is(err, failure) {
		t.Fatalf("audited = %v, want the failure", err)
	}
	var log bytes.Buffer
	if _, err := audit.Dump(t.Context(), cfg.Audit.Dir, &log, audit.DumpOptions{Format: audit.Lines}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"phase":"attempt"`, `"phase":"failed"`, `"user":"cli:tester"`, `"user_type":"operator"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	if err := a.file.Close(); err != nil {
		t.Fatal(err)
	}
	done := false
	if err := a.audited(t.Context(), entry, func() error { done = true; return nil }); err == nil || done {
		t.Errorf("without a record: err %v, changed %v; want an error and no change", err, done)
	}
}

func TestReady_NeedsTheStore(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t), firstStart())
	if err := a.ready(t.Context()); err != nil {
		t.Errorf("a working server is not ready: %v", err)
	}
	if err := a.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.ready(context.Background()); err == nil {
		t.Error("ready without a store")
	}
}

func TestGiveAway_FilesOfRootGoToTheOwnerOfTheDirectory(t *testing.T) {
	t.Parallel()
	const owner = 12345
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := uint32(os.Geteuid())
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
		want = owner
	}
	if err := giveAway(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
		t.Errorf("the file belongs to user %d, want %d", got, want)
	}
}
