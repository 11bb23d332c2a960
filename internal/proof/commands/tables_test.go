package commands

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

func TestMain(m *testing.M) {
	cloud.PassOver()
	server.Main(m)
}

// tables are a store that the program is run on, and looked into from beside.
type tables struct {
	*server.Program
	open func(context.Context) (store.Store, error)
}

// embedded makes an empty SQLite database.
func embedded(t *testing.T) tables {
	t.Helper()
	p := server.NewPlain(t, map[string]string{})
	if err := os.MkdirAll(p.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	return tables{p, func(ctx context.Context) (store.Store, error) {
		return sqlite.Open(ctx, sqlite.Options{
			Path: filepath.Join(p.DataDir, "confidant.db"), Log: slog.New(slog.DiscardHandler),
		})
	}}
}

// inCloud makes empty tables in DynamoDB.
func inCloud(t *testing.T) (tables, *cloud.Cloud) {
	t.Helper()
	c := cloud.New(t)
	if _, err := dynamo.CreateTables(t.Context(), c.Dynamo, dynamo.Capacity{}, cloud.Table, cloud.Archive); err != nil {
		t.Fatal(err)
	}
	return tables{server.NewPlain(t, c.Settings()), func(ctx context.Context) (store.Store, error) {
		return dynamo.Open(ctx, dynamo.Options{
			Client: c.Dynamo, Table: cloud.Table, ArchiveTable: cloud.Archive, Log: slog.New(slog.DiscardHandler),
		})
	}}, c
}

// with calls use with the store, which is closed while the program runs.
func (s tables) with(t *testing.T, use func(store.Store)) {
	t.Helper()
	st, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	use(st)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

// cast are the credentials of the recording, under the names it gives them.
var cast = map[string]struct {
	enabled bool
	age     time.Duration
}{
	"OLD3":    {age: 100 * day},
	"ENABLED": {age: 100 * day, enabled: true},
	"MAPPED":  {age: 100 * day},
	"RECENT":  {},
	"D30":     {age: 30*day + time.Minute},
	"ONE":     {age: 50 * day},
}

const day = 24 * time.Hour

// idOf is the id of a member of the cast.
func idOf(name string) string { return strings.ToLower(strings.Repeat("0", 32-len(name)) + name) }

// named replaces ids in place of which the recording has {{NAME}}.
func named(text string) string {
	for name := range cast {
		text = strings.ReplaceAll(text, "{{"+name+"}}", idOf(name))
	}
	return text
}

// rows are the first n revisions of a member of the cast.
func rows(name string, n int, began time.Time) []*credential.Credential {
	c := cast[name]
	all := make([]*credential.Credential, n)
	for i := range all {
		all[i] = &credential.Credential{
			Meta: revision.Meta{ID: idOf(name), Revision: i + 1, ModifiedDate: revision.Instant(began.Add(-c.age)), ModifiedBy: "x"},
			Name: "name of " + name, KeyNames: []string{"k"}, Enabled: c.enabled,
			Sealed: sealed.Value{Ciphertext: fmt.Sprint(name, i+1), DataKey: []byte("k"), Version: 2},
		}
	}
	return all
}

// fill puts what the recording lists into the store.
func fill(t *testing.T, s store.Store, began time.Time, main, archive []string) {
	t.Helper()
	put := func(to store.Revisions[credential.Credential], keys []string) {
		for name := range cast {
			n := 0
			for slices.Contains(keys, fmt.Sprintf("{{%s}}-%d", name, n+1)) {
				n++
			}
			if n == 0 {
				continue
			}
			all := rows(name, n, began)
			if _, err := to.Import(t.Context(), all[n-1], all); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(s.Credentials(), main)
	put(s.ArchivedCredentials(), archive)
	svc := &service.Service{
		Meta:        revision.Meta{ID: "svc-x", Revision: 1, ModifiedDate: revision.Instant(began), ModifiedBy: "x"},
		Credentials: []string{idOf("MAPPED")}, Enabled: true,
	}
	if _, err := s.Services().Import(t.Context(), svc, []*service.Service{svc}); err != nil {
		t.Fatal(err)
	}
}

// contents lists the rows of both tables, sorted, as "key ciphertext".
func contents(t *testing.T, s store.Store) (main, archive []string) {
	t.Helper()
	read := func(from store.Revisions[credential.Credential]) []string {
		var all []string
		history, err := from.History(t.Context(), "", revision.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range history.Items {
			all = append(all, revision.Key(row.ID, row.Revision)+" "+row.Sealed.Ciphertext)
		}
		list, err := from.List(t.Context(), revision.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, listed := range list.Items {
			row, err := from.Get(t.Context(), listed.ID)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, row.ID+" "+row.Sealed.Ciphertext)
		}
		slices.Sort(all)
		return all
	}
	return read(s.Credentials()), read(s.ArchivedCredentials())
}
