package authn_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
)

var errRefused = fault.New(fault.BadProof, "no")

func newFailures(t testing.TB, o authn.FailureOptions) *authn.Failures {
	t.Helper()
	f, err := authn.NewFailures(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func addr(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(text)
}

// allows returns for how many failures in a row a client is not limited.
func allows(t *testing.T, f *authn.Failures, client netip.Addr) int {
	t.Helper()
	for n := range 10_000 {
		err := f.Judged(client, errRefused)
		if fault.Is(err, fault.RateLimited) {
			if !errors.Is(err, errRefused) {
				t.Errorf("the limit hides what was wrong: %v", err)
			}
			return n
		}
		if !errors.Is(err, errRefused) {
			t.Fatalf("Judged returned %v", err)
		}
	}
	t.Fatal("there is no limit")
	return 0
}

func TestFailures_ABurstAndThenOneASecond(t *testing.T) {
	t.Parallel()
	c := &clock{time.Unix(1_700_000_000, 0)}
	f := newFailures(t, authn.FailureOptions{Now: func() time.Time { return c.now }})
	client := addr("192.0.2.1")
	if err := f.Allow(client); err != nil {
		t.Errorf("before any failure: %v", err)
	}
	if n := allows(t, f, client); n != 60 {
		t.Errorf("%d failures at once, want 60", n)
	}
	for range 100 {
		_ = f.Judged(client, errRefused) // what is refused anyway makes nothing worse
	}
	err := f.Allow(client)
	if !fault.Is(err, fault.RateLimited) || fault.As(err).RetryIn != time.Second {
		t.Errorf("over the limit: %v, want to wait a second", err)
	}
	c.add(300 * time.Millisecond)
	if err := f.Allow(client); err == nil || fault.As(err).RetryIn != 700*time.Millisecond {
		t.Errorf("soon after: %v, want to wait 0.7 s", err)
	}
	c.add(700 * time.Millisecond)
	if err := f.Allow(client); err != nil {
		t.Errorf("after a second: %v", err)
	}
	if n := allows(t, f, client); n != 1 {
		t.Errorf("after a second %d failures, want 1", n)
	}
	c.add(30 * time.Second)
	if n := allows(t, f, client); n != 30 {
		t.Errorf("after half a minute %d failures, want 30", n)
	}
	c.add(time.Hour)
	if n := allows(t, f, client); n != 60 {
		t.Errorf("after an hour %d failures, want 60", n)
	}
}

func TestFailures_WhoSharesABucket(t *testing.T) {
	t.Parallel()
	c := &clock{time.Unix(1_700_000_000, 0)}
	tests := map[string]struct {
		failing, asking string
		shared          bool
	}{
		"one address":              {"192.0.2.1", "192.0.2.1", true},
		"two addresses":            {"192.0.2.1", "192.0.2.2", false},
		"IPv4 in IPv6":             {"192.0.2.1", "::ffff:192.0.2.1", true},
		"two in IPv4 in IPv6":      {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		"one network of IPv6":      {"2001:db8::1", "2001:db8::ffff:0:0:1", true},
		"zones":                    {"fe80::1%eth0", "fe80::1", true},
		"two networks of IPv6":     {"2001:db8::1", "2001:db8:0:1::1", false},
		"no address":               {"", "", true},
		"no address and any other": {"", "::", false},
	}
	for name, tt := range tests {
		f := newFailures(t, authn.FailureOptions{Burst: 3, Now: func() time.Time { return c.now }})
		allows(t, f, addr(tt.failing))
		if got := f.Allow(addr(tt.asking)) != nil; got != tt.shared {
			t.Errorf("%s: limited %v, want %v", name, got, tt.shared)
		}
	}
}

func TestFailures_WithoutAnAddressTenTimesAsMany(t *testing.T) {
	t.Parallel()
	c := &clock{time.Unix(1_700_000_000, 0)}
	f := newFailures(t, authn.FailureOptions{Burst: 6, Now: func() time.Time { return c.now }})
	if n := allows(t, f, netip.Addr{}); n != 60 {
		t.Errorf("%d failures at once, want 60", n)
	}
	c.add(time.Second)
	if n := allows(t, f, netip.Addr{}); n != 10 {
		t.Errorf("after a second %d failures, want 10", n)
	}
}

func TestFailures_OnlyRefusedProofsCount(t *testing.T) {
	t.Parallel()
	f := newFailures(t, authn.FailureOptions{Burst: 1, Every: time.Hour})
	client := addr("192.0.2.1")
	for name, err := range map[string]error{
		"success":     nil,
		"no proof":    fault.Wrap(fault.Unauthenticated, "Authentication is required.", authn.ErrNoProof),
		"an outage":   fault.New(fault.Unavailable, "later"),
		"not allowed": fault.New(fault.Denied, "no"),
		"our mistake": errors.New("broken"),
		"limited":     fault.New(fault.RateLimited, "later"),
	} {
		for range 3 {
			if got := f.Judged(client, err); got != err {
				t.Errorf("%s: Judged returned %v", name, got)
			}
		}
	}
	if err := f.Allow(client); err != nil {
		t.Errorf("limited without a refusal: %v", err)
	}
	for name, err := range map[string]error{"bad": errRefused, "refused": fault.New(fault.Unauthenticated, "no")} {
		f := newFailures(t, authn.FailureOptions{Burst: 1, Every: time.Hour})
		_ = f.Judged(client, err)
		if f.Allow(client) == nil {
			t.Errorf("%s: does not count", name)
		}
	}
}

func TestFailures_MemoryIsBounded(t *testing.T) {
	t.Parallel()
	f := newFailures(t, authn.FailureOptions{Burst: 1, Every: time.Hour})
	first, last := addr("10.0.0.0"), addr("10.0.0.0")
	for range 10_001 {
		_ = f.Judged(last, errRefused)
		last = last.Next()
	}
	if err := f.Allow(first); err != nil {
		t.Errorf("the first of 10001 clients is still remembered: %v", err)
	}
	if f.Allow(last.Prev()) == nil {
		t.Error("the last client is forgotten")
	}
}

func TestFailures_NoneLimitsNobody(t *testing.T) {
	t.Parallel()
	var f *authn.Failures
	client := addr("192.0.2.1")
	for range 1000 {
		if err := f.Judged(client, errRefused); err != error(errRefused) {
			t.Fatalf("Judged returned %v", err)
		}
	}
	if err := f.Allow(client); err != nil {
		t.Errorf("Allow returned %v", err)
	}
}

func TestFailures_RefusesNegativeLimits(t *testing.T) {
	t.Parallel()
	for _, o := range []authn.FailureOptions{{Burst: -1}, {Every: -1}} {
		if _, err := authn.NewFailures(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

// However requests interleave, no failure is lost.
func TestFailures_AtOnce(t *testing.T) {
	t.Parallel()
	f := newFailures(t, authn.FailureOptions{Burst: 400, Every: time.Hour})
	client := addr("192.0.2.1")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				_ = f.Allow(client)
				if err := f.Judged(client, errRefused); fault.Is(err, fault.RateLimited) {
					t.Error("limited within the burst")
				}
			}
		})
	}
	wg.Wait()
	if f.Allow(client) == nil {
		t.Error("not limited after the burst")
	}
}

func BenchmarkAllow(b *testing.B) {
	f := newFailures(b, authn.FailureOptions{})
	var others [4]byte
	for range 10_000 {
		for i := range others {
			others[i] = byte(rand.Uint32())
		}
		_ = f.Judged(netip.AddrFrom4(others), errRefused)
	}
	client := addr("192.0.2.1")
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := f.Allow(client); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestFailures_BeginningsCountToo(t *testing.T) {
	t.Parallel()
	f, err := authn.NewFailures(authn.FailureOptions{Burst: 2, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	client := netip.MustParseAddr("192.0.2.1")
	for range 2 {
		if err := f.Allow(client); err != nil {
			t.Fatalf("below the limit: %v", err)
		}
		f.Begun(client)
	}
	if err := f.Allow(client); !fault.Is(err, fault.RateLimited) {
		t.Errorf("Allow after two beginnings: %v, want RateLimited", err)
	}
}
