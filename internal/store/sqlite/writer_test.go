package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	modernc "modernc.org/sqlite"

	"github.com/confidant-secrets/confidant/internal/store"
)

// hold has the writer stand still inside a transaction until release is called.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	begun, end, done := make(chan struct{}), make(chan struct{}), make(chan error)
	tellBegun := sync.OnceFunc(func() { close(begun) })
	go func() {
		done <- s.write(t.Context(), "holding", func(*transaction) error {
			tellBegun()
			<-end
			return nil
		})
	}()
	<-begun
	return func() {
		close(end)
		if err := <-done; err != nil {
			t.Errorf("the write that held the writer: %v", err)
		}
	}
}

// queueUp waits until so many changes are queued.
func queueUp(t *testing.T, s *Store, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(s.writes.queue) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d changes are queued, want %d", len(s.writes.queue), n)
		}
	}
}

// countCommits returns a counter of the transactions that the writer commits.
// While refuse is set, each is refused as it commits.
func countCommits(t *testing.T, s *Store) (commits *atomic.Int64, refuse *atomic.Bool) {
	t.Helper()
	commits, refuse = &atomic.Int64{}, &atomic.Bool{}
	err := s.write(t.Context(), "counting", func(tx *transaction) error {
		return tx.conn.conn.Raw(func(driver any) error {
			driver.(modernc.HookRegisterer).RegisterCommitHook(func() int32 {
				if refuse.Load() {
					return 1
				}
				commits.Add(1)
				return 0
			})
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return commits, refuse
}

func putDocument(tx *transaction, id string) error {
	return tx.exec("INSERT INTO document (kind, id, version, body, modified) VALUES ('test', ?, 1, '1', 0)", id)
}

func exists(t *testing.T, s *Store, id string) bool {
	t.Helper()
	_, err := s.Documents().Get(t.Context(), "test", id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestGroup_AFailureLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	commits, _ := countCommits(t, s)
	refused := errors.New("refused")
	release := hold(t, s)
	const n = 40
	results := make([]any, n) // an error, nil, or what was panicked with
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					results[i] = p
				}
			}()
			results[i] = s.write(t.Context(), "testing", func(tx *transaction) error {
				if i%4 == 0 {
					return refused // before it has written
				}
				if err := putDocument(tx, fmt.Sprint(i)); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					tx.touch(cacheKey{credentialNoun, "refused"}, benchRow(i), 1)
					return refused
				case 2:
					panic("a bug")
				}
				return nil
			})
		})
	}
	queueUp(t, s, n)
	release()
	wg.Wait()
	for i, result := range results {
		err, _ := result.(error)
		switch {
		case i%4 < 2 && !errors.Is(err, refused):
			t.Errorf("change %d: %v, want its own error", i, result)
		case i%4 == 2 && !strings.Contains(fmt.Sprint(result), "a bug"):
			t.Errorf("change %d: %v, want its panic", i, result)
		case i%4 == 3 && result != nil:
			t.Errorf("change %d: %v, want no error", i, result)
		}
		if got, want := exists(t, s, fmt.Sprint(i)), i%4 == 3; got != want {
			t.Errorf("change %d left something: %v, want %v", i, got, want)
		}
	}
	if got := commits.Load(); got != 1 {
		t.Errorf("%d transactions were committed, want one for all", got)
	}
	if _, known := s.cache.get(credentialNoun, "refused"); known {
		t.Error("the cache holds a row of a refused change")
	}
}

func TestGroup_AFailureOfTheDatabaseIsAnsweredOneByOne(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	release := hold(t, s)
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			errs[i] = s.write(t.Context(), "testing", func(tx *transaction) error {
				if err := putDocument(tx, fmt.Sprint(i)); err != nil || i != 3 {
					return err
				}
				return tx.exec("INSERT INTO no_such_table VALUES (1)")
			})
		})
	}
	queueUp(t, s, len(errs))
	release()
	wg.Wait()
	for i, err := range errs {
		if (err != nil) != (i == 3) || exists(t, s, fmt.Sprint(i)) != (i != 3) {
			t.Errorf("change %d: %v, and left something: %v", i, err, exists(t, s, fmt.Sprint(i)))
		}
	}
}

func TestGroup_ARefusedCommitIsAnErrorForAllAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	row := benchRow(1)
	stored := appendRow(t, s, "c", nil, row)
	_, refuse := countCommits(t, s)
	release := hold(t, s)
	refuse.Store(true)
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			if i == 0 {
				_, errs[i] = s.Credentials().Append(t.Context(), write("c", stored, benchRow(2)))
				return
			}
			errs[i] = s.write(t.Context(), "testing", func(tx *transaction) error { return putDocument(tx, fmt.Sprint(i)) })
		})
	}
	queueUp(t, s, len(errs))
	release()
	wg.Wait()
	refuse.Store(false)
	for i, err := range errs {
		if err == nil || exists(t, s, fmt.Sprint(i)) {
			t.Errorf("change %d: %v, and left something: %v", i, err, exists(t, s, fmt.Sprint(i)))
		}
	}
	for range 2 {
		if got, err := s.Credentials().Get(t.Context(), "c"); err != nil || got.Revision != 1 || got.Name != row.Name {
			t.Errorf("Get after the refused commit: %+v, %v; want revision 1", got, err)
		}
	}
	if got := appendRow(t, s, "c", stored, benchRow(3)); got.Revision != 2 {
		t.Errorf("the next write makes revision %d, want 2", got.Revision)
	}
}

func TestWriter_SharesFlushes(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	commits, _ := countCommits(t, s)
	const writers, rounds = 16, 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for round := range rounds {
				err := s.write(t.Context(), "testing", func(tx *transaction) error {
					time.Sleep(time.Millisecond) // so that others queue up
					return putDocument(tx, fmt.Sprintf("%d-%d", i, round))
				})
				if err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got := commits.Load(); got > writers*rounds/4 {
		t.Errorf("%d writes took %d transactions, want at most a quarter as many", writers*rounds, got)
	}
}

func TestWriter_ACallerWhoGivesUpBeforeHisTurnWritesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.write(ctx, "testing", func(tx *transaction) error { return putDocument(tx, "late") })
	}()
	queueUp(t, s, 1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v, want %v", err, context.Canceled)
	}
	release()
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if exists(t, s, "late") {
		t.Error("a change was carried out whose caller had given up")
	}
}

func TestWriter_ADeadlineIsUnavailable(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	release := hold(t, s)
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := s.Ping(ctx)
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ping: %v, want %v and %v", err, store.ErrUnavailable, context.DeadlineExceeded)
	}
}

func TestWriter_ABegunChangeTellsItsOutcomeToACallerWhoWouldGiveUp(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	err := s.write(ctx, "testing", func(tx *transaction) error {
		cancel()
		return putDocument(tx, "begun")
	})
	if err != nil || !exists(t, s, "begun") {
		t.Errorf("write: %v, and it is there: %v; want it written", err, exists(t, s, "begun"))
	}
}

func TestClose_RefusesWhatIsQueuedAndWhatComesAfter(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	release := hold(t, s)
	errs := make(chan error)
	for i := range 3 {
		go func() {
			errs <- s.write(context.Background(), "testing", func(tx *transaction) error { return putDocument(tx, fmt.Sprint(i)) })
		}()
	}
	queueUp(t, s, 3)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	<-s.writes.closing
	release()
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	for range 3 {
		// Whoever's turn came with the write under way has been served.
		if err := <-errs; err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a queued write: %v, want none or %v", err, store.ErrUnavailable)
		}
	}
	_, err := s.Credentials().Get(t.Context(), "c")
	for what, err := range map[string]error{"Ping": s.Ping(t.Context()), "Get": err} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s after Close: %v, want %v", what, err, store.ErrUnavailable)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	select {
	case <-s.writes.finished:
	default:
		t.Error("the writer still runs")
	}
}

func TestWriter_ReplacesAConnectionThatBroke(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	err := s.write(t.Context(), "breaking", func(tx *transaction) error { return tx.conn.conn.Close() })
	if err == nil {
		t.Error("a write over a broken connection: no error")
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping afterwards: %v", err)
	}
}

func TestList_LeavesOutADamagedRow(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	for i, id := range []string{"a", "b", "c"} {
		appendRow(t, s, id, nil, benchRow(i))
	}
	err := s.write(t.Context(), "damaging", func(tx *transaction) error {
		s.cache.clear()
		return tx.exec(`UPDATE history SET tags = '["' WHERE id = 'b'`)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{0, 1, 2} {
		var ids []string
		for page := (page{Limit: limit}); ; {
			slice, err := s.Credentials().List(t.Context(), page)
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			for _, c := range slice.Items {
				ids = append(ids, c.ID)
			}
			if page.After = slice.Next; page.After == nil {
				break
			}
		}
		if got := fmt.Sprint(ids); got != "[c a]" {
			t.Errorf("pages of %d hold %s, want [c a]", limit, got)
		}
	}
	_, err = s.Credentials().Get(t.Context(), "b")
	if err == nil || !strings.Contains(err.Error(), "b-1") || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get of a damaged row: %v, want an error that names it", err)
	}
	if _, err := s.Credentials().BatchGet(t.Context(), []string{"a", "b"}); err == nil {
		t.Error("BatchGet of a damaged row: no error")
	}
	if found, err := s.Catalogue().Find(t.Context(), store.Query{Limit: 10}); err != nil || len(found.Entries) != 3 {
		t.Errorf("Find beside a damaged row: %d entries, %v; want 3", len(found.Entries), err)
	}
}

func FuzzList(f *testing.F) {
	for _, text := range []string{`["a","b"]`, `["a", "b"]`, `[]`, `["]`, `["\u00fc","<b>"]`, `["a","`, `[""]`, `["a""b"]`, ``} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var list []string
		if json.Unmarshal([]byte(text), &list) != nil {
			return
		}
		encoded := encodeList(list)
		got, err := decodeList(encoded)
		if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", list) {
			t.Errorf("%q comes back as %q, %v", list, got, err)
		}
		if got, err := decodeList(text); err != nil || len(list) > 0 && fmt.Sprintf("%q", got) != fmt.Sprintf("%q", list) {
			t.Errorf("%s decodes to %q, %v; want %q", text, got, err, list)
		}
	})
}

// FuzzRow decodes rows as a damaged file may hold them: an error or a row that
// encodes to one which decodes the same, never a panic.
func FuzzRow(f *testing.F) {
	f.Add("id", "name", `["a"]`, `["b","c"]`, `{"AWSCURRENT":"v"}`, int64(1), "x", "{}")
	f.Add("", "", `["`, `[1]`, `[]`, int64(noTime), "", "")
	f.Fuzz(func(t *testing.T, id, name, listA, listB, stages string, date int64, pairs, metadata string) {
		c := content{
			id: id, name: name, keyNames: listA, tags: listB, credentials: listA, blindCredentials: listB, head: head{stages: stages},
			modified: date, lastRotation: date, pairs: pairs, metadata: metadata, dataKey: pairs,
		}
		decodeTwice(t, credentialCodec{}, c)
		decodeTwice(t, blindCodec{}, c)
		decodeTwice(t, serviceCodec{}, c)
	})
}

func decodeTwice[T any](t *testing.T, k codec[T], c content) {
	t.Helper()
	v, err := k.decode(&c)
	if err != nil {
		return
	}
	first := k.encode(v)
	again, err := k.decode(&first)
	if err != nil {
		t.Errorf("a row that was decoded encodes to one that does not: %v", err)
		return
	}
	if second := k.encode(again); second != first {
		t.Errorf("a row encodes to %+v, and that to %+v", first, second)
	}
}
