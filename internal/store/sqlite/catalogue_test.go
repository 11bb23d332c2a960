package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/store"
)

// findAll returns the ids of all pages and how many there were.
func findAll(t *testing.T, s *Store, q store.Query) (ids []string, pages int) {
	t.Helper()
	for pages = 1; pages < 10_000; pages++ {
		found, err := s.Catalogue().Find(t.Context(), q)
		if err != nil {
			t.Fatalf("Find(%+v): %v", q, err)
		}
		for _, e := range found.Entries {
			ids = append(ids, e.ID)
		}
		if q.After = found.Next; q.After == "" {
			return ids, pages
		}
	}
	t.Fatalf("Find(%+v): the pages do not end", q)
	return nil, 0
}

// many returns a store with so many credentials and, by id, the row of each.
func many(t *testing.T, n int) (*Store, map[string]*credential.Credential) {
	t.Helper()
	s := filled(t, n)
	rows := map[string]*credential.Credential{}
	for i := range n {
		rows[benchID(i)] = benchRow(i)
	}
	return s, rows
}

// TestFind_FindsTheSameWhateverWayItTakes compares answers with those of a plain
// search, where few match, many, and about as many as decide between the ways.
func TestFind_FindsTheSameWhateverWayItTakes(t *testing.T) {
	t.Parallel()
	s, rows := many(t, 3000)
	for id, n := range map[string]int{benchID(3): 1, benchID(2900): 1} {
		row := appendRow(t, s, id, mustGet(t, s, id), changed(rows[id], n))
		rows[id] = row
	}
	for _, query := range []store.Query{
		{},
		{Text: "payments credential"},
		{Text: "CREDENTIAL 00"},
		{Text: "l 012"},
		{Text: "password_77"},
		{Text: "password_7"},
		{Text: "007"},
		{Text: "7"},
		{Text: "zz"},
		{Text: "not there"},
		{Text: "renamed"},
		{Text: "financially"},
		{Key: "api_key"},
		{Key: "password_77"},
		{Key: "password"},
		{Tag: "FINANCIALLY_SENSITIVE"},
		{Tag: "none"},
		{ModifiedBy: "ann@example.com"},
		{ModifiedBy: "bob"},
		{Text: "pay", ModifiedBy: "bob"},
		{Text: "pay", Key: "password_3"},
		{Key: "api_key", Text: "12"},
		{Text: benchID(17)},
		{Enabled: new(bool)},
		{Enabled: new(bool), Text: "renamed"},
		{Mapped: new(bool)},
		{Mapped: new(true), Enabled: new(bool)},
		{Mapped: new(true), Key: "password_77"},
		{NeverRotated: true},
		{NeverRotated: true, ModifiedBy: "bob"},
		{ModifiedSince: benchRow(2800).ModifiedDate},
		{ModifiedSince: benchRow(100).ModifiedDate},
		{ModifiedSince: benchRow(100).ModifiedDate, Tag: "FINANCIALLY_SENSITIVE"},
		{Due: true, Rules: credential.Rotation{Maximum: 90}},
		{Due: true, Rules: credential.Rotation{PerTag: map[string]int{"none": 1}}},
	} {
		want := map[string]bool{}
		for id, row := range rows {
			if matches(query, id, row) {
				want[id] = true
			}
		}
		for _, order := range []store.Sort{store.SortName, store.SortModified, store.SortRotation} {
			query.Sort, query.Descending = order, order == store.SortModified
			for _, walk := range []int{walkLimit, 700} {
				s.walkLimit = walk
				query.Limit = 400
				got, pages := findAll(t, s, query)
				if len(got) != len(want) || slices.ContainsFunc(got, func(id string) bool { return !want[id] }) {
					t.Errorf("%+v, walking %d rows at once: %d found, want %d", query, walk, len(got), len(want))
				}
				if most := 1 + len(rows)/min(walk, query.Limit); pages > most {
					t.Errorf("%+v, walking %d rows at once: %d pages, want at most %d", query, walk, pages, most)
				}
				compare := func(a, b string) int { return strings.Compare(rows[a].Name, rows[b].Name) }
				if order == store.SortName && !slices.IsSortedFunc(got, compare) {
					t.Errorf("%+v, walking %d rows at once: not in the order of names", query, walk)
				}
				if order == store.SortModified && !slices.IsSortedFunc(got, func(a, b string) int { return rows[b].ModifiedDate.Compare(rows[a].ModifiedDate) }) {
					t.Errorf("%+v, walking %d rows at once: not newest first", query, walk)
				}
			}
		}
	}
}

func mustGet(t *testing.T, s *Store, id string) *credential.Credential {
	t.Helper()
	row, err := s.Credentials().Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// changed is a row of another author, disabled, with another name and keys.
func changed(row *credential.Credential, n int) *credential.Credential {
	c := row.Clone()
	c.Name, c.KeyNames, c.Enabled, c.ModifiedBy = "renamed "+row.Name, []string{"password", fmt.Sprint("key", n)}, false, "bob"
	c.ModifiedDate = c.ModifiedDate.AddDate(0, 0, 1)
	return c
}

// matches is the plain search.
func matches(q store.Query, id string, row *credential.Credential) bool {
	text := strings.ToLower(q.Text)
	parts := append(append([]string{row.Name}, row.KeyNames...), row.Tags...)
	return (q.Text == "" || q.Text == id || slices.ContainsFunc(parts, func(s string) bool { return strings.Contains(strings.ToLower(s), text) })) &&
		(q.Key == "" || slices.Contains(row.KeyNames, q.Key)) && (q.Tag == "" || slices.Contains(row.Tags, q.Tag)) &&
		(q.ModifiedBy == "" || q.ModifiedBy == row.ModifiedBy) && (q.Enabled == nil || *q.Enabled == row.Enabled) &&
		(q.Mapped == nil || !*q.Mapped) && !row.ModifiedDate.Before(q.ModifiedSince) && (!q.Due || q.Rules.Maximum > 0)
}

func TestFind_FollowsAnAmendment(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	row := benchRow(1)
	row.KeyNames = nil
	appendRow(t, s, "c", nil, row)
	err := s.Credentials().Amend(t.Context(), "c", 1, func(c *credential.Credential) bool {
		c.KeyNames, c.Tags, c.Enabled, c.LastRotation = []string{"filled_in"}, []string{"OTHER"}, false, benchRow(7).ModifiedDate
		return true
	})
	if err != nil {
		t.Fatalf("Amend: %v", err)
	}
	for _, q := range []store.Query{{Key: "filled_in"}, {Text: "illed_i"}, {Tag: "OTHER"}, {Enabled: new(bool)}} {
		q.Limit = 10
		found, err := s.Catalogue().Find(t.Context(), q)
		if err != nil || len(found.Entries) != 1 || !found.Entries[0].LastRotation.Equal(benchRow(7).ModifiedDate) {
			t.Errorf("Find(%+v) = %+v, %v; want the amended row", q, found.Entries, err)
		}
	}
	if got, _ := findAll(t, s, store.Query{Tag: row.Tags[0], Limit: 10}); len(got) != 0 {
		t.Errorf("the old tag finds %q, want nothing", got)
	}
	wantSound(t, s)
}

func TestAmend_RefusesAnotherIdentityNameOrMapping(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	row := appendRow(t, s, "c", nil, benchRow(1))
	for what, change := range map[string]func(c *credential.Credential){
		"id":       func(c *credential.Credential) { c.ID = "d" },
		"revision": func(c *credential.Credential) { c.Revision++ },
		"date":     func(c *credential.Credential) { c.ModifiedDate = c.ModifiedDate.AddDate(1, 0, 0) },
		"author":   func(c *credential.Credential) { c.ModifiedBy = "eve" },
		"name":     func(c *credential.Credential) { c.Name = "other" },
	} {
		err := s.Credentials().Amend(t.Context(), "c", 1, func(c *credential.Credential) bool { change(c); return true })
		if err == nil {
			t.Errorf("an amendment of the %s: no error", what)
		}
	}
	got := credentialCodec{}.encode(mustGet(t, s, "c"))
	if want := (credentialCodec{}).encode(row); got != want {
		t.Errorf("refused amendments changed the row to %+v, want %+v", got, want)
	}
}

func TestFind_RefusesAnUnknownOrderAndKnowsNoForeignNoun(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	appendRow(t, s, "c", nil, benchRow(1))
	if _, err := s.Catalogue().Find(t.Context(), store.Query{Sort: "size"}); err == nil {
		t.Error("an unknown order: no error")
	}
	if got, _ := findAll(t, s, store.Query{Nouns: []store.Noun{"document"}, Limit: 10}); len(got) != 0 {
		t.Errorf("an unknown noun finds %q, want nothing", got)
	}
	if got, _ := findAll(t, s, store.Query{Text: separator, Limit: 10}); len(got) != 0 {
		t.Errorf("what stands between names finds %q, want nothing", got)
	}
}

func TestReaders_KeepABoundedNumberOfStatements(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 2 * preparedLimit {
				query := fmt.Sprintf("SELECT %d", (n+i)%(preparedLimit+50))
				if err := s.query(t.Context(), query, func(*sql.Rows) error { return nil }); err != nil {
					t.Errorf("%s: %v", query, err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(s.reads.prepared); got > preparedLimit {
		t.Errorf("%d statements are kept, want at most %d", got, preparedLimit)
	}
	most := 0
	for n := range 2 * preparedLimit {
		err := s.write(t.Context(), "testing", func(tx *transaction) error {
			most = max(most, len(tx.conn.prepared))
			_, err := tx.exists(fmt.Sprintf("SELECT %d", n))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if most > preparedLimit+10 {
		t.Errorf("the writer keeps %d statements, want about %d at most", most, preparedLimit)
	}
}

func TestDigest_TellsEveryChangeOfWhatIsSearchedClaimedOrMapped(t *testing.T) {
	t.Parallel()
	digests := map[int64]string{}
	for what, c := range map[string]content{
		"nothing": {}, "author": {modifiedBy: "a"}, "name": {name: "a"}, "keys": {keyNames: "a"}, "tags": {tags: "a"},
		"enabled": {enabled: true}, "credentials": {credentials: "a"}, "blind credentials": {blindCredentials: "a"},
		"two": {name: "a", keyNames: "b"}, "two as one": {name: "ab"}, "two, other": {keyNames: "a", tags: "b"},
	} {
		if other := digests[c.digest()]; other != "" {
			t.Errorf("%s and %s have one digest", what, other)
		}
		digests[c.digest()] = what
	}
	sealed, dated := content{pairs: "a", dataKey: "b", cipherVersion: 2}, content{modified: 1, lastRotation: 2, revision: 3}
	if none := (&content{}).digest(); sealed.digest() != none || dated.digest() != none {
		t.Error("sealed values or dates change the digest")
	}
}

func TestReaders_DoNotWrite(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	if err := s.query(t.Context(), "DELETE FROM probe", func(*sql.Rows) error { return nil }); err == nil {
		t.Error("a write by way of a reader: no error")
	}
}

// TestImport_OverRowsThatStand finds the key names of the row that stands, which
// an import does not change, and not those of the row that was given.
func TestImport_OverRowsThatStand(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	row := benchRow(1)
	row.ID, row.Revision, row.KeyNames = "c", 1, []string{"stands"}
	later := row.Clone()
	later.Revision, later.KeyNames = 2, []string{"later"}
	if _, err := s.Credentials().Import(t.Context(), row, []*credential.Credential{row, later}); err != nil {
		t.Fatal(err)
	}
	given := later.Clone()
	given.KeyNames = []string{"given"}
	if err := s.Credentials().ReplaceCurrent(t.Context(), 1, given); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int{"stands": 0, "later": 1, "given": 0} {
		if got, _ := findAll(t, s, store.Query{Key: key, Limit: 10}); len(got) != want {
			t.Errorf("the key %q finds %q, want %d rows", key, got, want)
		}
	}
	other := later.Clone()
	other.Revision, other.Name = 3, "another"
	if _, err := s.Credentials().Import(t.Context(), row, []*credential.Credential{other}); err != nil {
		t.Fatal(err)
	}
	given.Revision = 3
	if err := s.Credentials().ReplaceCurrent(t.Context(), 2, given); !errors.Is(err, store.ErrTaken) {
		t.Errorf("ReplaceCurrent with a row whose revision stands otherwise: %v, want %v", err, store.ErrTaken)
	}
	if err := s.Credentials().Delete(t.Context(), "c", 2, nil); err != nil {
		t.Fatal(err)
	}
	report, err := s.Credentials().Import(t.Context(), given, []*credential.Credential{other})
	if err != nil || !slices.Equal(report.Written, []string{"c-3"}) || !slices.Equal(report.Different, []string{"c"}) {
		t.Errorf("Import of a current row that is not its revision in history: %+v, %v; want it refused as different", report, err)
	}
	wantSound(t, s)
}
