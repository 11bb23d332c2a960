package vault_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// idle creates a disabled credential of three revisions.
func (w *world) idle(t testing.TB, name string) string {
	t.Helper()
	id := w.credential(t, name, `{"k":"v"}`)
	w.set(t, id, `{"k":"w"}`)
	if _, err := w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{Enabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	return id
}

// archive moves a credential into the archive.
func (w *world) archive(t testing.TB, id string) error {
	t.Helper()
	_, err := w.ArchiveCredential(t.Context(), ann, id, vault.ArchiveOptions{Force: true})
	return err
}

// copies returns what stands under an id, current row last, in the main store
// or in the archive.
func (w *world) copies(t testing.TB, id string, archived bool) []*credential.Credential {
	t.Helper()
	rows := w.store.Credentials()
	if archived {
		rows = w.store.ArchivedCredentials()
	}
	history, err := rows.History(t.Context(), id, revision.Page{})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(history.Items, func(a, b *credential.Credential) int { return a.Revision - b.Revision })
	if current, err := rows.Get(t.Context(), id); err == nil {
		return append(slices.Clone(history.Items), current)
	}
	return history.Items
}

func equalRows(a, b []*credential.Credential) bool {
	return slices.EqualFunc(a, b, credential.Identical)
}

func TestArchiveCredential_OrderOfRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	archive := func(id string) error { return w.archive(t, id) }
	_, _, writes := w.marks()
	wantFault(t, archive("0123456789abcdef"), fault.NotFound, "Credential not found.")
	wantFault(t, archive(x.idle+"-1"), fault.Invalid, "id provided is not a credential.")
	wantFault(t, archive(x.blind), fault.Invalid, "id provided is not a credential.")
	wantFault(t, archive(x.credential), fault.Invalid, "Credential still enabled")
	if _, _, now := w.marks(); now != writes {
		t.Errorf("%d writes of what was refused", now-writes)
	}
	if _, err := w.UpdateCredential(t.Context(), ann, x.credential, vault.CredentialChange{Enabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	wantFault(t, archive(x.credential), fault.Invalid, "Credential has mapped services")
	w.service(t, x.service)
	if err := archive(x.credential); err != nil {
		t.Errorf("mapped by an old revision of a service alone: %v", err)
	}
	w.store.noArchive = true
	wantFault(t, archive(x.idle), fault.Invalid, "archive table is not configured")
	_, err := w.RestoreCredential(t.Context(), ann, x.idle, true)
	wantFault(t, err, fault.Invalid, "archive table is not configured")
}

func TestArchiveCredential_DryRunChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.idle(t, "c")
	records, _, writes := w.marks()
	report, err := w.ArchiveCredential(t.Context(), ann, id, vault.ArchiveOptions{})
	if want := []string{id + "-1", id + "-2", id + "-3", id}; err != nil || !slices.Equal(report.Keys, want) || report.Units != 8 {
		t.Errorf("%+v, %v; want the keys %v and 8 units", report, err, want)
	}
	if _, _, now := w.marks(); now != writes {
		t.Errorf("%d writes", now-writes)
	}
	if e := w.entries(records); len(e) != 1 || e[0].Phase != audit.Done || e[0].Info["dry_run"] != true {
		t.Errorf("audit entries %+v", e)
	}
}

func TestArchiveCredential_KeepsWhatChangedSince(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.idle(t, "c")
	rows := w.copies(t, id, false)
	changed := rows[len(rows)-1].ModifiedDate
	for _, force := range []bool{false, true} {
		o := vault.ArchiveOptions{Force: force, UnchangedSince: changed.Add(-time.Microsecond)}
		if _, err := w.ArchiveCredential(t.Context(), ann, id, o); !errors.Is(err, vault.ErrChanged) {
			t.Errorf("force %v: %v, want ErrChanged", force, err)
		}
	}
	o := vault.ArchiveOptions{Force: true, UnchangedSince: changed}
	if _, err := w.ArchiveCredential(t.Context(), ann, id, o); err != nil {
		t.Error(err)
	}
}

func TestArchiveCredential_ThereAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.idle(t, "c")
	before := w.copies(t, id, false)
	if err := w.archive(t, id); err != nil {
		t.Fatal(err)
	}
	if left := w.copies(t, id, false); len(left) != 0 {
		t.Errorf("%d rows are left", len(left))
	}
	if moved := w.copies(t, id, true); !equalRows(moved, before) {
		t.Errorf("archived %+v, want %+v", moved, before)
	}
	_, err := w.GetCredential(t.Context(), ann, id, false)
	wantFault(t, err, fault.NotFound, "")
	if list, _ := w.CredentialHistory(t.Context(), ann, revision.Page{}); len(list.Items) != 0 {
		t.Errorf("%d revisions are still listed", len(list.Items))
	}
	keys := []string{id + "-1", id + "-2", id + "-3", id}
	other := w.credential(t, "c", `{"k":"v"}`) // the name is free

	_, _, writes := w.marks()
	report, err := w.RestoreCredential(t.Context(), ann, id, false)
	if err != nil || !slices.Equal(sorted(report.Written...), sorted(keys...)) || report.Present != nil || report.NameTaken != other {
		t.Errorf("dry run: %+v, %v", report, err)
	}
	if _, _, now := w.marks(); now != writes {
		t.Errorf("%d writes by a dry run", now-writes)
	}
	report, err = w.RestoreCredential(t.Context(), ann, id, true)
	if err != nil || !slices.Equal(sorted(report.Written...), sorted(keys...)) || report.NameTaken != other {
		t.Errorf("restore: %+v, %v", report, err)
	}
	if back := w.copies(t, id, false); !equalRows(back, before) {
		t.Errorf("restored %+v, want %+v", back, before)
	}
	if kept := w.copies(t, id, true); !equalRows(kept, before) {
		t.Errorf("the archive holds %+v afterwards", kept)
	}
	if view, err := w.GetCredential(t.Context(), ann, id, false); err != nil || string(view.Pairs.Encode()) != `{"k":"w"}` {
		t.Errorf("%+v, %v", view, err)
	}
	for _, force := range []bool{false, true} {
		report, err = w.RestoreCredential(t.Context(), ann, id, force)
		if err != nil || report.Written != nil || !slices.Equal(sorted(report.Present...), sorted(keys...)) {
			t.Errorf("again, force %v: %+v, %v", force, report, err)
		}
	}
}

func TestArchiveCredential_AgainAfterARestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.idle(t, "c")
	for _, change := range []func(){
		func() {},
		func() {}, // nothing changed in between
		func() { w.set(t, id, `{"k":"x"}`) },
		func() {
			err := w.store.Credentials().Amend(t.Context(), id, 4, func(c *credential.Credential) bool {
				c.LastDecrypted, c.Head.LastAccessed = w.clock.Now(), w.clock.Now()
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		change()
		before := w.copies(t, id, false)
		if err := w.archive(t, id); err != nil {
			t.Fatal(err)
		}
		moved := w.copies(t, id, true)
		if !equalRows(moved, before) || !moved[len(moved)-1].Head.Equal(before[len(before)-1].Head) {
			t.Errorf("archived %+v, want %+v", moved, before)
		}
		if _, err := w.RestoreCredential(t.Context(), ann, id, true); err != nil {
			t.Fatal(err)
		}
	}

	// Restored and changed: the archive is behind, which a restore reports.
	w.set(t, id, `{"k":"y"}`)
	for _, force := range []bool{false, true} {
		report, err := w.RestoreCredential(t.Context(), ann, id, force)
		if err != nil || !slices.Equal(report.Different, []string{id}) || len(report.Present) != 4 || report.Written != nil {
			t.Errorf("force %v: %+v, %v", force, report, err)
		}
	}
}

func TestArchiveCredential_NeverOverwritesOtherContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.idle(t, "c")
	rows := w.copies(t, id, false)
	foreign := rows[0].Clone()
	foreign.Name = "another"
	if _, err := w.store.ArchivedCredentials().Import(t.Context(), rows[3], []*credential.Credential{foreign}); err != nil {
		t.Fatal(err)
	}
	records, _, _ := w.marks()
	wantFault(t, w.archive(t, id), fault.Internal, "Archive failed")
	if left := w.copies(t, id, false); !equalRows(left, rows) {
		t.Errorf("%d rows are left", len(left))
	}
	if e := w.entries(records); len(e) != 2 || e[1].Phase != audit.Failed || e[1].Info["error"] != "Archive failed" {
		t.Errorf("audit entries %+v", e)
	}
}

func TestArchiveCredential_KilledAnywhereLosesNothing(t *testing.T) {
	t.Parallel()
	killed := errors.New("killed")
	for _, op := range []string{"import", "delete"} {
		w := newWorld(t, defaults)
		id := w.idle(t, "c")
		before := w.copies(t, id, false)
		w.store.beforeWrite(func(what string) error {
			if what == op {
				return killed
			}
			return nil
		})
		words := map[string]string{"import": "Archive failed", "delete": "Delete failed"}[op]
		wantFault(t, w.archive(t, id), fault.Internal, words)
		if left := w.copies(t, id, false); !equalRows(left, before) {
			t.Errorf("killed at %s: %d rows are left", op, len(left))
		}
		w.store.beforeWrite(nil)
		if err := w.archive(t, id); err != nil {
			t.Errorf("after being killed at %s: %v", op, err)
		}
		if moved := w.copies(t, id, true); !equalRows(moved, before) {
			t.Errorf("killed at %s: archived %+v", op, moved)
		}
	}
}

func TestArchiveCredential_WhatMovesMeanwhileStays(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"import", "delete"} {
		for name, meanwhile := range map[string]func(*world, string){
			"mapped":  func(w *world, id string) { w.service(t, "foo", id) },
			"enabled": func(w *world, id string) { w.enable(t, id) },
		} {
			w := newWorld(t, defaults)
			id := w.idle(t, "c")
			w.store.once(op, func() { meanwhile(w, id) })
			err := w.archive(t, id)
			wantFault(t, err, fault.Stale, id+" was changed concurrently, reload and try again")
			if view, err := w.GetCredential(t.Context(), ann, id, false); err != nil || string(view.Pairs.Encode()) != `{"k":"w"}` {
				t.Errorf("%s before %s: %v", name, op, err)
			}
		}
	}
}

func (w *world) enable(t testing.TB, id string) {
	if _, err := w.UpdateCredential(t.Context(), ann, id, vault.CredentialChange{Enabled: new(true)}); err != nil {
		t.Errorf("enabling %s: %v", id, err)
	}
}

func TestRestoreCredential_Refusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnish(t, w)
	for _, id := range []string{"0123456789abcdef", x.credential} {
		_, err := w.RestoreCredential(t.Context(), ann, id, true)
		wantFault(t, err, fault.NotFound, "Credential not found.")
	}
	id := w.archived(t, "archived")
	_, err := w.RestoreCredential(t.Context(), ann, id+"-1", true)
	wantFault(t, err, fault.Invalid, "id provided is not a credential.")
	w.service(t, id) // the id belongs to something else by now
	report, err := w.RestoreCredential(t.Context(), ann, id, false)
	if err != nil || !slices.Contains(report.Different, id) {
		t.Errorf("dry run: %+v, %v", report, err)
	}
	_, err = w.RestoreCredential(t.Context(), ann, id, true)
	wantFault(t, err, fault.Exists, "The id belongs to something else by now.")
	if fmt.Sprint(w.copies(t, id, true)) == "[]" {
		t.Error("the archived copy is gone")
	}
}

// stranded creates a credential of two revisions that is archived, but whose
// revisions stayed behind in the main store.
func (w *world) stranded(t testing.TB, name string) string {
	t.Helper()
	id := w.archived(t, name)
	const columns = `noun, id, revision, modified, modified_by, enabled, name, key_names, last_rotation, cipher_type, cipher_version, data_key, credential_pairs, metadata`
	w.sql(t, "INSERT INTO history ("+columns+") SELECT "+columns+" FROM archive_history WHERE id = ?", id)
	return id
}

// sql changes the database behind the store's back.
func (w *world) sql(t testing.TB, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRepairArchived_FinishesWhatTheOlderServiceLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.stranded(t, "c")
	before := w.copies(t, id, true)
	keys := []string{id + "-1", id + "-2"}
	for _, force := range []bool{false, true} {
		_, _, writes := w.marks()
		report, err := w.RepairArchived(t.Context(), ann, id, []int{1, 2, 3}, force)
		if err != nil || !slices.Equal(report.Keys, keys) || report.Units != 2 {
			t.Errorf("force %v: %+v, %v", force, report, err)
		}
		if _, _, now := w.marks(); now != writes && !force {
			t.Errorf("%d writes by a dry run", now-writes)
		}
	}
	for n := 1; n <= 2; n++ {
		if _, err := w.store.Credentials().Revision(t.Context(), id, n); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("revision %d afterwards: %v", n, err)
		}
	}
	if after := w.copies(t, id, true); !equalRows(before, after) {
		t.Errorf("the archive holds %+v, want %+v", after, before)
	}
	if report, err := w.RepairArchived(t.Context(), ann, id, []int{1, 2}, true); err != nil || report.Keys != nil {
		t.Errorf("again: %+v, %v", report, err)
	}
}

func TestRepairArchived_RemovesNothingThatIsNotArchivedOrInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	id := w.stranded(t, "c")
	w.sql(t, "UPDATE history SET credential_pairs = 'x' WHERE id = ? AND revision = 2", id)
	_, err := w.RepairArchived(t.Context(), ann, id, []int{1, 2}, true)
	wantFault(t, err, fault.Stale, "The archive does not hold "+id+"-2 as it stands; nothing was removed.")
	if _, err := w.store.Credentials().Revision(t.Context(), id, 1); err != nil {
		t.Errorf("revision 1 is gone: %v", err)
	}

	id = w.archived(t, "d")
	if _, err := w.RestoreCredential(t.Context(), ann, id, true); err != nil {
		t.Fatal(err)
	}
	_, err = w.RepairArchived(t.Context(), ann, id, []int{1, 2}, true)
	wantFault(t, err, fault.Invalid, "The id is in use again.")
	_, err = w.RepairArchived(t.Context(), ann, w.idle(t, "e"), []int{1}, true)
	wantFault(t, err, fault.NotFound, "Credential not found.")
}
