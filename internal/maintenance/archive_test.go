package maintenance_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

const day = 24 * time.Hour

func TestArchive_SelectsByWholeDays(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	seed(t, s, "young", 1, false, 91*day-time.Microsecond)
	seed(t, s, "old", 3, false, 91*day)
	seed(t, s, "older", 1, false, 400*day)
	seed(t, s, "enabled", 2, true, 400*day)
	seed(t, s, "mapped", 1, false, 400*day)
	mapping(t, s, "web", false, "mapped")
	before, _ := state(t, s)
	for _, force := range []bool{false, true} {
		a, items := collect(t, s)
		sum, err := a.Archive(t.Context(), maintenance.ArchiveSelection{Days: 90}, force)
		if want := (maintenance.Summary{Selected: 3, Moved: 2, Skipped: 1}); err != nil || sum != want {
			t.Errorf("force %v: %+v, %v; want %+v", force, sum, err, want)
		}
		if i := items["mapped"]; i.Status != maintenance.Skipped || i.Reason != "Credential has mapped services" {
			t.Errorf("force %v: mapped: %+v", force, i)
		}
		if i := items["old"]; i.Status != maintenance.Moved || !slices.Equal(i.Keys, []string{"old-1", "old-2", "old-3", "old"}) {
			t.Errorf("force %v: old: %+v", force, i)
		}
		if now, archived := state(t, s); !force && (!maps.Equal(now, before) || len(archived) > 0) {
			t.Errorf("a dry run changed something: %v, %v", now, archived)
		}
	}
	main, archive := state(t, s)
	if want := []string{"enabled", "enabled-1", "enabled-2", "mapped", "mapped-1", "young", "young-1"}; !slices.Equal(keys(main), want) {
		t.Errorf("the main store holds %v, want %v", keys(main), want)
	}
	if want := []string{"old", "old-1", "old-2", "old-3", "older", "older-1"}; !slices.Equal(keys(archive), want) {
		t.Errorf("the archive holds %v, want %v", keys(archive), want)
	}
}

func TestArchive_JudgesEachNamedIDAlone(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	seed(t, s, "good", 30, false, day) // more than one batch of a table
	seed(t, s, "enabled", 1, true, day)
	seed(t, s, "other", 2, false, 0)
	mapping(t, s, "web", true)
	sealedBlind := &blind.Credential{
		Meta: revision.Meta{ID: "blind", Revision: 1, ModifiedDate: noon, ModifiedBy: "x"},
		Name: "blind", CipherType: "fernet", CipherVersion: 2, Pairs: []byte(`{}`), DataKey: []byte(`{}`),
	}
	if _, err := s.BlindCredentials().Import(t.Context(), sealedBlind, []*blind.Credential{sealedBlind}); err != nil {
		t.Fatal(err)
	}
	a, items := collect(t, s)
	sum, err := a.Archive(t.Context(), maintenance.ArchiveSelection{
		IDs: []string{"enabled", "nobody", "other-1", "web", "blind", "good", "other"},
	}, true)
	if want := (maintenance.Summary{Selected: 7, Moved: 2, Skipped: 1, Failed: 4}); err != nil || sum != want {
		t.Errorf("%+v, %v; want %+v", sum, err, want)
	}
	for id, want := range map[string]string{
		"enabled": "skipped Credential still enabled", "nobody": "failed Credential not found.",
		"other-1": "failed id provided is not a credential.", "web": "failed id provided is not a credential.",
		"blind": "failed id provided is not a credential.", "good": "done ", "other": "done ",
	} {
		if i := items[id]; string(i.Status)+" "+i.Reason != want {
			t.Errorf("%s: %+v, want %q", id, i, want)
		}
	}
	if _, archive := state(t, s); len(archive) != 31+3 {
		t.Errorf("%d rows are archived, want 34: %v", len(archive), keys(archive))
	}
}

func TestArchive_AnInterruptedRunIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	for _, id := range ids(26) {
		seed(t, s, id, 2, false, 9*day)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	a, _ := collect(t, s)
	a.Each = func(maintenance.Item) { interrupt() }
	sum, err := a.Archive(ctx, maintenance.ArchiveSelection{Days: 1}, true)
	if !errors.Is(err, context.Canceled) || sum.Moved == 0 || sum.Left() == 0 || sum.Failed > 0 {
		t.Errorf("%+v, %v; want some moved, some left, none failed", sum, err)
	}
	main, archive := state(t, s)
	if len(archive) != 3*sum.Moved || len(main) != 3*sum.Left() {
		t.Errorf("%d rows here, %d there after %+v", len(main), len(archive), sum)
	}
	a, _ = collect(t, s)
	again, err := a.Archive(t.Context(), maintenance.ArchiveSelection{Days: 1}, true)
	if err != nil || again.Moved != sum.Left() || again.Selected != sum.Left() {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestArchive_ReportsProgressUpToTheEnd(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	for _, id := range ids(5) {
		seed(t, s, id, 1, false, 9*day)
	}
	a, _ := collect(t, s)
	var told []string
	a.Progress = func(done, total int) { told = append(told, fmt.Sprint(done, "/", total)) }
	if _, err := a.Archive(t.Context(), maintenance.ArchiveSelection{Days: 1}, true); err != nil {
		t.Fatal(err)
	}
	if want := []string{"0/5", "1/5", "2/5", "3/5", "4/5", "5/5"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestRestore_PutsBackAndLeavesTheArchive(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	seed(t, s, "c", 3, false, 9*day)
	seed(t, s, "d", 2, false, 9*day)
	before, _ := state(t, s)
	a, _ := collect(t, s)
	if _, err := a.Archive(t.Context(), maintenance.ArchiveSelection{Days: 1}, true); err != nil {
		t.Fatal(err)
	}
	a, items := collect(t, s)
	if sum, err := a.Restore(t.Context(), nil, false); err != nil || sum.Moved != 2 {
		t.Errorf("dry run: %+v, %v", sum, err)
	}
	if main, _ := state(t, s); len(main) > 0 {
		t.Errorf("a dry run restored %v", keys(main))
	}
	if want := []string{"c-1", "c-2", "c-3", "c"}; !slices.Equal(items["c"].Keys, want) {
		t.Errorf("it would restore %v, want %v", items["c"].Keys, want)
	}
	for run, want := range []maintenance.Summary{{Selected: 2, Moved: 2}, {Selected: 2, Already: 2}} {
		a, _ := collect(t, s)
		if sum, err := a.Restore(t.Context(), nil, true); err != nil || sum != want {
			t.Errorf("run %d: %+v, %v; want %+v", run, sum, err, want)
		}
		main, archive := state(t, s)
		if !maps.Equal(main, before) || !maps.Equal(archive, before) {
			t.Errorf("run %d: %v here and %v there, want %v in both", run, main, archive, before)
		}
	}
}

func TestRestore_ReportsWhatDiffersAndWhoBearsTheName(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	seed(t, s, "c", 1, false, 9*day)
	seed(t, s, "d", 1, false, 9*day)
	a, _ := collect(t, s)
	if _, err := a.Archive(t.Context(), maintenance.ArchiveSelection{Days: 1}, true); err != nil {
		t.Fatal(err)
	}
	seed(t, s, "c", 1, true, 0) // another one under the id
	other := &credential.Credential{
		Meta: revision.Meta{ID: "e", Revision: 1, ModifiedDate: noon, ModifiedBy: "x"}, Name: "name of d", Enabled: true,
	}
	if _, err := s.Credentials().Import(t.Context(), other, []*credential.Credential{other}); err != nil {
		t.Fatal(err)
	}
	a, items := collect(t, s)
	sum, err := a.Restore(t.Context(), []string{"c", "d", "nobody"}, true)
	if want := (maintenance.Summary{Selected: 3, Moved: 1, Failed: 2}); err != nil || sum != want {
		t.Errorf("%+v, %v; want %+v", sum, err, want)
	}
	if i := items["c"]; i.Status != maintenance.Failed || !slices.Equal(i.Different, []string{"c-1", "c"}) {
		t.Errorf("c: %+v", i)
	}
	if i := items["d"]; i.Status != maintenance.Moved || i.NameTaken != "e" {
		t.Errorf("d: %+v", i)
	}
	if i := items["nobody"]; i.Reason != "Credential not found." {
		t.Errorf("nobody: %+v", i)
	}
}

func TestRepair_RemovesWhatIsArchivedAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStoreIn(t, dir)
	for _, id := range []string{"c", "d", "e"} {
		seed(t, s, id, 2, false, 9*day)
	}
	a, _ := collect(t, s)
	if _, err := a.Archive(t.Context(), maintenance.ArchiveSelection{IDs: []string{"c", "d"}}, true); err != nil {
		t.Fatal(err)
	}
	strand(t, dir)
	if _, err := a.Restore(t.Context(), []string{"d"}, true); err != nil {
		t.Fatal(err)
	}
	for run, want := range []maintenance.Summary{{Selected: 1, Moved: 1}, {Selected: 1, Moved: 1}, {}} {
		a, items := collect(t, s)
		sum, err := a.Repair(t.Context(), run > 0)
		if err != nil || sum != want {
			t.Errorf("run %d: %+v, %v; want %+v", run, sum, err, want)
		}
		if run < 2 && !slices.Equal(items["c"].Keys, []string{"c-1", "c-2"}) {
			t.Errorf("run %d: %+v", run, items)
		}
	}
	main, archive := state(t, s)
	if want := []string{"d", "d-1", "d-2", "e", "e-1", "e-2"}; !slices.Equal(keys(main), want) {
		t.Errorf("the main store holds %v, want %v", keys(main), want)
	}
	if want := []string{"c", "c-1", "c-2", "d", "d-1", "d-2"}; !slices.Equal(keys(archive), want) {
		t.Errorf("the archive holds %v, want %v", keys(archive), want)
	}
}

func keys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

var errDown = errors.New("down")

// silent is a store whose catalogue of credentials cannot be read.
type silent struct{ store.Store }

func (s silent) Credentials() store.Revisions[credential.Credential] {
	return silentRows{s.Store.Credentials()}
}

type silentRows struct {
	store.Revisions[credential.Credential]
}

func (silentRows) List(context.Context, revision.Page) (revision.Slice[*credential.Credential], error) {
	return revision.Slice[*credential.Credential]{}, errDown
}

func TestArchive_AListThatFailsIsTheRunsError(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	a, _ := collect(t, silent{s})
	if sum, err := a.Archive(t.Context(), maintenance.ArchiveSelection{Days: 1}, true); !errors.Is(err, errDown) || sum != (maintenance.Summary{}) {
		t.Errorf("%+v, %v; want %v", sum, err, errDown)
	}
	if _, err := s.Documents().Get(t.Context(), "maintenance-lock", "run"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the lock is not released: %v", err)
	}
}
