package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// TestOlderTable_AnswersBeforeItIsIndexed asks for names and mappings that no
// document holds yet, and writes beside them.
func TestOlderTable_AnswersBeforeItIsIndexed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	o := fillOlder(t, w, 300, 40)
	s := w.open(t, w.client(nil))
	ctx := t.Context()
	if s.Indexed() {
		t.Fatal("the table counts as indexed")
	}
	o.checkNames(t, s, slices.Sorted(maps.Keys(o.bearers))[:40]...)
	o.checkMappings(t, s, slices.Sorted(maps.Keys(o.mappings))...)
	for kind, id := range map[string]string{store.KindCredentialName: store.NameID("free"), store.KindBlindName: store.NameID("credential 1"), store.KindMapping: "unmapped"} {
		if d, err := s.Documents().Get(ctx, kind, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(%s) = %+v, %v; want %v", kind, d, err, store.ErrNotFound)
		}
	}

	// A name that is borne is taken, one that was given up is free.
	create := func(id, name string) error {
		_, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: id, Rows: []*credential.Credential{sampleCredential(name)}})
		return err
	}
	err := create("new", "credential 7")
	if taken, ok := errors.AsType[*store.TakenError](err); !ok || !taken.Claim || taken.Holder != olderID(7) || taken.Key != "credential 7" {
		t.Errorf("creating under a name that is borne: %v, want it taken by %s", err, olderID(7))
	}
	seven, err := s.Credentials().Get(ctx, olderID(7))
	if err != nil {
		t.Fatal(err)
	}
	renamed := seven.Clone()
	renamed.Name, renamed.ModifiedDate = "renamed", time.Now()
	if _, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: olderID(7), Previous: seven, Rows: []*credential.Credential{renamed}}); err != nil {
		t.Fatalf("renaming: %v", err)
	}
	if err := create("new", "credential 7"); err != nil {
		t.Errorf("creating under the name given up: %v", err)
	}
	if err := create("newer", "renamed"); !errors.Is(err, store.ErrTaken) {
		t.Errorf("creating under the new name: %v, want %v", err, store.ErrTaken)
	}
	// Who goes back to a name of its own is not in its own way.
	seven, err = s.Credentials().Get(ctx, olderID(7))
	if err != nil {
		t.Fatal(err)
	}
	again := seven.Clone()
	again.Name = "credential 7, once more"
	if _, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: olderID(7), Previous: seven, Rows: []*credential.Credential{again}}); err != nil {
		t.Errorf("renaming again: %v", err)
	}

	// A mapping change shows beside what older services map, and its document's
	// version moves.
	id := olderID(3)
	guard := store.DocumentGuard(store.KindMapping, id, 0)
	appendService(t, s, "fresh", nil, sampleService(id))
	o.mappings[id] = append([]string{"fresh"}, o.mappings[id]...)
	o.checkMappings(t, s, id)
	three, err := s.Credentials().Get(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Credentials().Delete(ctx, id, three.Revision, []store.Guard{guard})
	if !errors.Is(err, store.ErrStale) {
		t.Errorf("deleting under a guard from before the mapping: %v, want %v", err, store.ErrStale)
	}
	first, err := s.Services().Get(ctx, o.mappings[id][1])
	if err != nil {
		t.Fatal(err)
	}
	appendService(t, s, first.ID, first, sampleService())
	o.mappings[id] = slices.DeleteFunc(o.mappings[id], func(s string) bool { return s == first.ID })
	o.checkMappings(t, s, id)
}

// TestOlderTable_IsIndexedOnce builds everything, counts the requests, and looks
// again.
func TestOlderTable_IsIndexedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	o := fillOlder(t, w, 400, 60)
	count := &counter{}
	s := w.open(t, w.client(count.trace))
	other := w.open(t, w.client(nil))
	rows := w.items(t, table)
	count.reset()
	last := 0
	report, err := s.Reindex(t.Context(), func(done, total int) {
		if done > total || done < last {
			t.Errorf("progress: %d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	want := store.ReindexReport{
		Credentials: 400, BlindCredentials: 40, Services: 60, Claims: len(o.bearers), Mappings: len(o.mappings), Changed: report.Changed,
	}
	if d := cmp.Diff(want, report); d != "" || len(report.Changed) != len(o.bearers)+len(o.mappings) {
		t.Errorf("%d changes, report: %s", len(report.Changed), d)
	}
	if last != len(o.bearers)+len(o.mappings) {
		t.Errorf("progress ended at %d, want %d", last, len(o.bearers)+len(o.mappings))
	}
	// A few more than it takes, for what had to be tried again.
	count.mu.Lock()
	for op, most := range map[string]int{"Scan": 12, "BatchGetItem": 6, "TransactWriteItems": 40, "GetItem": 4, "Query": 0} {
		if n := count.requests[op]; n > most {
			t.Errorf("%d requests of %s, want at most %d", n, op, most)
		}
	}
	count.mu.Unlock()
	checkDocuments(t, w)
	after := w.items(t, table)
	maps.DeleteFunc(after, func(id string, it wireItem) bool { return strings.HasPrefix(id, "doc/") })
	if d := cmp.Diff(rows, after); d != "" {
		t.Errorf("rows changed: %s", d)
	}
	if !s.Indexed() {
		t.Error("the table does not count as indexed")
	}
	// Another process sees the marker when it next needs to know.
	deadline := time.Now().Add(10 * time.Second)
	for !other.Indexed() && time.Now().Before(deadline) {
		_, _ = other.Documents().Get(t.Context(), store.KindMapping, "x")
		time.Sleep(100 * time.Millisecond)
	}
	if !other.Indexed() {
		t.Error("another process does not see the marker")
	}
	documents := w.items(t, table)
	if again := reindex(t, s); len(again.Changed) > 0 {
		t.Errorf("a second run changes %v", again.Changed)
	}
	if d := cmp.Diff(documents, w.items(t, table)); d != "" {
		t.Errorf("a second run wrote: %s", d)
	}
	o.checkNames(t, other, slices.Sorted(maps.Keys(o.bearers))...)
	o.checkMappings(t, other, slices.Sorted(maps.Keys(o.mappings))...)
}

// TestOlderTable_IsIndexedUnderFire kills the run again and again while services
// are mapped, credentials renamed, created and deleted.
func TestOlderTable_IsIndexedUnderFire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	fillOlder(t, w, 600, 80)
	var (
		requests, killAt atomic.Int64
		kill             atomic.Pointer[context.CancelFunc]
	)
	indexing := w.open(t, w.client(intercept(func(e *exchange) (*http.Response, error) {
		if requests.Add(1) == killAt.Load() {
			(*kill.Load())()
		}
		return e.send()
	})))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var writes atomic.Int64
	for worker := range 4 {
		s := w.open(t, w.client(nil))
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := disturb(t.Context(), s, worker, n); err != nil {
					t.Errorf("worker %d, step %d: %v", worker, n, err)
					return
				}
				writes.Add(1)
			}
		})
	}
	kills := 0
	for at := int64(1); ; at += 3 {
		ctx, cancel := context.WithCancel(t.Context())
		kill.Store(&cancel)
		requests.Store(0)
		killAt.Store(at)
		_, err := indexing.Reindex(ctx, nil)
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("Reindex, to be killed at request %d: %v", at, err)
		}
		if indexing.Indexed() {
			t.Fatal("a run that was killed counts as done")
		}
		kills++
	}
	close(stop)
	wg.Wait()
	if kills < 3 || writes.Load() < 20 {
		t.Errorf("killed %d times beside %d writes", kills, writes.Load())
	}
	checkDocuments(t, w)
	if report := reindex(t, indexing); len(report.Changed) > 0 {
		t.Errorf("a run over a quiet table changes %v", report.Changed)
	}
	t.Logf("killed %d times beside %d writes", kills, writes.Load())
}

// TestOlderTable_IsIndexedByTwoAtOnce, as two processes that start together do.
func TestOlderTable_IsIndexedByTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	fillOlder(t, w, 300, 40)
	var wg sync.WaitGroup
	for range 2 {
		s := w.open(t, w.client(nil))
		wg.Go(func() {
			if _, err := s.Reindex(t.Context(), nil); err != nil {
				t.Errorf("Reindex: %v", err)
			}
		})
	}
	wg.Wait()
	checkDocuments(t, w)
}

// TestOlderTable_ImportsBesideNamesWithoutClaims reports who bears the name.
func TestOlderTable_ImportsBesideNamesWithoutClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	fillOlder(t, w, 20, 1)
	s := w.open(t, w.client(nil))
	v := sampleCredential("credential 3")
	v.ID, v.Revision = "imported", 1
	report, err := s.Credentials().Import(t.Context(), v, []*credential.Credential{v})
	if err != nil || report.NameTaken != olderID(3) {
		t.Errorf("Import = %+v, %v; want the name taken by %s", report, err, olderID(3))
	}
	reindex(t, s)
	checkDocuments(t, w)
}

// disturb makes the n-th change of a worker. Each worker has things of its own, and
// mappings that it shares.
func disturb(ctx context.Context, s store.Store, worker, n int) error {
	// Below 40 no name is borne twice: who gives up one of those leaves it to the
	// other, without a claim.
	switch id := olderID(worker*100 + n%40); n % 4 {
	case 0, 1: // a service maps others
		name := olderServiceID(worker*20 + n%20)
		v, err := s.Services().Get(ctx, name)
		if err != nil {
			return err
		}
		row := sampleService(olderID(n%30), olderID(100+n%7), id)
		slices.Sort(row.Credentials)
		row.Credentials = slices.Compact(row.Credentials)
		_, err = s.Services().Append(ctx, store.Write[service.Service]{ID: name, Previous: v, Rows: []*service.Service{row}})
		return err
	case 2: // a credential is renamed
		v, err := s.Credentials().Get(ctx, id)
		if err != nil {
			return err
		}
		row := v.Clone()
		row.Name, row.ModifiedDate = fmt.Sprintf("renamed %d %d", worker, n), time.Now()
		_, err = s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: id, Previous: v, Rows: []*credential.Credential{row}})
		return err
	default: // one comes and goes
		id, row := fmt.Sprintf("f%030x%d", n, worker), sampleCredential(fmt.Sprintf("passing %d %d", worker, n))
		if _, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: id, Rows: []*credential.Credential{row}}); err != nil {
			return err
		}
		if n%8 == 3 {
			return nil
		}
		return s.Credentials().Delete(ctx, id, 1, nil)
	}
}

// TestOlderTable_OfManyThousands is measured: it is the size of a large company.
func TestOlderTable_OfManyThousands(t *testing.T) {
	w := newWorld(t)
	if w == nil || !*large {
		return
	}
	started := time.Now()
	o := fillOlder(t, w, 20_000, 2_000)
	t.Logf("filling a table with %d items took %v", len(o.items), time.Since(started).Round(time.Millisecond))
	count := &counter{}
	s := w.open(t, w.client(count.trace))
	serving := w.open(t, w.client(nil))
	ctx, cancel := context.WithCancel(t.Context())
	// It serves meanwhile.
	var (
		wg                  sync.WaitGroup
		reads, puts, asked  int
		slowest, slowestAsk time.Duration
	)
	wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			began := time.Now()
			if v, err := serving.Services().Get(t.Context(), olderServiceID(n%2000)); err != nil {
				t.Errorf("Get: %v", err)
			} else if _, err := serving.Credentials().BatchGet(t.Context(), v.Credentials); err != nil {
				t.Errorf("BatchGet: %v", err)
			}
			slowest = max(slowest, time.Since(began))
			reads++
			if n%20 == 0 {
				if err := disturb(t.Context(), serving, 0, 2+4*(n/20)); err != nil {
					t.Errorf("renaming: %v", err)
				}
				puts++
			}
			if n%20 == 10 {
				began := time.Now()
				_, err := serving.Documents().Get(t.Context(), store.KindMapping, olderID(n))
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("who maps: %v", err)
				}
				slowestAsk = max(slowestAsk, time.Since(began))
				asked++
			}
		}
	})
	started = time.Now()
	progress := 0
	report, err := s.Reindex(t.Context(), func(done, total int) { progress++ })
	took := time.Since(started)
	cancel()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("indexing took %v: %s; %d changes, %d reports of progress", took.Round(time.Millisecond), count.reset(), len(report.Changed), progress)
	t.Logf("meanwhile %d service reads (slowest %v), %d renames, %d questions who maps (slowest %v)",
		reads, slowest.Round(time.Millisecond), puts, asked, slowestAsk.Round(time.Millisecond))
	checkDocuments(t, w)
	started = time.Now()
	if again := reindex(t, s); len(again.Changed) > 0 {
		t.Errorf("a second run changes %d", len(again.Changed))
	}
	t.Logf("a second run took %v: %s", time.Since(started).Round(time.Millisecond), count.reset())
	started = time.Now()
	if found, err := s.Catalogue().Find(t.Context(), store.Query{Limit: 100}); err != nil || len(found.Entries) != 100 {
		t.Errorf("Find: %d entries, %v", len(found.Entries), err)
	}
	t.Logf("the first search took %v: %s", time.Since(started).Round(time.Millisecond), count.reset())
	started = time.Now()
	for range 20 {
		if _, err := s.Catalogue().Find(t.Context(), store.Query{Text: "credential 199", Limit: 100}); err != nil {
			t.Error(err)
		}
	}
	t.Logf("a later one takes %v", (time.Since(started) / 20).Round(time.Microsecond))
}
