package backup

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

const (
	database = "database/confidant.db"
	settings = "config/confidant.env"
)

// special returns what adds a member that is no plain file.
func special(h tar.Header) func(*archive) {
	return func(a *archive) {
		a.list(h.Name, nil)
		a.members = append(a.members, entry{header: h})
	}
}

// hostile are files that are no good backup, each made from one that is. The
// code is 1 unless it says otherwise.
var hostile = map[string]struct {
	code int
	make func(*archive)
}{
	"an absolute path":                {make: func(a *archive) { a.add("/etc/confidant-proof", "x") }},
	"a way out":                       {make: func(a *archive) { a.add("config/../../escaped", "x") }},
	"a way out at the start":          {make: func(a *archive) { a.add("../escaped", "x") }},
	"another spelling":                {make: func(a *archive) { a.add("config/./x", "x") }},
	"a backslash":                     {make: func(a *archive) { a.add(`config\..\..\escaped`, "x") }},
	"a line end in a name":            {make: func(a *archive) { a.add("config/a\nb", "x") }},
	"a strange place":                 {make: func(a *archive) { a.add("bin/sh", "x") }},
	"a symbolic link":                 {make: special(tar.Header{Typeflag: tar.TypeSymlink, Name: "config/x", Linkname: "/etc"})},
	"a hard link":                     {make: special(tar.Header{Typeflag: tar.TypeLink, Name: "config/x", Linkname: "/etc/passwd"})},
	"a character device":              {make: special(tar.Header{Typeflag: tar.TypeChar, Name: "config/x", Devmajor: 1, Devminor: 3})},
	"a block device":                  {make: special(tar.Header{Typeflag: tar.TypeBlock, Name: "config/x", Devmajor: 8})},
	"a pipe":                          {make: special(tar.Header{Typeflag: tar.TypeFifo, Name: "config/x"})},
	"a directory":                     {make: special(tar.Header{Typeflag: tar.TypeDir, Name: "config/x"})},
	"a file and a directory":          {make: func(a *archive) { a.add("config/x", "x"); a.add("config/x/y", "y") }},
	"a directory that is a link here": {make: func(a *archive) { a.add("config/away/x", "x") }},
	"an unlisted member": {make: func(a *archive) {
		a.carry(tar.Header{Typeflag: tar.TypeReg, Name: "config/x"}, []byte("x"))
	}},
	"a member twice": {make: func(a *archive) { a.members = append(a.members, a.members[a.index(settings)]) }},
	"a name twice": {make: func(a *archive) {
		a.manifest["members"] = append(a.listed(), a.listed()[0])
	}},
	"two databases":        {make: func(a *archive) { a.add("database/other.db", "x") }},
	"a missing member":     {make: func(a *archive) { a.list("config/x", []byte("x")) }},
	"no database":          {make: func(a *archive) { a.manifest["members"], a.members = []any{}, nil }},
	"a key nobody names":   {make: func(a *archive) { a.add("enckey", "x") }},
	"a journal of its own": {make: func(a *archive) { a.add("config/.confidant-restore.json", "{}") }},
	"a wrong hash": {make: func(a *archive) {
		a.members[a.index(settings)].body = bytes.ToUpper(a.members[a.index(settings)].body)
	}},
	"a member longer than it says": {make: func(a *archive) {
		e := &a.members[a.index(settings)]
		e.body = append(e.body, "more"...)
		e.header.Size += 4
	}},
	"a size beyond all bounds": {make: func(a *archive) {
		a.listed()[0].(map[string]any)["size"] = int64(1) << 50
	}},
	"a negative size": {make: func(a *archive) { a.listed()[0].(map[string]any)["size"] = -1 }},
	"a decompression bomb": {make: func(a *archive) {
		a.add("config/zeros", string(make([]byte, 256<<20)))
	}},
	"a bomb behind the end":      {make: func(a *archive) { a.behind = make([]byte, 64<<20) }},
	"something behind the end":   {make: func(a *archive) { a.behind = []byte("more") }},
	"a manifest of another form": {make: func(a *archive) { a.manifest["format"] = 2 }},
	"a manifest that is none":    {make: func(a *archive) { a.manifest["members"] = "none" }},
	"the manifest at the end":    {make: func(a *archive) { a.last = true }},
	"a wrong key fingerprint":    {make: func(a *archive) { a.manifest["fingerprint"] = "0123456789abcdef" }},
	"other items than it says":   {make: func(a *archive) { a.manifest["items"].(map[string]any)["credentials"] = 7 }},
	"the schema of a newer version": {code: 3, make: func(a *archive) {
		a.change(database, func(b []byte) []byte { binary.BigEndian.PutUint32(b[60:], 900); return b })
	}},
	"a database of another program": {make: func(a *archive) {
		a.change(database, func(b []byte) []byte { binary.BigEndian.PutUint32(b[68:], 1); return b })
	}},
	"a damaged database": {make: func(a *archive) {
		a.change(database, func(b []byte) []byte { clear(b[3*4096 : 9*4096]); return b })
	}},
	"a database cut short": {make: func(a *archive) {
		a.change(database, func(b []byte) []byte { return b[:len(b)/2] })
	}},
	"a database that is text": {make: func(a *archive) {
		a.change(database, func([]byte) []byte { return []byte("nothing that SQLite knows") })
	}},
	"cut off in the middle": {make: func(a *archive) { a.raw = func(b []byte) []byte { return b[:len(b)/2] } }},
	"cut off at the end":    {make: func(a *archive) { a.raw = func(b []byte) []byte { return b[:len(b)-6] } }},
	"a turned bit":          {make: func(a *archive) { a.raw = func(b []byte) []byte { b[len(b)/2] ^= 1; return b } }},
	"an empty file":         {make: func(a *archive) { a.raw = func([]byte) []byte { return nil } }},
	"no archive":            {make: func(a *archive) { a.raw = func([]byte) []byte { return []byte("no archive at all") } }},
}

// TestRestore_RefusesHostileArchivesAndChangesNothing gives the program each of
// them to restore, and compares every file of the machine before and after.
func TestRestore_RefusesHostileArchivesAndChangesNothing(t *testing.T) {
	t.Parallel()
	etc := filepath.Join(t.TempDir(), "etc")
	if err := os.MkdirAll(etc, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(etc, "confidant.env"), []byte("BRAND_NAME=Proof\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := server.New(t, map[string]string{"CONFIDANT_CONFIGFILE": filepath.Join(etc, "confidant.env")})
	s := p.Start()
	c := client{s.BaseURL, p.UserToken("ada")}
	for _, name := range []string{"one", "two", "three"} {
		c.must(t, "POST", "/v1/credentials", pairs(name, 1))
	}
	s.Stop()
	var made struct {
		File string `json:"file"`
	}
	out := p.MustRun("backup", "create", "--directory", t.TempDir(), "--json")
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(etc, "away")); err != nil {
		t.Fatal(err)
	}
	machine := func() map[string]string {
		all := map[string]string{}
		files(t, filepath.Dir(etc), all)
		files(t, filepath.Dir(p.DataDir), all)
		return all
	}
	p.Run("backup", "restore", "/dev/null", "--yes") // the lock names a process from now on
	lock := filepath.Join(p.DataDir, "confidant.lock")
	before := machine()
	delete(before, lock)
	dir := t.TempDir()
	for name, tt := range hostile {
		path := filepath.Join(dir, "hostile.tgz")
		a := open(t, made.File)
		tt.make(a)
		a.write(t, path)
		want := max(tt.code, 1)
		result := p.Run("backup", "restore", path, "--yes", "--json")
		if result.Code != want {
			t.Errorf("%s: exit %d, want %d: %s", name, result.Code, want, result.Stderr)
		}
		after := machine()
		delete(after, lock)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s: (-before +after):\n%s", name, diff)
		}
		if name == "a directory that is a link here" {
			continue // there is nothing wrong with the file itself
		}
		if result := p.Run("backup", "verify", path); result.Code != want {
			t.Errorf("%s: verify ends with %d, want %d: %s", name, result.Code, want, result.Stderr)
		}
	}
	if result := p.Run("backup", "restore", made.File, "--yes"); result.Code != 0 {
		t.Errorf("the good one: exit %d: %s", result.Code, result.Stderr)
	}
}

// files collects everything below a directory: content, mode, where links lead.
func files(t *testing.T, root string, all map[string]string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		all[path] = info.Mode().String()
		switch {
		case entry.Type().IsRegular():
			content, err := os.ReadFile(path)
			all[path] += " " + string(content)
			return err
		case entry.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			all[path] += " " + to
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
