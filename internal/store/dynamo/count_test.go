package dynamo_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// counter counts the requests of each operation, and rounds: how often a first
// request went out while none was under way.
type counter struct {
	mu       sync.Mutex
	requests map[string]int
	rounds   int
	inFlight int
}

func (c *counter) trace(next http.RoundTripper) http.RoundTripper {
	return intercept(func(e *exchange) (*http.Response, error) {
		c.mu.Lock()
		if c.inFlight == 0 {
			c.rounds++
		}
		c.inFlight++
		if c.requests == nil {
			c.requests = map[string]int{}
		}
		c.requests[e.operation]++
		c.mu.Unlock()
		defer func() {
			c.mu.Lock()
			c.inFlight--
			c.mu.Unlock()
		}()
		time.Sleep(overlapping)
		return e.send()
	})(next)
}

// overlapping holds requests long enough for those of one round to be under way
// together on a busy machine.
const overlapping = 20 * time.Millisecond

// reset returns what was counted, such as "2: BatchGetItem 3, GetItem 1", rounds
// first, and begins anew.
func (c *counter) reset() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for _, op := range slices.Sorted(maps.Keys(c.requests)) {
		parts = append(parts, fmt.Sprintf("%s %d", op, c.requests[op]))
	}
	out := fmt.Sprintf("%d: %s", c.rounds, strings.Join(parts, ", "))
	c.rounds, c.requests = 0, nil
	return out
}

// TestStore_AsksAsLittleAsItCan counts the requests of each call. What is done
// with many things takes many at once.
func TestStore_AsksAsLittleAsItCan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	count := &counter{}
	s := w.indexed(t, w.client(count.trace))
	ctx := t.Context()
	step := func(what, want string, act func() error) {
		t.Helper()
		count.reset()
		if err := act(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := count.reset(); got != want {
			t.Errorf("%s takes %q, want %q", what, got, want)
		}
	}

	ids := make([]string, 250)
	for i := range ids {
		ids[i] = fmt.Sprintf("%032x", i)
	}
	row := func(n int) *credential.Credential { return sampleCredential(fmt.Sprintf("name %d", n)) }
	var first, second []*credential.Credential
	step("creating a credential", "1: TransactWriteItems 1", func() (err error) {
		first, err = s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: ids[0], Rows: []*credential.Credential{row(0)}})
		return err
	})
	step("updating it", "1: TransactWriteItems 1", func() (err error) {
		second, err = s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: ids[0], Previous: first[0], Rows: []*credential.Credential{row(0)}})
		return err
	})
	step("renaming it under guards", "1: TransactWriteItems 1", func() (err error) {
		second, err = s.Credentials().Append(ctx, store.Write[credential.Credential]{
			ID: ids[0], Previous: second[0], Rows: []*credential.Credential{row(1)},
			Guards: []store.Guard{store.DocumentGuard(store.KindMapping, ids[0], 0), store.RowGuard("other", 0)},
		})
		return err
	})
	step("reading it", "1: GetItem 1", func() error { _, err := s.Credentials().Get(ctx, ids[0]); return err })
	step("reading a revision", "1: GetItem 1", func() error { _, err := s.Credentials().Revision(ctx, ids[0], 2); return err })
	step("reading its history", "2: BatchGetItem 1, GetItem 1", func() error {
		_, err := s.Credentials().History(ctx, ids[0], revision.Page{})
		return err
	})
	step("amending it", "2: BatchGetItem 1, TransactWriteItems 1", func() error {
		return s.Credentials().Amend(ctx, ids[0], 3, func(c *credential.Credential) bool { c.LastDecrypted = c.ModifiedDate; return true })
	})
	step("reading 250 at once", "1: BatchGetItem 3", func() error { _, err := s.Credentials().BatchGet(ctx, ids); return err })

	var stored []*service.Service
	step("creating a service that maps 90", "1: TransactWriteItems 1", func() (err error) {
		stored, err = s.Services().Append(ctx, store.Write[service.Service]{ID: "payments", Rows: []*service.Service{sampleService(ids[:90]...)}})
		return err
	})
	step("mapping others", "1: TransactWriteItems 1", func() error {
		_, err := s.Services().Append(ctx, store.Write[service.Service]{
			ID: "payments", Previous: stored[0], Rows: []*service.Service{sampleService(ids[45:100]...)},
		})
		return err
	})
	step("asking who maps one", "1: GetItem 1", func() error { _, err := s.Documents().Get(ctx, store.KindMapping, ids[50]); return err })
	step("asking who bears a name", "1: GetItem 1", func() error {
		_, err := s.Documents().Get(ctx, store.KindCredentialName, store.NameID("name 1"))
		return err
	})
	step("listing", "1: Query 1", func() error { _, err := s.Credentials().List(ctx, revision.Page{Limit: 10}); return err })
	step("searching first", "1: Query 3", func() error { _, err := s.Catalogue().Find(ctx, store.Query{Limit: 10}); return err })
	step("searching again", "0: ", func() error { _, err := s.Catalogue().Find(ctx, store.Query{Limit: 10}); return err })

	step("writing a document", "1: TransactWriteItems 1", func() error {
		_, err := s.Documents().Put(ctx, store.Document{Kind: "k", ID: "x", Body: []byte(`1`)}, 0)
		return err
	})
	step("deleting a document", "2: GetItem 1, TransactWriteItems 1", func() error { return s.Documents().Delete(ctx, "k", "x", 1) })

	long := fmt.Sprintf("%032x", 1000)
	var history []*credential.Credential
	for n := 1; n <= 230; n++ {
		v := row(1000)
		v.ID, v.Revision = long, n
		history = append(history, v)
	}
	current := history[len(history)-1]
	step("archiving 230 revisions: import", "3: BatchGetItem 3, TransactWriteItems 4", func() error {
		_, err := s.ArchivedCredentials().Import(ctx, current, history)
		return err
	})
	step("archiving 230 revisions: import again", "1: BatchGetItem 3", func() error {
		_, err := s.ArchivedCredentials().Import(ctx, current, history)
		return err
	})
	step("restoring 230 revisions", "3: BatchGetItem 3, TransactWriteItems 4", func() error {
		_, err := s.Credentials().Import(ctx, current, history)
		return err
	})
	step("deleting 230 revisions under a guard", "5: BatchGetItem 3, GetItem 1, TransactWriteItems 5", func() error {
		return s.Credentials().Delete(ctx, long, 230, []store.Guard{store.DocumentGuard(store.KindMapping, long, 0)})
	})
}

// TestPurge_TakesManyAtOnce and the numbers of Reindex hold for any number of
// things.
func TestPurge_TakesManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	count := &counter{}
	s := w.indexed(t, w.client(count.trace))
	now := time.Now()
	for i := range 150 {
		d := store.Document{Kind: "challenge", ID: fmt.Sprint(i), Body: []byte(`{}`), Expires: now}
		if _, err := s.Documents().Put(t.Context(), d, 0); err != nil {
			t.Fatal(err)
		}
	}
	count.reset()
	n, err := s.Documents().Purge(t.Context(), store.Purge{ExpiredBefore: now.Add(time.Second)})
	if err != nil || n != 150 {
		t.Fatalf("Purge = %d, %v; want 150", n, err)
	}
	if got, want := count.reset(), "3: GetItem 1, Query 1, TransactWriteItems 2"; got != want {
		t.Errorf("purging 150 documents takes %q, want %q", got, want)
	}
}
