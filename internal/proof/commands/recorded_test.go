package commands

import (
	"encoding/json"
	"os"
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
	if len(runs) < 19 {
		t.Fatalf("%d runs, want at least 19", len(runs))
	}
	for _, r := range runs {
		t.Run("sqlite/"+r.Name, func(t *testing.T) {
			t.Parallel()
			if r.Settings != nil {
				return // this store always has an archive
			}
			replay(t, embedded(t), r)
		})
		if cloud.Wanted() {
			t.Run("dynamodb/"+r.Name, func(t *testing.T) {
				t.Parallel()
				s, _ := inCloud(t)
				replay(t, s, r)
			})
		}
	}
}

func replay(t *testing.T, s tables, r recorded) {
	began := time.Now()
	s.with(t, func(st store.Store) { fill(t, st, began, r.StateBefore.Primary, r.StateBefore.Archive) })
	for name, value := range r.Settings {
		s.Settings[name] = value
	}
	var args []string
	for _, arg := range r.Args {
		args = append(args, named(arg))
	}
	result := s.Run(args...)
	if result.Code != ours[r.Name].code {
		t.Errorf("exit code %d, want %d\n%s%s", result.Code, ours[r.Name].code, result.Stdout, result.Stderr)
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
