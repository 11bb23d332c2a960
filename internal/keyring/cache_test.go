package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
)

// prepared is the usable form of a key in these tests.
type prepared struct {
	text  string
	wiped atomic.Bool
}

// bench is a cache over a keyring in memory that counts the prepared forms
// which are alive.
type bench struct {
	*keyring.Cache[*prepared]
	keys  *keyringtest.Memory
	alive atomic.Int64
}

func newBench(t *testing.T, size int, ttl time.Duration, wrapper func(keyring.Keyring) keyring.Keyring) *bench {
	t.Helper()
	b := &bench{keys: keyringtest.NewMemory()}
	var ring keyring.Keyring = b.keys
	if wrapper != nil {
		ring = wrapper(ring)
	}
	c, err := keyring.NewCache(keyring.CacheOptions[*prepared]{
		Keyring: ring, Size: size, TTL: ttl,
		Prepare: func(key []byte) (*prepared, error) {
			if bytes.Equal(key, []byte("unusable")) {
				return nil, errors.New("unusable key")
			}
			b.alive.Add(1)
			return &prepared{text: string(key)}, nil
		},
		Wipe: func(p *prepared) {
			if p.wiped.Swap(true) {
				t.Error("a key was wiped twice")
			}
			b.alive.Add(-1)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Cache = c
	return b
}

func (b *bench) wrap(t *testing.T, key string, ec keyring.Context) []byte {
	t.Helper()
	wrapped, err := b.keys.Wrap(t.Context(), []byte(key), ec)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func (b *bench) get(ctx context.Context, wrapped []byte, ec keyring.Context) (string, error) {
	var got string
	err := b.Use(ctx, wrapped, ec, func(p *prepared) error {
		got = p.text
		if p.wiped.Load() {
			return errors.New("the key is wiped")
		}
		return nil
	})
	return got, err
}

func (b *bench) mustGet(t *testing.T, wrapped []byte, ec keyring.Context, want string) {
	t.Helper()
	if got, err := b.get(t.Context(), wrapped, ec); err != nil || got != want {
		t.Fatalf("Use = %q, %v; want %q", got, err, want)
	}
}

func (b *bench) wantUnwraps(t *testing.T, want int) {
	t.Helper()
	if got := len(b.keys.Unwraps()); got != want {
		t.Errorf("%d unwraps, want %d", got, want)
	}
}

// hooked is a keyring whose Unwrap first calls before.
type hooked struct {
	keyring.Keyring
	before func(context.Context) error
}

func (h hooked) Unwrap(ctx context.Context, wrapped []byte, ec keyring.Context) ([]byte, error) {
	if err := h.before(ctx); err != nil {
		return nil, err
	}
	return h.Keyring.Unwrap(ctx, wrapped, ec)
}

func before(f func(context.Context) error) func(keyring.Keyring) keyring.Keyring {
	return func(k keyring.Keyring) keyring.Keyring { return hooked{k, f} }
}

var one = keyring.Context{"id": "one"}

func TestNewCache_NeedsItsDependencies(t *testing.T) {
	t.Parallel()
	if _, err := keyring.NewCache(keyring.CacheOptions[int]{Size: 1, TTL: 1}); err == nil {
		t.Error("NewCache without dependencies: no error")
	}
}

func TestCache_UnwrapsOnceAndKeeps(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10, time.Hour, nil)
	wrapped := b.wrap(t, "key", one)
	for range 5 {
		b.mustGet(t, wrapped, one, "key")
	}
	b.wantUnwraps(t, 1)
}

func TestCache_AnswersForOneContextAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10, time.Hour, nil)
	wrapped := b.wrap(t, "key", one)
	b.mustGet(t, wrapped, one, "key")
	for _, ec := range []keyring.Context{nil, {"id": "two"}, {"id": "one", "more": ""}} {
		if _, err := b.get(t.Context(), wrapped, ec); !errors.Is(err, keyring.ErrRefused) {
			t.Errorf("Use under %v: %v, want ErrRefused", ec, err)
		}
	}
}

// put puts the prepared form of a key that was wrapped.
func (b *bench) put(wrapped []byte, ec keyring.Context, key string) {
	b.alive.Add(1)
	b.Put(wrapped, ec, &prepared{text: key})
}

func TestCache_KeepsWhatIsPut(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2, time.Hour, nil)
	wrapped := b.wrap(t, "key", one)
	b.put(wrapped, one, "key")
	b.put(wrapped, one, "key") // once more, which is not kept
	b.mustGet(t, wrapped, one, "key")
	b.wantUnwraps(t, 0)
	if got, err := b.get(t.Context(), wrapped, keyring.Context{"id": "two"}); !errors.Is(err, keyring.ErrRefused) {
		t.Errorf("under another context Use = %q, %v; want ErrRefused", got, err)
	}
	for i := range 3 { // there is room for two
		b.put(b.wrap(t, "other", one), keyring.Context{"id": fmt.Sprint(i)}, "other")
	}
	if got := b.alive.Load(); got != 2 {
		t.Errorf("%d keys are kept, want 2", got)
	}
}

func TestCache_KeepsWhatIsPutWhileItIsUnwrapped(t *testing.T) {
	t.Parallel()
	var b *bench
	var wrapped []byte
	b = newBench(t, 10, time.Hour, before(func(context.Context) error {
		b.put(wrapped, one, "key")
		return nil
	}))
	wrapped = b.wrap(t, "key", one)
	b.mustGet(t, wrapped, one, "key")
	b.mustGet(t, wrapped, one, "key")
	b.wantUnwraps(t, 1)
	if got := b.alive.Load(); got != 1 {
		t.Errorf("%d keys are kept, want 1", got)
	}
}

func TestCache_OffKeepsNothing(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]*bench{
		"no size": newBench(t, 0, time.Hour, nil),
		"no life": newBench(t, 10, 0, nil),
	} {
		wrapped := b.wrap(t, "key", one)
		for range 3 {
			b.put(wrapped, one, "key")
			b.mustGet(t, wrapped, one, "key")
		}
		if got := len(b.keys.Unwraps()); got != 3 {
			t.Errorf("%s: %d unwraps, want 3", name, got)
		}
		if got := b.alive.Load(); got != 0 {
			t.Errorf("%s: %d keys are left", name, got)
		}
	}
}

func TestCache_KeepsNoError(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10, time.Hour, nil)
	wrapped := b.wrap(t, "key", one)
	b.keys.Fail(keyring.ErrUnavailable)
	if _, err := b.get(t.Context(), wrapped, one); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("Use = %v, want ErrUnavailable", err)
	}
	b.keys.Fail(nil)
	b.mustGet(t, wrapped, one, "key")

	unusable := b.wrap(t, "unusable", one)
	for range 2 {
		if _, err := b.get(t.Context(), unusable, one); err == nil {
			t.Error("Use of a key that cannot be prepared: no error")
		}
	}
	b.wantUnwraps(t, 4)
}

func TestCache_ReturnsTheErrorOfTheUser(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10, time.Hour, nil)
	want := errors.New("mine")
	if err := b.Use(t.Context(), b.wrap(t, "key", one), one, func(*prepared) error { return want }); err != want {
		t.Errorf("Use = %v, want %v", err, want)
	}
}

func TestCache_OverwritesTheRawKey(t *testing.T) {
	t.Parallel()
	m := keyringtest.NewMemory()
	wrapped, err := m.Wrap(t.Context(), []byte("key"), one)
	if err != nil {
		t.Fatal(err)
	}
	c, err := keyring.NewCache(keyring.CacheOptions[[]byte]{
		Keyring: m, Size: 1, TTL: time.Hour,
		Prepare: func(key []byte) ([]byte, error) { return key, nil },
		Wipe:    func([]byte) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Use(t.Context(), wrapped, one, func(key []byte) error {
		if !bytes.Equal(key, make([]byte, 3)) {
			return fmt.Errorf("the raw key is still %q", key)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCache_EvictsWhatWasUsedLeastRecently(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2, time.Hour, nil)
	x, y, z := b.wrap(t, "x", one), b.wrap(t, "y", one), b.wrap(t, "z", one)
	b.mustGet(t, x, one, "x")
	b.mustGet(t, y, one, "y")
	b.mustGet(t, x, one, "x")
	b.mustGet(t, z, one, "z") // y goes
	b.wantUnwraps(t, 3)
	b.mustGet(t, x, one, "x")
	b.mustGet(t, z, one, "z")
	b.wantUnwraps(t, 3)
	b.mustGet(t, y, one, "y")
	b.wantUnwraps(t, 4)
}

func TestCache_NeverHoldsMoreThanItsSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 100, 129, 3000} {
		b := newBench(t, size, time.Hour, nil)
		for i := range 2*size + 10 {
			key := fmt.Sprint(i)
			b.mustGet(t, b.wrap(t, key, one), one, key)
			if got := b.alive.Load(); got > int64(size) {
				t.Fatalf("size %d: %d keys alive after %d", size, got, i+1)
			}
		}
		// Sharding costs a little of the room, not more.
		if got := b.alive.Load(); got < int64(size)*9/10 {
			t.Errorf("size %d: only %d keys are kept", size, got)
		}
	}
}

func TestCache_WipesWhenTheLastReaderIsDone(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, time.Hour, nil)
	x, y := b.wrap(t, "x", one), b.wrap(t, "y", one)
	var held *prepared
	err := b.Use(t.Context(), x, one, func(p *prepared) error {
		held = p
		b.mustGet(t, y, one, "y") // evicts x
		if p.wiped.Load() {
			t.Error("the key was wiped under its reader")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !held.wiped.Load() {
		t.Error("the evicted key was not wiped after its last reader")
	}
}

func TestCache_ForgetsAtTheEndOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10, time.Minute, nil)
		wrapped := b.wrap(t, "key", one)
		b.mustGet(t, wrapped, one, "key")
		time.Sleep(time.Minute - 1)
		b.mustGet(t, wrapped, one, "key") // use does not prolong it
		b.wantUnwraps(t, 1)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := b.alive.Load(); got != 0 {
			t.Errorf("%d keys outlive their time though nobody asks for them", got)
		}
		b.mustGet(t, wrapped, one, "key")
		b.wantUnwraps(t, 2)
	})
}

func TestCache_AnExpiredKeyStaysWithItsReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10, time.Minute, nil)
		err := b.Use(t.Context(), b.wrap(t, "key", one), one, func(p *prepared) error {
			time.Sleep(time.Hour)
			if p.wiped.Load() {
				t.Error("the key was wiped under its reader")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.alive.Load(); got != 0 {
			t.Errorf("%d keys are left", got)
		}
	})
}

func TestCache_ManyCallersShareOneUnwrap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10, time.Minute, before(func(context.Context) error {
			time.Sleep(time.Second)
			return nil
		}))
		wrapped := b.wrap(t, "key", one)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got, err := b.get(t.Context(), wrapped, one); err != nil || got != "key" {
					t.Errorf("Use = %q, %v; want key", got, err)
				}
			})
		}
		wg.Wait()
		b.wantUnwraps(t, 1)
	})
}

func TestCache_ACallerThatGivesUpFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10, time.Minute, before(func(ctx context.Context) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}))
		wrapped := b.wrap(t, "key", one)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				ctx := t.Context()
				impatient := i%2 == 0
				if impatient { // among them whoever began
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Millisecond)
					defer cancel()
				}
				switch _, err := b.get(ctx, wrapped, one); {
				case impatient && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("caller %d: %v, want its own deadline", i, err)
				case !impatient && err != nil:
					t.Errorf("caller %d: %v", i, err)
				}
			})
			synctest.Wait() // one after the other
		}
		wg.Wait()
		b.wantUnwraps(t, 1)
	})
}

func TestCache_EndsTheCallWhenAllGaveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := true
		b := newBench(t, 10, time.Minute, before(func(ctx context.Context) error {
			if !silent {
				return nil
			}
			<-ctx.Done() // a service that never answers
			return ctx.Err()
		}))
		wrapped := b.wrap(t, "key", one)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := b.get(ctx, wrapped, one); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Use = %v, want the deadline", err)
				}
			})
		}
		wg.Wait()
		synctest.Wait() // the call has ended, or the bubble would not close
		silent = false
		b.mustGet(t, wrapped, one, "key")
	})
}

// A key service that answers in the moment everyone gives up leaves nothing
// behind.
func TestCache_WipesWhatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10, time.Minute, before(func(context.Context) error {
			time.Sleep(2 * time.Second) // deaf to its context
			return nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wrapped := b.wrap(t, "key", one)
		if _, err := b.get(ctx, wrapped, one); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Use = %v, want the deadline", err)
		}
		time.Sleep(time.Minute)
		b.wantUnwraps(t, 1)
		if got := b.alive.Load(); got != 0 {
			t.Errorf("%d keys are left", got)
		}
	})
}

// Small bound, short life, cancelled callers: whatever happens, a reader never
// meets a wiped key, and nothing is left in the end.
func TestCache_StaysRightUnderPressure(t *testing.T) {
	t.Parallel()
	b := newBench(t, 3, 200*time.Microsecond, nil)
	var wrapped [8][]byte
	for i := range wrapped {
		wrapped[i] = b.wrap(t, fmt.Sprint(i), one)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				ctx, cancel := context.WithCancel(context.Background())
				if (w+n)%7 == 0 {
					cancel()
				}
				i := (w*n + n/3) % len(wrapped)
				got, err := b.get(ctx, wrapped[i], one)
				if err == nil && got != fmt.Sprint(i) {
					t.Errorf("Use = %q, want %d", got, i)
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("Use: %v", err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for deadline := time.Now().Add(10 * time.Second); b.alive.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d keys are left", b.alive.Load())
		}
	}
}

func BenchmarkCache_Hit(b *testing.B) {
	m := keyringtest.NewMemory()
	c, err := keyring.NewCache(keyring.CacheOptions[int]{
		Keyring: m, Size: 4096, TTL: time.Hour,
		Prepare: func([]byte) (int, error) { return 1, nil },
		Wipe:    func(int) {},
	})
	if err != nil {
		b.Fatal(err)
	}
	const id = "9f0c2b6a4d1e4f7f8b1a2c3d4e5f6071"
	var wrapped [5][]byte
	for i := range wrapped {
		if wrapped[i], err = m.Wrap(b.Context(), make([]byte, 44), keyring.Context{"id": id}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			err := c.Use(b.Context(), wrapped[i%5], keyring.Context{"id": id}, func(int) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
