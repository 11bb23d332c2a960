package local

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
)

var here = netip.MustParseAddr("192.0.2.7")

// other returns the address of somebody else.
func other(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}) }

// mustBegin begins an attempt and returns how long it waited.
func mustBegin(t *testing.T, th *throttle, account string, addr netip.Addr) (*attempt, time.Duration) {
	t.Helper()
	start := time.Now()
	a, err := th.begin(t.Context(), account, addr)
	if err != nil {
		t.Fatal(err)
	}
	return a, time.Since(start)
}

func TestThrottle_EachFailureDoublesTheWait(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]func(i int) (string, netip.Addr){
		"one account from many addresses": func(i int) (string, netip.Addr) { return "alice", other(i) },
		"many accounts from one address":  func(i int) (string, netip.Addr) { return fmt.Sprint("user", i), here },
		"many accounts from one IPv6 network": func(i int) (string, netip.Addr) {
			return fmt.Sprint("user", i), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)})
		},
		"many accounts from nowhere": func(i int) (string, netip.Addr) { return fmt.Sprint("user", i), netip.Addr{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				th := newThrottle(time.Now)
				for i, want := range []time.Duration{0, 0, 0, 0, 1, 2, 4, 8, 15, 15, 15} {
					account, addr := who(i)
					if _, waited := mustBegin(t, th, account, addr); waited != want*time.Second {
						t.Errorf("attempt %d waited %v, want %v s", i+1, waited, want)
					}
				}
				if _, waited := mustBegin(t, th, "somebody else", netip.MustParseAddr("203.0.113.9")); waited != 0 {
					t.Errorf("somebody else waited %v", waited)
				}
			})
		})
	}
}

func TestThrottle_ForgetsAfterSuccessAndAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(time.Now)
		fail := func(n int, account string, addr func(int) netip.Addr) {
			for i := range n {
				mustBegin(t, th, account, addr(i))
			}
		}
		fail(6, "alice", other)
		a, waited := mustBegin(t, th, "alice", here)
		if waited != 4*time.Second {
			t.Errorf("the seventh waited %v", waited)
		}
		a.succeeded()
		if _, waited := mustBegin(t, th, "alice", here); waited != 0 {
			t.Errorf("after a success: waited %v", waited)
		}

		fail(6, "bob", other)
		time.Sleep(forgetAfter)
		if _, waited := mustBegin(t, th, "bob", here); waited != 0 {
			t.Errorf("a quarter of an hour later: waited %v", waited)
		}
	})
}

func TestThrottle_OwnSuccessesDoNotFreeAnAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(time.Now)
		for i := range 4 {
			mustBegin(t, th, fmt.Sprint("victim", i), here)
			own, _ := mustBegin(t, th, "mallory", here)
			own.succeeded()
		}
		if _, waited := mustBegin(t, th, "victim5", here); waited != time.Second {
			t.Errorf("waited %v, want 1 s", waited)
		}
	})
}

func TestThrottle_WhatWasNotTriedDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(time.Now)
		for range 20 {
			a, waited := mustBegin(t, th, "alice", here)
			if waited != 0 {
				t.Fatalf("waited %v", waited)
			}
			a.untried()
		}
	})
}

func TestThrottle_ManyAtOnceAreNoCheaper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(time.Now)
		var wg sync.WaitGroup
		var mu sync.Mutex
		waits := map[time.Duration]int{}
		for i := range 20 {
			wg.Go(func() {
				start := time.Now()
				if _, err := th.begin(t.Context(), "alice", other(i)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				waits[time.Since(start)]++
			})
		}
		wg.Wait()
		if waits[0] != freeFailures || waits[maxDelay] != 12 {
			t.Errorf("waits: %v", waits)
		}
	})
}

func TestThrottle_BoundsHowManyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(time.Now)
		for i := range 10 {
			mustBegin(t, th, "alice", here)
			mustBegin(t, th, "alice", other(i))
		}
		for range maxWaitingOne {
			go func() { _, _ = th.begin(t.Context(), "alice", here) }()
		}
		synctest.Wait()
		_, err := th.begin(t.Context(), "alice", here)
		if f := fault.As(err); !fault.Is(err, fault.RateLimited) || f.RetryIn != maxDelay {
			t.Errorf("one more from the address: %v", err)
		}
		for i := range maxWaiting - maxWaitingOne {
			go func() { _, _ = th.begin(t.Context(), "alice", other(i)) }()
		}
		synctest.Wait()
		_, err = th.begin(t.Context(), "alice", other(1000))
		if !fault.Is(err, fault.RateLimited) {
			t.Errorf("one more at all: %v", err)
		}
		if _, waited := mustBegin(t, th, "bob", other(1001)); waited != 0 {
			t.Errorf("who need not wait waited %v", waited)
		}
		time.Sleep(maxDelay)
		synctest.Wait()
		if th.waiting != 0 || len(th.from) != 0 {
			t.Errorf("afterwards %d wait, from %v", th.waiting, th.from)
		}
	})
}

func TestThrottle_TheWaitEndsWithTheRequestAndNeverOutlivesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(time.Now)
		for range 10 {
			mustBegin(t, th, "alice", here)
		}
		before := th.accounts
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := th.begin(ctx, "alice", here); !errors.Is(err, context.Canceled) {
			t.Errorf("begin = %v", err)
		}
		for i := range before {
			if th.accounts[i].failures != before[i].failures {
				t.Error("who went away is counted")
			}
		}
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := th.begin(ctx, "alice", here); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("with ten seconds: %v after %v; want to be let through after half of them", err, time.Since(start))
		}
	})
}
