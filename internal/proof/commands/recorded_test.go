package commands

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/store"
)

// recorded is a run of the older service: "{{NAME}}" stands for a credential's
// id in arguments and in the keys of the two tables.
type recorded struct {
	Name        string
	Args        []string
	Settings    map[string]string
	StateBefore state           `json:"state_before"`
	StateAfter  json.RawMessage `json:"state_after"` // a state, or "unchanged"
}

type state struct{ Primary, Archive []string }

// ours says how a run ends here where that is not with 0 and the recorded
// effect. The older service's codes are not taken over.
var ours = map[string]struct {
	code      int
	embedded  int  // the code over SQLite, if it is another one
	unchanged bool // although the older service changed something
}{
	"archive without options":       {code: 2},
	"archive days and ids":          {code: 2},
	"archive days not an int":       {code: 2},
	"archive empty ids":             {code: 2},
	"archive enabled by id":         {code: 1},
	"archive negative days":         {code: 2, unchanged: true}, // it moved whatever was disabled
	"restore force only":            {code: 2},
	"restore empty ids":             {code: 2},
	"restore unknown id":            {code: 1},
	"archive by revision id":        {code: 1, unchanged: true}, // it tore a single revision out
	"archive without archive table": {code: 3},
	"other: create tables":          {embedded: 3}, // there are none to create
	"other: no command":             {code: 2},
}

// leftOut are the runs that a store has no answer to, with the reason. There
// will be no more.
var leftOut = map[string]string{
	"sqlite/archive without archive table": "this store always has an archive",
}

func TestRecordedRuns_HaveTheRecordedEffect(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/commands.json")
	if err != nil {
		t.Fatal(err)
	}
	var runs []recorded
	if err := json.Unmarshal(text, &runs); err != nil {
		t.Fatal(err)
	}
	if len(runs) != 22 || len(leftOut) > 1 {
		t.Fatalf("%d runs, want the 22 that were recorded, of which %d are left out, want 1 at most", len(runs), len(leftOut))
	}
	for _, r := range runs {
		if name := "sqlite/" + r.Name; leftOut[name] == "" {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				code := ours[r.Name].embedded
				if code == 0 {
					code = ours[r.Name].code
				}
				s := embedded(t)
				s.MustRun("setup", "create-enckey")
				replay(t, s, r, code)
			})
		}
		if cloud.Wanted() {
			t.Run("dynamodb/"+r.Name, func(t *testing.T) {
				t.Parallel()
				s, _ := inCloud(t)
				replay(t, s, r, ours[r.Name].code)
			})
		}
	}
}

// blob has the program make the bootstrap blob of the recording, which another
// key sealed there.
func blob(t *testing.T, s tables, dir string) {
	t.Helper()
	const text = "SESSION_SECRET: abc\nGRAPHITE_USERNAME: me\nAUTHOMATIC_SALT: mysalt\n"
	in := filepath.Join(dir, "secrets.yaml")
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.MustRun("generate-secrets-bootstrap", "--in", in, "--out", filepath.Join(dir, "bootstrap.json"))
}

func replay(t *testing.T, s tables, r recorded, code int) {
	began := time.Now()
	s.with(t, func(st store.Store) { fill(t, st, began, r.StateBefore.Primary, r.StateBefore.Archive) })
	dir := t.TempDir()
	if _, needed := r.Settings["SECRETS_BOOTSTRAP"]; needed {
		blob(t, s, dir)
	}
	for name, value := range r.Settings {
		s.Settings[name] = strings.ReplaceAll(value, "{{tmp}}", dir)
	}
	var args []string
	for _, arg := range r.Args {
		args = append(args, named(arg))
	}
	result := s.Run(args...)
	if result.Code != code {
		t.Errorf("exit code %d, want %d\n%s%s", result.Code, code, result.Stdout, result.Stderr)
	}
	if r.Settings["SECRETS_BOOTSTRAP"] != "" && !strings.Contains(result.Stdout, "AUTHOMATIC_SALT: mysalt\n") {
		t.Errorf("it prints\n%s", result.Stdout)
	}
	want := r.StateBefore
	if string(r.StateAfter) != `"unchanged"` && !ours[r.Name].unchanged {
		want = state{}
		if err := json.Unmarshal(r.StateAfter, &want); err != nil {
			t.Fatal(err)
		}
	}
	s.with(t, func(st store.Store) {
		main, archive := contents(t, st)
		for what, lists := range map[string][2][]string{
			"the main table": {main, expand(want.Primary)}, "the archive": {archive, expand(want.Archive)},
		} {
			if !slices.Equal(lists[0], lists[1]) {
				t.Errorf("%s holds\n%v\nwant\n%v\n%s%s", what, lists[0], lists[1], result.Stdout, result.Stderr)
			}
		}
	})
}

// expand turns the keys of a state into what contents returns of them.
func expand(keys []string) []string {
	current := map[string]int{} // number of the last revision by id
	var all []string
	for _, key := range keys {
		if !strings.HasPrefix(key, "{{") {
			continue // services stay as they are
		}
		name, number, historic := strings.Cut(strings.TrimPrefix(key, "{{"), "}}-")
		if !historic {
			continue
		}
		n, _ := strconv.Atoi(number)
		current[name] = max(current[name], n)
		all = append(all, idOf(name)+"-"+number+" "+name+number)
	}
	for name, n := range current {
		all = append(all, idOf(name)+" "+name+strconv.Itoa(n))
	}
	slices.Sort(all)
	return all
}
