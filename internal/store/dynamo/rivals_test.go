package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
)

// TestStore_TwoOnOneTable lets two stores, as two server processes have them, write
// the same ten credentials from sixteen goroutines: new revisions, one or two at
// once, renames to names that others want too, and amendments. Afterwards the
// revisions are contiguous, each is the one that was acknowledged, and names are
// claimed by who bears them.
func TestStore_TwoOnOneTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	stores := []*dynamo.Store{
		w.indexed(t, w.client(nil)),
		w.open(t, w.client(nil), func(o *dynamo.Options) { o.CacheTTL = 500 * time.Millisecond }),
	}
	const things, writers = 10, 16
	for i := range things {
		prepareCredential(t, stores[0], olderID(i), fmt.Sprintf("name %d", i))
	}
	more := func(n int) bool { return n < 25 }
	if *soak > 0 {
		end := time.Now().Add(*soak)
		more = func(int) bool { return time.Now().Before(end) }
	}
	var (
		mu           sync.Mutex
		acknowledged = map[string]string{} // key of a revision -> who wrote it
		counts       = map[string]int{}
		wg           sync.WaitGroup
	)
	count := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		counts[what]++
	}
	// Amendments are tried until the deadline; the machine may be slow.
	ctx, cancel := context.WithTimeout(t.Context(), *soak+time.Minute)
	defer cancel()
	for writer := range writers {
		s, random := stores[writer%2], rand.New(rand.NewPCG(uint64(writer), 1))
		wg.Go(func() {
			for n := 0; more(n); n++ {
				id := olderID(random.IntN(things))
				current, err := s.Credentials().Get(t.Context(), id)
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				if random.IntN(8) == 0 {
					err := s.Credentials().Amend(ctx, id, current.Revision, func(c *credential.Credential) bool {
						c.LastDecrypted = revision.Instant(time.Now())
						return true
					})
					if err != nil {
						t.Errorf("Amend: %v", err)
					}
					count("amended")
					continue
				}
				var rows []*credential.Credential
				for i := range 1 + random.IntN(2) {
					row := current.Clone()
					row.Meta = sampleMeta()
					row.ModifiedBy = fmt.Sprintf("writer %d, %d, %d", writer, n, i)
					rows = append(rows, row)
				}
				if random.IntN(3) == 0 {
					rows[len(rows)-1].Name = fmt.Sprintf("name %d", random.IntN(2*things))
				}
				stored, err := s.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: id, Previous: current, Rows: rows})
				switch {
				case err == nil:
					mu.Lock()
					for _, v := range stored {
						key := revision.Key(id, v.Revision)
						if other, twice := acknowledged[key]; twice {
							t.Errorf("%s was acknowledged to %q and %q", key, other, v.ModifiedBy)
						}
						acknowledged[key] = v.ModifiedBy
					}
					mu.Unlock()
					count("written")
				case errors.Is(err, store.ErrStale):
					count("stale")
				case errors.Is(err, store.ErrTaken):
					count("name taken")
				default:
					t.Errorf("Append: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()

	items := w.items(t, table)
	rows, claims := 0, 0
	for i := range things {
		id := olderID(i)
		checkCopies(t, items, id)
		current, err := stores[0].Credentials().Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= current.Revision; n++ {
			rows++
			it, ok := items[revision.Key(id, n)]
			if !ok {
				t.Errorf("revision %d of %d of %s is missing", n, current.Revision, id)
			} else if by := it.text("modified_by"); n > 1 && by != acknowledged[revision.Key(id, n)] {
				t.Errorf("revision %d of %s is by %q, was acknowledged to %q", n, id, by, acknowledged[revision.Key(id, n)])
			}
		}
	}
	for _, it := range items {
		switch it.text("data_type") {
		case "archive-credential":
			rows--
		case "doc-credential-name":
			claims++
		}
	}
	if rows != 0 || claims != things || len(acknowledged) < writers {
		t.Errorf("%d revisions too few in the table, %d claims of %d credentials, %d revisions acknowledged", rows, claims, things, len(acknowledged))
	}
	checkDocuments(t, w)
	t.Logf("%v", counts)
}
