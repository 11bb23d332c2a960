package backup_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/maintenance/backup"
)

// contents reads an archive without the package's help.
func contents(t testing.TB, path string) map[string]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	packed, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for in := tar.NewReader(packed); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = string(content)
	}
}

func TestCreate_HoldsTheDataAndNoKeyUnderAnyName(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "one")
	write(t, m.path("config", "enckey.bak"), key)
	write(t, m.path("config", "other.key"), strings.Repeat("\x02\x90\xfe", 32))
	write(t, m.path("config", "key.b64"), base64.StdEncoding.EncodeToString([]byte(key))+"\n")
	write(t, m.path("config", "key.age"), "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n")
	write(t, m.path("config", "server.log"), "noise")
	write(t, m.path("config", "confidant.db-wal"), "a part of some database")
	for link, to := range map[string]string{"inside": "confidant.env", "outside": "../data/enckey", "absolute": "/etc/hostname", "folder": "tls"} {
		if err := os.Symlink(to, m.path("config", link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(m.path("data", "enckey"), m.path("config", "hardlink")); err != nil {
		t.Fatal(err)
	}
	s := m.source()
	s.Exclude = []string{"*.log"}
	var warned []string
	s.Warn = func(_ string, args ...any) { warned = append(warned, filepath.Base(args[0].(string))) }
	made, err := backup.Create(t.Context(), m.path("backups"), s)
	if err != nil {
		t.Fatal(err)
	}
	if want := m.path("backups", "confidant-backup-20261124-120000.tgz"); made.File != want {
		t.Errorf("the file is %s, want %s", made.File, want)
	}
	info, err := os.Stat(made.File)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != made.Size {
		t.Errorf("mode %v, size %d; want 0600 and %d; %v", info.Mode(), info.Size(), made.Size, err)
	}
	got := contents(t, made.File)
	var names []string
	for name, content := range got {
		names = append(names, name)
		if strings.Contains(content, key) {
			t.Errorf("%s holds the key", name)
		}
	}
	slices.Sort(names)
	want := []string{
		"audit/00000001-000000000001.jsonl", "config/confidant.env", "config/inside", "config/tls/server.pem",
		"database/confidant.db", "manifest.json",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if got["database/confidant.db"] != "database one" || got["config/inside"] != "BRAND_NAME=one\n" {
		t.Errorf("the members are not what they should be: %q", got)
	}
	slices.Sort(warned)
	if diff := cmp.Diff([]string{"absolute", "enckey.bak", "folder", "hardlink", "key.age", "key.b64", "other.key", "outside"}, warned); diff != "" {
		t.Errorf("warned of (-want +got):\n%s", diff)
	}
	if _, err := backup.Read(t.Context(), made.File, m.path("copy.db"), nil); err != nil {
		t.Errorf("Read = %v", err)
	}
}

func TestCreate_IncludesTheKeyOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "one")
	s := m.source()
	s.WithKey = true
	made, err := backup.Create(t.Context(), m.path("backups"), s)
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, made.File)["enckey"]; got != key || !made.Manifest.Key || made.Manifest.KeyEncrypted {
		t.Errorf("the key is %q, manifest %v %v", got, made.Manifest.Key, made.Manifest.KeyEncrypted)
	}
}

func TestCreate_NeverOverwritesAndLeavesNothingHalf(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "one")
	if _, err := m.create(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	before := tree(t, m.path("backups"))
	if _, err := m.create(t.Context(), func(string) {}); fault.KindOf(err) != fault.Exists {
		t.Errorf("a second backup in the same second: %v, want Exists", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := func(point string) {
		if point == "member manifest.json" {
			cancel()
		}
	}
	if _, err := m.create(ctx, stop); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	s := m.source()
	s.Snapshot = func(context.Context, string) (backup.Database, error) { return backup.Database{}, os.ErrPermission }
	if _, err := backup.Create(t.Context(), m.path("backups"), s); !errors.Is(err, os.ErrPermission) {
		t.Errorf("without a snapshot: %v", err)
	}
	if diff := cmp.Diff(before, tree(t, m.path("backups"))); diff != "" {
		t.Errorf("the directory of backups (-before +after):\n%s", diff)
	}
	s = m.source()
	s.Exclude = []string{"["}
	if _, err := backup.Create(t.Context(), m.path("backups"), s); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a bad pattern: %v, want Invalid", err)
	}
}
