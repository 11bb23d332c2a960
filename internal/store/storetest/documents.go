package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

var documentTests = []test{
	{"come back as they were put", documentComesBack},
	{"are apart by kind and by id", documentsApart},
	{"are written at the version that stands", documentVersions},
	{"are deleted at the version that stands", documentDelete},
	{"are never returned past their expiry", documentExpired},
	{"may be put anew past their expiry, at a version that never was", documentReplaced},
	{"lose their expiry when put without one", documentExpiryCleared},
	{"are purged past their expiry, of every kind, and only then", documentPurgeExpired},
	{"are purged by kind and age, whether they expired or not", documentPurgeAge},
	{"are purged in batches, and counted without", documentPurgeBatches},
	{"that fit a purge no longer stay", documentPurgeRewritten},
	{"are not purged by mistake", documentPurgeRefused},
	{"are listed by kind, newest change first", documentList},
	{"that are not written meanwhile are each listed once", documentListWhileWriting},
	{"that the store keeps by itself are neither listed nor written", documentsOfTheStore},
	{"of 16 at once that put one, one does", documentContention},
	{"end every call with the error of a cancelled context", documentCancelled},
}

func putDocument(t *testing.T, st store.Store, d store.Document, expect int) int {
	t.Helper()
	version, err := st.Documents().Put(t.Context(), d, expect)
	if err != nil {
		t.Fatalf("Put(%s/%s, %d): %v", d.Kind, d.ID, expect, err)
	}
	return version
}

func getDocument(t *testing.T, st store.Store, kind, id string) *store.Document {
	t.Helper()
	d, err := st.Documents().Get(t.Context(), kind, id)
	if err != nil {
		t.Fatalf("Get(%s/%s): %v", kind, id, err)
	}
	return d
}

func document(kind, id, body string) store.Document {
	return store.Document{Kind: kind, ID: id, Body: json.RawMessage(body)}
}

func documentComesBack(t *testing.T, _ suite, st store.Store) {
	// Clocks of a store and of a test may differ a little.
	earliest := time.Now().Add(-time.Minute)
	for i, d := range []store.Document{
		document("account", "ann", `{"name": "ann ü \u00e9 \ud83d\udd11", "n": 1.50, "list": [null, true]}`),
		document("account", "a/b c%_'\"ü", `"text"`),
		document("account", "large", `{"text":"`+text(200<<10)+`"}`),
		{Kind: "challenge", ID: "x", Body: json.RawMessage(`[]`), Expires: time.Now().Add(time.Hour).Truncate(time.Microsecond).Add(7 * time.Microsecond)},
	} {
		if got := putDocument(t, st, d, 0); got != 1 {
			t.Errorf("document %d: Put gives version %d, want 1", i, got)
		}
		got := getDocument(t, st, d.Kind, d.ID)
		if got.Kind != d.Kind || got.ID != d.ID || got.Version != 1 || !bytes.Equal(got.Body, d.Body) || !got.Expires.Equal(d.Expires) {
			t.Errorf("document %d comes back as %s/%s version %d, expiry %v, and %d bytes of %d; want it as put",
				i, got.Kind, got.ID, got.Version, got.Expires, len(got.Body), len(d.Body))
		}
		if got.Modified.Before(earliest) || got.Modified.Location() != time.UTC {
			t.Errorf("document %d was modified %v, want now, in UTC", i, got.Modified)
		}
	}
}

func documentsApart(t *testing.T, _ suite, st store.Store) {
	for i, key := range [][2]string{{"a", "x"}, {"b", "x"}, {"a", "X"}, {"a", "y"}, {"a-b", "x"}} {
		putDocument(t, st, document(key[0], key[1], fmt.Sprint(i)), 0)
	}
	if got := string(getDocument(t, st, "b", "x").Body); got != "1" {
		t.Errorf("b/x holds %s, want 1", got)
	}
	if got := string(getDocument(t, st, "a", "X").Body); got != "2" {
		t.Errorf("a/X holds %s, want 2", got)
	}
	for _, key := range [][2]string{{"c", "x"}, {"b", "y"}, {"a", "b-x"}} {
		_, err := st.Documents().Get(t.Context(), key[0], key[1])
		wantError(t, "Get of "+key[0]+"/"+key[1], err, store.ErrNotFound)
	}
}

func documentVersions(t *testing.T, _ suite, st store.Store) {
	docs := st.Documents()
	_, err := docs.Put(t.Context(), document("a", "x", `1`), 1)
	wantError(t, "Put of an absent document at version 1", err, store.ErrStale)
	for want := 1; want <= 3; want++ {
		if got := putDocument(t, st, document("a", "x", fmt.Sprint(want)), want-1); got != want {
			t.Errorf("Put gives version %d, want %d", got, want)
		}
	}
	for _, expect := range []int{0, 1, 2, 4} {
		_, err := docs.Put(t.Context(), document("a", "x", `"stale"`), expect)
		wantError(t, fmt.Sprintf("Put at version %d of 3", expect), err, store.ErrStale)
	}
	if got := getDocument(t, st, "a", "x"); got.Version != 3 || string(got.Body) != "3" {
		t.Errorf("the document is %s at version %d, want 3 at version 3", got.Body, got.Version)
	}
}

func documentDelete(t *testing.T, _ suite, st store.Store) {
	docs := st.Documents()
	wantError(t, "Delete of nothing", docs.Delete(t.Context(), "a", "x", 1), store.ErrNotFound)
	putDocument(t, st, document("a", "x", `1`), 0)
	putDocument(t, st, document("a", "x", `2`), 1)
	wantError(t, "Delete at version 1 of 2", docs.Delete(t.Context(), "a", "x", 1), store.ErrStale)
	if err := docs.Delete(t.Context(), "a", "x", 2); err != nil {
		t.Errorf("Delete: %v", err)
	}
	_, err := docs.Get(t.Context(), "a", "x")
	wantError(t, "Get", err, store.ErrNotFound)
	wantError(t, "second Delete", docs.Delete(t.Context(), "a", "x", 2), store.ErrNotFound)
	putDocument(t, st, document("a", "x", `3`), 0)
}

func documentExpired(t *testing.T, s suite, st store.Store) {
	d := document("challenge", "past", `1`)
	d.Expires = time.Now().Add(-time.Minute)
	putDocument(t, st, d, 0)
	soon := document("challenge", "soon", `1`)
	soon.Expires = time.Now().Add(2 * time.Second)
	putDocument(t, st, soon, 0)
	putDocument(t, st, document("challenge", "never", `1`), 0)
	_, err := st.Documents().Get(t.Context(), "challenge", "past")
	wantError(t, "Get past the expiry", err, store.ErrNotFound)
	wantError(t, "Delete past the expiry", st.Documents().Delete(t.Context(), "challenge", "past", 1), store.ErrNotFound)
	getDocument(t, st, "challenge", "soon")
	time.Sleep(time.Until(soon.Expires) + 100*time.Millisecond)
	_, err = st.Documents().Get(t.Context(), "challenge", "soon")
	wantError(t, "Get once the expiry has come", err, store.ErrNotFound)
	s.eventually(t, func() string {
		return diff([]string{"never"}, documentIDs(walk(t, 10, listKind(st, "challenge"), nil)))
	})
}

func documentReplaced(t *testing.T, _ suite, st store.Store) {
	d := document("lock", "run", `1`)
	putDocument(t, st, d, 0)
	d.Expires = time.Now().Add(-time.Minute)
	putDocument(t, st, d, 1)
	d.Expires = time.Time{}
	_, err := st.Documents().Put(t.Context(), d, 2)
	wantError(t, "Put at the version that expired", err, store.ErrStale)
	if got := putDocument(t, st, d, 0); got != 3 {
		t.Errorf("Put past the expiry of version 2 gives version %d, want 3", got)
	}
	_, err = st.Documents().Put(t.Context(), d, 2)
	wantError(t, "Put at the version from before the expiry", err, store.ErrStale)
}

func documentExpiryCleared(t *testing.T, _ suite, st store.Store) {
	d := document("lock", "run", `1`)
	d.Expires = time.Now().Add(time.Hour)
	putDocument(t, st, d, 0)
	d.Expires = time.Time{}
	putDocument(t, st, d, 1)
	if got := getDocument(t, st, "lock", "run").Expires; !got.IsZero() {
		t.Errorf("the document expires %v, want never", got)
	}
}

// purge purges until as many as wanted are gone: at once, unless lists lag.
func purge(t *testing.T, s suite, st store.Store, p store.Purge, want int) {
	t.Helper()
	purged := 0
	s.eventually(t, func() string {
		n, err := st.Documents().Purge(t.Context(), p)
		if err != nil {
			t.Fatalf("Purge: %v", err)
		}
		if p.DryRun {
			purged = 0
		}
		if purged += n; purged != want {
			return fmt.Sprintf("%+v purges %d documents, want %d", p, purged, want)
		}
		return ""
	})
}

func putExpiring(t *testing.T, st store.Store, kind, id string, expires time.Time) {
	t.Helper()
	d := document(kind, id, `1`)
	d.Expires = expires
	putDocument(t, st, d, 0)
}

func documentPurgeExpired(t *testing.T, s suite, st store.Store) {
	now := time.Now()
	for id, expires := range map[string]time.Time{
		"long past": now.Add(-time.Hour), "past": now.Add(-time.Minute), "to come": now.Add(time.Hour), "never": {},
	} {
		for _, kind := range []string{"challenge", "lock"} {
			putExpiring(t, st, kind, id, expires)
		}
	}
	purge(t, s, st, store.Purge{ExpiredBefore: now.Add(-30 * time.Minute)}, 2)
	purge(t, s, st, store.Purge{Kind: "lock", ExpiredBefore: now}, 1)
	purge(t, s, st, store.Purge{ExpiredBefore: now}, 1)
	purge(t, s, st, store.Purge{ExpiredBefore: now}, 0)
	getDocument(t, st, "challenge", "to come")
	purge(t, s, st, store.Purge{ExpiredBefore: now.Add(2 * time.Hour)}, 2)
	_, err := st.Documents().Get(t.Context(), "challenge", "to come")
	wantError(t, "Get of a purged document", err, store.ErrNotFound)
	getDocument(t, st, "challenge", "never")
}

func documentPurgeAge(t *testing.T, s suite, st store.Store) {
	now := time.Now()
	putExpiring(t, st, "challenge", "past", now.Add(-time.Hour))
	putExpiring(t, st, "challenge", "to come", now.Add(time.Hour))
	putDocument(t, st, document("challenge", "never", `1`), 0)
	putDocument(t, st, document("account", "ann", `1`), 0)
	time.Sleep(2 * time.Millisecond)
	between := time.Now()
	time.Sleep(2 * time.Millisecond)
	putDocument(t, st, document("challenge", "new", `1`), 0)
	putDocument(t, st, document("challenge", "newer", `1`), 0)

	purge(t, s, st, store.Purge{Kind: "challenge", WrittenBefore: now.Add(-time.Minute)}, 0)
	purge(t, s, st, store.Purge{Kind: "challenge", WrittenBefore: between, ExpiredBefore: now}, 1)
	purge(t, s, st, store.Purge{Kind: "challenge", WrittenBefore: between}, 2)
	getDocument(t, st, "challenge", "new")
	purge(t, s, st, store.Purge{Kind: "challenge"}, 2)
	purge(t, s, st, store.Purge{Kind: "challenge"}, 0)
	getDocument(t, st, "account", "ann")
}

func documentPurgeBatches(t *testing.T, s suite, st store.Store) {
	const n = 7
	for i := range n {
		putExpiring(t, st, "challenge", fmt.Sprint(i), time.Now().Add(-time.Hour))
	}
	p := store.Purge{Kind: "challenge", ExpiredBefore: time.Now(), Batch: 3, DryRun: true}
	purge(t, s, st, p, n)
	purge(t, s, st, p, n)
	p.DryRun = false
	var told []int
	p.Progress = func(removed int) { told = append(told, removed) }
	if got, err := st.Documents().Purge(t.Context(), p); err != nil || got != n {
		t.Errorf("Purge = %d, %v, want %d", got, err, n)
	}
	if len(told) < 3 || told[0] > 3 || told[len(told)-1] != n || !slices.IsSorted(told) {
		t.Errorf("progress was %v, want steps of at most 3 up to %d", told, n)
	}

	for i := range n {
		putExpiring(t, st, "challenge", "again"+fmt.Sprint(i), time.Now().Add(-time.Hour))
	}
	p.DryRun, p.Progress = true, nil
	purge(t, s, st, p, n)
	ctx, cancel := context.WithCancel(t.Context())
	p.DryRun, p.Progress = false, func(int) { cancel() }
	got, err := st.Documents().Purge(ctx, p)
	wantError(t, "Purge that is cancelled behind its first batch", err, context.Canceled)
	if got < 1 || got > 3 {
		t.Errorf("it removed %d, want one batch", got)
	}
	p.Progress = nil
	purge(t, s, st, p, n-got)
}

// documentPurgeRewritten counts nothing, for a list may not show the rewriting
// yet; the document must stand all the same.
func documentPurgeRewritten(t *testing.T, s suite, st store.Store) {
	putExpiring(t, st, "lock", "run", time.Now().Add(-time.Hour))
	putDocument(t, st, document("lock", "old", `1`), 0)
	time.Sleep(2 * time.Millisecond)
	now := time.Now()
	purge(t, s, st, store.Purge{Kind: "lock", WrittenBefore: now, DryRun: true}, 2)
	time.Sleep(2 * time.Millisecond)
	putDocument(t, st, document("lock", "run", `2`), 0)
	putDocument(t, st, document("lock", "old", `2`), 1)
	for _, p := range []store.Purge{{ExpiredBefore: now}, {Kind: "lock", WrittenBefore: now}} {
		if n, err := st.Documents().Purge(t.Context(), p); err != nil || n != 0 {
			t.Errorf("Purge(%+v) = %d, %v, want none", p, n, err)
		}
	}
	getDocument(t, st, "lock", "run")
	getDocument(t, st, "lock", "old")
}

func documentPurgeRefused(t *testing.T, _ suite, st store.Store) {
	putDocument(t, st, document("account", "ann", `1`), 0)
	for what, p := range map[string]store.Purge{
		"of everything":          {},
		"of every kind by age":   {WrittenBefore: time.Now().Add(time.Hour)},
		"of a negative batch":    {Kind: "account", Batch: -1},
		"of name claims":         {Kind: store.KindCredentialName},
		"of blind name claims":   {Kind: store.KindBlindName},
		"of mappings, to try it": {Kind: store.KindMapping, DryRun: true},
	} {
		if n, err := st.Documents().Purge(t.Context(), p); err == nil || n != 0 {
			t.Errorf("a purge %s: %d, %v, want an error", what, n, err)
		}
	}
	getDocument(t, st, "account", "ann")
}

func listKind(st store.Store, kind string) func(context.Context, revision.Page) (revision.Slice[*store.Document], error) {
	return func(ctx context.Context, p revision.Page) (revision.Slice[*store.Document], error) {
		return st.Documents().List(ctx, kind, p)
	}
}

func documentIDs(docs []*store.Document) []string {
	var ids []string
	for _, d := range docs {
		ids = append(ids, d.ID)
	}
	return ids
}

func documentList(t *testing.T, s suite, st store.Store) {
	var want []string
	for i := range 12 {
		d := document("account", fmt.Sprintf("a%02d", i), fmt.Sprint(i))
		putDocument(t, st, d, 0)
		want = append(want, d.ID)
		time.Sleep(time.Millisecond) // so that no two dates are equal
	}
	putDocument(t, st, document("other", "x", `1`), 0)
	putDocument(t, st, document("account", "a03", `"changed"`), 1)
	slices.Reverse(want)
	want = append([]string{"a03"}, slices.DeleteFunc(want, func(id string) bool { return id == "a03" })...)
	for _, limit := range []int{0, 1, 5, 12, 13} {
		s.eventually(t, func() string {
			got := walk(t, limit, listKind(st, "account"), nil)
			if d := diff(want, documentIDs(got)); d != "" {
				return fmt.Sprintf("pages of %d: %s", limit, d)
			}
			return diff(`"changed"`, string(got[0].Body))
		})
	}
	if got := walk(t, 0, listKind(st, "nothing"), nil); len(got) != 0 {
		t.Errorf("a kind without documents lists %q", documentIDs(got))
	}
}

func documentListWhileWriting(t *testing.T, s suite, st store.Store) {
	for i := range 20 {
		putDocument(t, st, document("account", fmt.Sprintf("a%02d", i), `1`), 0)
	}
	s.eventually(t, func() string {
		if got := walk(t, 0, listKind(st, "account"), nil); len(got) != 20 {
			return fmt.Sprintf("%d documents are listed, want 20", len(got))
		}
		return ""
	})
	written := map[string]bool{}
	seen := map[string]int{}
	for _, id := range documentIDs(walk(t, 3, listKind(st, "account"), func(page int) {
		id := fmt.Sprintf("a%02d", 2*page)
		if page < 10 {
			written[id] = true
			putDocument(t, st, document("account", id, `2`), 1)
		}
	})) {
		seen[id]++
	}
	for i := range 20 {
		if id := fmt.Sprintf("a%02d", i); !written[id] && seen[id] != 1 {
			t.Errorf("document %q, which was not written, came %d times, want once", id, seen[id])
		}
	}
}

func documentsOfTheStore(t *testing.T, _ suite, st store.Store) {
	c1 := hexID(0xc0, 1)
	row := credentials().bare(1)
	put(t, st.Credentials(), c1, nil, row)
	put(t, st.Services(), "one", nil, mapped(1, []string{c1}, nil))
	_, version := mapping(t, st, c1)
	for kind, id := range map[string]string{
		store.KindCredentialName: store.NameID(row.Name), store.KindBlindName: store.NameID("free"), store.KindMapping: c1,
	} {
		for expect := range 2 {
			if _, err := st.Documents().Put(t.Context(), document(kind, id, `{}`), expect); err == nil {
				t.Errorf("Put(%s, expect %d): no error", kind, expect)
			}
		}
		if err := st.Documents().Delete(t.Context(), kind, id, 1); err == nil {
			t.Errorf("Delete(%s): no error", kind)
		}
		if slice, err := st.Documents().List(t.Context(), kind, revision.Page{}); err == nil && len(slice.Items) > 0 {
			t.Errorf("List(%s) = %q, want none", kind, documentIDs(slice.Items))
		}
	}
	credentials().wantHolders(t, st, map[string]string{row.Name: c1})
	wantMapping(t, st, map[string][]string{c1: {"one"}})
	if _, after := mapping(t, st, c1); after != version {
		t.Errorf("the mapping's version moved from %d to %d", version, after)
	}
}

func documentContention(t *testing.T, _ suite, st store.Store) {
	for expect := range 3 {
		errs := make([]error, 16)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = st.Documents().Put(t.Context(), document("a", "x", fmt.Sprint(i)), expect)
			})
		}
		wg.Wait()
		won := slices.IndexFunc(errs, func(err error) bool { return err == nil })
		if won < 0 {
			t.Fatalf("nobody put version %d: %v", expect+1, errors.Join(errs...))
		}
		for i, err := range errs {
			if i != won {
				wantError(t, fmt.Sprintf("writer %d", i), err, store.ErrStale)
			}
		}
		if got := getDocument(t, st, "a", "x"); got.Version != expect+1 || string(got.Body) != fmt.Sprint(won) {
			t.Errorf("the document is %s at version %d, want %d at version %d", got.Body, got.Version, won, expect+1)
		}
	}
}

func documentCancelled(t *testing.T, _ suite, st store.Store) {
	putDocument(t, st, document("a", "x", `1`), 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	docs := st.Documents()
	for what, call := range map[string]func() error{
		"Get":    func() error { _, err := docs.Get(ctx, "a", "x"); return err },
		"List":   func() error { _, err := docs.List(ctx, "a", revision.Page{}); return err },
		"Put":    func() error { _, err := docs.Put(ctx, document("a", "x", `2`), 1); return err },
		"Delete": func() error { return docs.Delete(ctx, "a", "x", 1) },
		"Purge":  func() error { _, err := docs.Purge(ctx, store.Purge{Kind: "a"}); return err },
		"Find":   func() error { _, err := st.Catalogue().Find(ctx, store.Query{Limit: 10}); return err },
	} {
		wantError(t, what, call(), context.Canceled)
	}
	if got := string(getDocument(t, st, "a", "x").Body); got != `1` {
		t.Errorf("calls with a cancelled context left %s, want 1", got)
	}
}
