package commands

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// rotated is what "audit rotate --json" prints.
type rotated struct {
	Total, Deleted int
	Rules          []struct{ Deleted int }
}

func rotate(t *testing.T, p *server.Program, args ...string) (r rotated) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.MustRun(append([]string{"audit", "rotate", "--json"}, args...)...)), &r); err != nil {
		t.Fatal(err)
	}
	p.MustRun("audit", "verify")
	return r
}

// six are rules as the manual of the older tool has them: the first that matches
// decides, and the last matches whatever is left.
const six = `
- {rotate: 0, user: ^nobody$, action: ^list$}
- {rotate: 365, action: ^get$, user: ^ada$}
- {rotate: 0, action: get}
- {rotate: 10, resource_type: service}
- {rotate: 0, user: "^g.*e$"}
- {rotate: 180}
`

// The marks are kept to the entry, a dry run counts what a run deletes, and the
// first of many rules decides; all the same whether a server writes or not.
func TestRotation_KeepsWhatItPromises(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]bool{"alone": false, "beside a server": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := server.NewPlain(t, nil)
			w := &world{Program: p, dir: filepath.Dir(p.DataDir)}
			p.MustRun("setup", "create-tables")
			if beside {
				p.Start()
			}
			entries := func() int {
				r := rotate(t, p, "--age", "365", "--dryrun")
				if r.Deleted != 0 {
					t.Errorf("%d entries of today are older than a year", r.Deleted)
				}
				return r.Total
			}
			fill := func(upTo int, users ...string) {
				appended(t, w, slices.Repeat(users, (upTo-entries())/len(users)+1)[:upTo-entries()]...)
			}
			fill(20000, "ada")
			if r := rotate(t, p, "--highwatermark", "20000", "--lowwatermark", "18000"); r.Deleted != 0 {
				t.Errorf("of 20000 entries %d are deleted", r.Deleted)
			}
			fill(20001, "ada")
			for _, args := range [][]string{{"-hw", "20000", "-lw=18000", "--dryrun"}, {"-hw", "20000", "-lw", "18000"}} {
				if r := rotate(t, p, args...); r.Total != 20001 || r.Deleted != 2001 {
					t.Errorf("%v: of %d entries %d are deleted", args, r.Total, r.Deleted)
				}
			}
			// It leaves 18000 and what it says of itself, with a gap in the numbers
			// before them.
			if n := entries(); n < 18000 || n > 18002 {
				t.Errorf("%d entries are left", n)
			}
			w.write(t, "six.yaml", six)
			appended(t, w, "grace", "ada", "nobody")
			file := filepath.Join(w.dir, "six.yaml")
			would := rotate(t, p, "--config", file, "--chunksize", "10", "--dryrun")
			did := rotate(t, p, "--config", file, "--chunksize", "10")
			if did.Deleted != 2 || would.Deleted != did.Deleted || !slices.Equal(would.Rules, did.Rules) || did.Rules[2].Deleted != 2 {
				t.Errorf("a dry run says %+v, a run %+v", would, did)
			}
			if n := recordsOf(t, w); n["ada"] < 17000 || n["grace"]+n["nobody"] != 0 {
				t.Errorf("left are %v", n)
			}
			w.write(t, "wrong.yaml", six+"- {rotate: 0, colour: red}\n")
			before := entries()
			if r := p.Run("audit", "rotate", "--config", filepath.Join(w.dir, "wrong.yaml")); r.Code != usage {
				t.Errorf("rules with an unknown field end with %d", r.Code)
			}
			if n := entries(); n != before {
				t.Errorf("%d entries of %d are left by rules that are wrong", n, before)
			}
		})
	}
}

// changes are the commands that change something, called so that they do; what
// they need stands with their outcomes in the table.
var changes = []string{
	"setup create-enckey", "setup encrypt-enckey", "setup create-audit-keys", "setup drop-tables", "setup reindex", "setup rotate-enckey",
	"backup create", "backup restore", "audit rotate",
	"config policy create", "config policy disable", "config policy delete", "config import", "config challenge cleanup",
	"api create-token", "api revoke-before", "admin add", "admin delete", "admin change",
	"archive-credentials", "restore-credentials",
}

// besides are arguments that make a command change something where the good ones
// of the table need not.
var besides = map[string]string{
	"audit rotate":             "-hw 1 -lw 1",
	"config import":            "-i {{dir}}/whole.json",
	"config challenge cleanup": "--age 0",
}

// Every command that changes something leaves a record with the user of the
// operating system, and changes nothing where it can leave none.
func TestChanges_AreRecordedOrNotMade(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	template := prepared(t)
	for _, name := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := table[name][done].(outcome)
			if more, listed := besides[name]; listed {
				good.args = more
			}
			call := func(w *world) server.Result {
				return w.Run(append(strings.Fields(name), strings.Fields(strings.ReplaceAll(good.args, "{{dir}}", w.dir))...)...)
			}
			w := copied(t, template)
			if good.in != nil {
				good.in(w, t)
			}
			before := recordsOf(t, w)["cli:"+me.Username]
			if name == "audit rotate" {
				before = 0
			}
			if r := call(w); r.Code != done {
				t.Fatalf("it ends with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
			}
			if n := recordsOf(t, w)["cli:"+me.Username]; n <= before && name != "config challenge cleanup" {
				t.Errorf("there are %d records of cli:%s as before", n, me.Username)
			}

			w = copied(t, template)
			if good.in != nil {
				good.in(w, t)
			}
			w.noLog(t)
			stood := digests(t, w)
			r := call(w)
			if r.Code != storage && r.Code != settings {
				t.Errorf("without a log it ends with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
			}
			if now := digests(t, w); !maps.Equal(stood, now) {
				t.Errorf("without a log it changed something\n%v\n%v", stood, now)
			}
		})
	}
}

// digests sums up the files of a world, but for those that every opening touches.
func digests(t *testing.T, w *world) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(w.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".lock") || strings.HasSuffix(path, "-shm") {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, w.dir)] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
