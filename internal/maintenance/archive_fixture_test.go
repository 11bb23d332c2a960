package maintenance_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit/audittest"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/event"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
	"github.com/confidant-secrets/confidant/internal/vault"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// closed is a sealer that opens nothing.
type closed struct{}

func (closed) Seal(context.Context, string, []byte) (sealed.Value, error) {
	return sealed.Value{}, errors.New("sealed by an archiver")
}

func (closed) Open(context.Context, string, sealed.Value) ([]byte, error) {
	return nil, errors.New("opened by an archiver")
}

// archiver works on a store as an operator, at noon.
func archiver(s store.Store) (*maintenance.Archiver, error) {
	policy, err := authz.NewEngine(nil)
	if err != nil {
		return nil, err
	}
	room, err := vault.New(vault.Dependencies{
		Store: s, Sealer: closed{}, Policy: policy, Audit: &audittest.Recorder{}, Events: event.Discard,
		ReadOnly: func() bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	return &maintenance.Archiver{
		Store: s, Vault: room, Now: func() time.Time { return noon },
		Caller: authz.Caller{Principal: authz.Principal{Type: authz.Operator, Name: "cli:test", Administrator: true}},
	}, nil
}

// collect returns an archiver and what it says of each credential, by id.
func collect(t *testing.T, s store.Store) (*maintenance.Archiver, map[string]maintenance.Item) {
	t.Helper()
	a, err := archiver(s)
	if err != nil {
		t.Fatal(err)
	}
	items := map[string]maintenance.Item{}
	a.Each = func(i maintenance.Item) { items[i.ID] = i }
	return a, items
}

// seed imports a credential of so many revisions, the last one of the given age.
func seed(t *testing.T, s store.Store, id string, revisions int, enabled bool, age time.Duration) {
	t.Helper()
	var rows []*credential.Credential
	for n := 1; n <= revisions; n++ {
		rows = append(rows, &credential.Credential{
			Meta: revision.Meta{ID: id, Revision: n, ModifiedDate: noon.Add(-age), ModifiedBy: "x"},
			Name: "name of " + id, KeyNames: []string{"k"}, Enabled: enabled,
			Sealed: sealed.Value{Ciphertext: fmt.Sprint(id, n), DataKey: []byte("k"), Version: 2},
		})
	}
	if _, err := s.Credentials().Import(t.Context(), rows[revisions-1], rows); err != nil {
		t.Fatal(err)
	}
}

// mapping has a service map credentials.
func mapping(t *testing.T, s store.Store, id string, enabled bool, credentials ...string) {
	t.Helper()
	row := &service.Service{
		Meta:        revision.Meta{ID: id, Revision: 1, ModifiedDate: noon, ModifiedBy: "x"},
		Credentials: credentials, Enabled: enabled,
	}
	if _, err := s.Services().Import(t.Context(), row, []*service.Service{row}); err != nil {
		t.Fatal(err)
	}
}

// state says which rows of credentials stand where, and what they hold.
func state(t *testing.T, s store.Store) (main, archive map[string]string) {
	t.Helper()
	read := func(rows store.Revisions[credential.Credential]) map[string]string {
		all := map[string]string{}
		history, err := rows.History(t.Context(), "", revision.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range history.Items {
			all[revision.Key(row.ID, row.Revision)] = row.Sealed.Ciphertext
		}
		current, err := rows.List(t.Context(), revision.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range current.Items {
			whole, err := rows.Get(t.Context(), row.ID)
			if err != nil {
				t.Fatal(err)
			}
			all[row.ID] = whole.Sealed.Ciphertext
		}
		return all
	}
	return read(s.Credentials()), read(s.ArchivedCredentials())
}

// mortal is a store that kills the process at a named point, the time given.
type mortal struct {
	store.Store
	at   string
	left atomic.Int64
}

func (m *mortal) pass(point string) {
	if point == m.at && m.left.Add(-1) == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal arrives
	}
}

func (m *mortal) Credentials() store.Revisions[credential.Credential] {
	return mortalRows{m.Store.Credentials(), m, "main"}
}

func (m *mortal) ArchivedCredentials() store.Revisions[credential.Credential] {
	return mortalRows{m.Store.ArchivedCredentials(), m, "archive"}
}

func (m *mortal) Documents() store.Documents { return mortalDocuments{m.Store.Documents(), m} }

type mortalRows struct {
	store.Revisions[credential.Credential]
	m     *mortal
	where string
}

func (r mortalRows) Get(ctx context.Context, id string) (*credential.Credential, error) {
	r.m.pass("before reading the " + r.where + " row")
	return r.Revisions.Get(ctx, id)
}

func (r mortalRows) History(ctx context.Context, id string, p revision.Page) (revision.Slice[*credential.Credential], error) {
	r.m.pass("before reading the " + r.where + " history")
	defer r.m.pass("after reading the " + r.where + " history")
	return r.Revisions.History(ctx, id, p)
}

func (r mortalRows) Import(ctx context.Context, current *credential.Credential, history []*credential.Credential) (store.ImportReport, error) {
	r.m.pass("before copying to the " + r.where)
	defer r.m.pass("after copying to the " + r.where)
	return r.Revisions.Import(ctx, current, history)
}

func (r mortalRows) Delete(ctx context.Context, id string, expect int, guards []store.Guard) error {
	r.m.pass("before removing")
	defer r.m.pass("after removing")
	return r.Revisions.Delete(ctx, id, expect, guards)
}

func (r mortalRows) DeleteOrphans(ctx context.Context, id string, numbers []int) error {
	r.m.pass("before removing orphans")
	defer r.m.pass("after removing orphans")
	return r.Revisions.DeleteOrphans(ctx, id, numbers)
}

type mortalDocuments struct {
	store.Documents
	m *mortal
}

func (d mortalDocuments) Put(ctx context.Context, doc store.Document, expect int) (int, error) {
	d.m.pass("before locking")
	defer d.m.pass("after locking")
	return d.Documents.Put(ctx, doc, expect)
}

func (d mortalDocuments) Delete(ctx context.Context, kind, id string, expect int) error {
	d.m.pass("before unlocking")
	defer d.m.pass("after unlocking")
	return d.Documents.Delete(ctx, kind, id, expect)
}

// moveAndDie is what the test binary does as the process that is killed: it
// archives or restores everything in a directory, up to a point.
func moveAndDie(dir, command, point string, times int64) error {
	s, err := sqlite.Open(context.Background(), sqlite.Options{
		Path: filepath.Join(dir, "confidant.db"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	m := &mortal{Store: s, at: point}
	m.left.Store(times)
	a, err := archiver(m)
	if err != nil {
		return err
	}
	if err := move(context.Background(), a, command); err != nil {
		return err
	}
	return s.Close()
}

// move archives or restores everything that there is.
func move(ctx context.Context, a *maintenance.Archiver, command string) (err error) {
	var sum maintenance.Summary
	switch command {
	case "archive":
		sum, err = a.Archive(ctx, maintenance.ArchiveSelection{Days: 1}, true)
	case "restore":
		sum, err = a.Restore(ctx, nil, true)
	case "repair":
		sum, err = a.Repair(ctx, true)
	}
	if err == nil && sum.Failed+sum.Skipped > 0 {
		err = fmt.Errorf("%+v", sum)
	}
	return err
}

// ids names so many credentials.
func ids(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strings.Repeat("0", 31) + string(rune('a'+i))
	}
	slices.Sort(all)
	return all
}
