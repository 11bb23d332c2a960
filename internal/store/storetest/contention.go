package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/confidant-secrets/confidant/internal/store"
)

func contentionRules[T any]() []rule[T] {
	return []rule[T]{
		{"32 writers on one id get one number each, without a gap", oneNumberEach[T]},
		{"of 32 creators of one id one wins", oneCreator[T]},
		{"writers on different ids do not disturb each other", differentIDs[T]},
	}
}

func oneNumberEach[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	const writers = 32
	r, id := k.of(st), k.id(0)
	put(t, r, id, nil, k.full(0))
	var (
		mu           sync.Mutex
		acknowledged = map[int]string{} // revision -> writer
		wg           sync.WaitGroup
	)
	for i := range writers {
		wg.Go(func() {
			row := k.full(i + 1)
			k.meta(row).ModifiedBy = fmt.Sprintf("writer %d", i)
			for {
				previous, err := r.Get(t.Context(), id)
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				stored, err := r.Append(t.Context(), store.Write[T]{ID: id, Previous: previous, Rows: []*T{row}})
				if errors.Is(err, store.ErrStale) {
					continue
				}
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				n := k.meta(stored[0]).Revision
				if other, twice := acknowledged[n]; twice {
					t.Errorf("revision %d was given to %q and %q", n, other, k.meta(row).ModifiedBy)
				}
				acknowledged[n] = k.meta(row).ModifiedBy
				return
			}
		})
	}
	wg.Wait()
	for n := 2; n <= writers+1; n++ {
		row, err := r.Revision(t.Context(), id, n)
		if err != nil {
			t.Errorf("Revision %d: %v", n, err)
			continue
		}
		if by := k.meta(row).ModifiedBy; by != acknowledged[n] {
			t.Errorf("revision %d is by %q, was acknowledged to %q", n, by, acknowledged[n])
		}
	}
	if got := k.meta(get(t, r, id)).Revision; got != writers+1 {
		t.Errorf("the current revision is %d, want %d", got, writers+1)
	}
}

func oneCreator[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	const writers = 32
	r, id := k.of(st), k.id(0)
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			_, errs[i] = r.Append(t.Context(), store.Write[T]{ID: id, Rows: []*T{k.full(i)}})
		})
	}
	wg.Wait()
	won := slices.IndexFunc(errs, func(err error) bool { return err == nil })
	if won < 0 {
		t.Fatalf("nobody created the row: %v", errors.Join(errs...))
	}
	for i, err := range errs {
		if i != won {
			wantStale(t, fmt.Sprintf("creator %d", i), err, true)
		}
	}
	if d := diff(k.numbered(k.full(won), id, 1), get(t, r, id)); d != "" {
		t.Errorf("the row is not the winner's: %s", d)
	}
}

func differentIDs[T any](t *testing.T, _ suite, k kind[T], st store.Store) {
	const writers, rounds = 16, 5
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			var previous *T
			for n := 1; n <= rounds; n++ {
				stored, err := k.of(st).Append(t.Context(), store.Write[T]{ID: k.id(i), Previous: previous, Rows: []*T{k.full(100*i + n)}})
				if err != nil {
					t.Errorf("Append %d of %q: %v", n, k.id(i), err)
					return
				}
				previous = stored[0]
			}
		})
	}
	wg.Wait()
	for i := range writers {
		if d := diff(k.numbered(k.full(100*i+rounds), k.id(i), rounds), get(t, k.of(st), k.id(i))); d != "" {
			t.Errorf("Get(%q): %s", k.id(i), d)
		}
	}
}
