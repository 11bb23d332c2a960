package envelope_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
	"github.com/confidant-secrets/confidant/internal/sealed"
)

const id = "9f0c2b6a4d1e4f7f8b1a2c3d4e5f6071"

func newSealer(t testing.TB, o envelope.Options) *envelope.Sealer {
	t.Helper()
	s, err := envelope.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cached returns a sealer that keeps its keys, and the keyring under it.
func cached(t testing.TB) (*envelope.Sealer, *keyringtest.Memory) {
	t.Helper()
	m := keyringtest.NewMemory()
	return newSealer(t, envelope.Options{Keyring: m, CacheSize: 100, CacheTTL: time.Hour}), m
}

func seal(t testing.TB, s *envelope.Sealer, id, plaintext string) sealed.Value {
	t.Helper()
	v, err := s.Seal(t.Context(), id, []byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// table is a keyring that knows a few wrapped keys, as a double of KMS does.
type table map[string]entry // by wrapped key

type entry struct{ id, key string }

func (k table) Wrap(_ context.Context, key []byte, ec keyring.Context) ([]byte, error) {
	for wrapped, e := range k {
		if len(ec) == 1 && ec["id"] == e.id && string(key) == e.key {
			return []byte(wrapped), nil
		}
	}
	return nil, fmt.Errorf("asked to wrap %q under %v", key, ec)
}

func (k table) Unwrap(_ context.Context, wrapped []byte, ec keyring.Context) ([]byte, error) {
	e, ok := k[string(wrapped)]
	if !ok || len(ec) != 1 || ec["id"] != e.id {
		return nil, keyring.ErrRefused
	}
	return []byte(e.key), nil
}

// counting returns the bytes 0, 1, 2 … n-1.
func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestSealer_WritesAndReadsTheWorkedExample(t *testing.T) {
	t.Parallel()
	const plaintext = `{"api_key": "s3cr3t", "user": "svc"}`
	example := envelope.Options{
		Keyring: table{"kms-ciphertext-blob": {id, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},
		Random:  bytes.NewReader(append(counting(32), counting(16)...)), // the key, then the IV
		Now:     func() time.Time { return time.Unix(1577934245, 999) },
	}
	want := sealed.Value{
		Ciphertext: "gAAAAABeDV2lAAECAwQFBgcICQoLDA0OD2XQZx9DwoNRlj_C7JjUUphIj4cuZZGTgUbthtw-RYq7xkCnCFvR23-9We1lrhnu0vsJmLGadQ8DqUSILgDNqpc-qb6ZvWzdlgKw5YfBdCmz",
		DataKey:    []byte("kms-ciphertext-blob"),
		Version:    2,
	}
	s := newSealer(t, example)
	wantValue(t, seal(t, s, id, plaintext), want)
	if got, err := s.Open(t.Context(), id, want); err != nil || string(got) != plaintext {
		t.Errorf("Open = %q, %v; want %q", got, err, plaintext)
	}

	example.Plain, example.Random = true, bytes.NewReader(append(counting(32), counting(16)...))
	want.Ciphertext = "DANGER_NOT_ENCRYPTED_eyJhcGlfa2V5IjogInMzY3IzdCIsICJ1c2VyIjogInN2YyJ9"
	want.DataKey = []byte("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	s = newSealer(t, example)
	wantValue(t, seal(t, s, id, plaintext), want)
	if got, err := s.Open(t.Context(), id, want); err != nil || string(got) != plaintext {
		t.Errorf("Open in clear = %q, %v; want %q", got, err, plaintext)
	}
}

func wantValue(t *testing.T, got, want sealed.Value) {
	t.Helper()
	if got.Ciphertext != want.Ciphertext || !bytes.Equal(got.DataKey, want.DataKey) || got.Version != want.Version {
		t.Errorf("Seal = %q, %q, version %d\nwant   %q, %q, version %d",
			got.Ciphertext, got.DataKey, got.Version, want.Ciphertext, want.DataKey, want.Version)
	}
}

func TestSealer_ReadsWhatTheOlderServiceWrote(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/older_service.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		ID, Key, Ciphertext, Plaintext string
		Wrapped                        []byte
	}
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) < 3 {
		t.Fatalf("%d rows, want at least 3", len(rows))
	}
	keys := table{}
	for _, r := range rows {
		keys[string(r.Wrapped)] = entry{r.ID, r.Key}
	}
	s := newSealer(t, envelope.Options{Keyring: keys})
	for _, r := range rows {
		got, err := s.Open(t.Context(), r.ID, sealed.Value{Ciphertext: r.Ciphertext, DataKey: r.Wrapped, Version: 2})
		if err != nil || string(got) != r.Plaintext {
			t.Errorf("%s: Open = %q, %v; want %q", r.ID, got, err, r.Plaintext)
		}
	}
}

func TestNew_NeedsAKeyringUnlessPlain(t *testing.T) {
	t.Parallel()
	if _, err := envelope.New(envelope.Options{}); err == nil {
		t.Error("New without keyring: no error")
	}
	if _, err := envelope.New(envelope.Options{Plain: true}); err != nil {
		t.Errorf("New without keyring, plain: %v", err)
	}
}

func TestSealer_OpensWhatItSeals(t *testing.T) {
	t.Parallel()
	s, _ := cached(t)
	plain := newSealer(t, envelope.Options{Plain: true})
	for _, size := range []int{0, 1, 15, 16, 17, 200, 100_000, 1 << 20} {
		plaintext := strings.Repeat("x", size)
		for _, s := range []*envelope.Sealer{s, plain} {
			v := seal(t, s, id, plaintext)
			for range 2 {
				if got, err := s.Open(t.Context(), id, v); err != nil || string(got) != plaintext {
					t.Errorf("%d bytes: Open = %d bytes, %v", size, len(got), err)
				}
			}
		}
	}
}

func TestSeal_DrawsAKeyAndIVForEachValue(t *testing.T) {
	t.Parallel()
	s, m := cached(t)
	a, b := seal(t, s, id, "same"), seal(t, s, id, "same")
	if a.Ciphertext == b.Ciphertext || bytes.Equal(a.DataKey, b.DataKey) {
		t.Error("two values share a key or a token")
	}
	for _, v := range []sealed.Value{a, b} {
		key, err := m.Unwrap(t.Context(), v.DataKey, keyring.Context{"id": id})
		if err != nil {
			t.Fatal(err)
		}
		if raw, err := base64.URLEncoding.Strict().DecodeString(string(key)); len(key) != 44 || len(raw) != 32 || err != nil {
			t.Errorf("wrapped was %d bytes, %v; want the 44 characters of 32 bytes", len(key), err)
		}
	}
}

func TestSeal_FailsWithoutRandomness(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 31, 32, 47} {
		s := newSealer(t, envelope.Options{Keyring: keyringtest.NewMemory(), Random: bytes.NewReader(make([]byte, n))})
		if v, err := s.Seal(t.Context(), id, nil); err == nil || v.Ciphertext != "" {
			t.Errorf("%d random bytes: Seal = %q, %v", n, v.Ciphertext, err)
		}
	}
}

func TestOpen_ASwappedDataKeyIsRefusedEvenWhenCached(t *testing.T) {
	t.Parallel()
	s, _ := cached(t)
	a, b := seal(t, s, "a", "of a"), seal(t, s, "b", "of b")
	for range 2 { // the second time with both keys in the cache
		for id, v := range map[string]sealed.Value{
			"a": b, // a whole value moved
			"b": a,
			// a data key alone moved
			"a ": {Ciphertext: a.Ciphertext, DataKey: b.DataKey, Version: 2},
			"b ": {Ciphertext: a.Ciphertext, DataKey: b.DataKey, Version: 2},
		} {
			if got, err := s.Open(t.Context(), strings.TrimSpace(id), v); !errors.Is(err, envelope.ErrDecrypt) || got != nil {
				t.Errorf("%s: Open = %q, %v; want ErrDecrypt", id, got, err)
			}
		}
		for id, v := range map[string]sealed.Value{"a": a, "b": b} {
			if got, err := s.Open(t.Context(), id, v); err != nil || string(got) != "of "+id {
				t.Errorf("%s: Open = %q, %v", id, got, err)
			}
		}
	}
}

func TestOpen_RefusesWhatIsNotOfItsKind(t *testing.T) {
	t.Parallel()
	s, _ := cached(t)
	plain := newSealer(t, envelope.Options{Plain: true})
	v, open := seal(t, s, id, "x"), seal(t, plain, id, "x")
	version := func(v sealed.Value, n int) sealed.Value { v.Version = n; return v }
	text := func(v sealed.Value, text string) sealed.Value { v.Ciphertext = text; return v }
	for name, tt := range map[string]struct {
		s     *envelope.Sealer
		v     sealed.Value
		words string
	}{
		"version 1":                 {s, version(v, 1), "cipher version 1"},
		"version 3":                 {s, version(v, 3), "cipher version 3"},
		"version -2":                {s, version(v, -2), "cipher version -2"},
		"version 1 in clear":        {plain, version(open, 1), "cipher version 1"},
		"no version, no token":      {s, version(text(v, `{"a": "b"}`), 0), "malformed"},
		"nothing":                   {s, sealed.Value{Version: 2}, "does not open"},
		"no token":                  {s, text(v, ""), "0 bytes"},
		"in clear, encryption on":   {s, open, "in clear, and encryption is on"},
		"in clear, older":           {s, version(open, 0), "in clear, and encryption is on"},
		"encrypted, encryption off": {plain, v, "encryption is off"},
		"in clear, malformed":       {plain, text(open, "DANGER_NOT_ENCRYPTED_e30"), "base64"},
		"other wrapped key":         {s, sealed.Value{Ciphertext: v.Ciphertext, DataKey: []byte("x"), Version: 2}, "does not open"},
	} {
		got, err := tt.s.Open(t.Context(), id, tt.v)
		if !errors.Is(err, envelope.ErrDecrypt) || !strings.Contains(fmt.Sprint(err), tt.words) || got != nil {
			t.Errorf("%s: Open = %q, %v; want ErrDecrypt with %q", name, got, err, tt.words)
		}
	}
}

func TestOpen_TakesARowWithoutVersionAndWarnsOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newSealer(t, envelope.Options{
		Keyring: keyringtest.NewMemory(),
		Log:     slog.New(slog.NewTextHandler(&log, nil)),
	})
	v := seal(t, s, id, "old")
	v.Version = 0
	for range 3 {
		if got, err := s.Open(t.Context(), id, v); err != nil || string(got) != "old" {
			t.Errorf("Open = %q, %v; want old", got, err)
		}
	}
	if got := strings.Count(log.String(), "level=WARN"); got != 1 || !strings.Contains(log.String(), id) {
		t.Errorf("%d warnings, want one that names the row: %s", got, &log)
	}
}

func TestOpen_TakesTheFormsOfADataKey(t *testing.T) {
	t.Parallel()
	text := "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=" // of the published Fernet vectors
	raw, err := base64.URLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	v := sealed.Value{
		Ciphertext: "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==",
		Version:    2,
	}
	for name, tt := range map[string]struct {
		key  string
		good bool
	}{
		"44 characters":          {text, true},
		"32 bytes":               {string(raw), true},
		"none":                   {"", false},
		"31 bytes":               {string(raw[1:]), false},
		"33 bytes":               {string(raw) + "x", false},
		"43 characters":          {text[:43], false},
		"45 characters":          {text + "=", false},
		"44 that are no base64":  {strings.Repeat("!", 44), false},
		"44 of 33 bytes":         {strings.Repeat("A", 44), false},
		"44 in another alphabet": {strings.NewReplacer("-", "+", "_", "/").Replace(text), false},
		"44 with a line end":     {"\n" + text[:43], false},
		"44, not canonical":      {text[:42] + "5=", false},
		"another key":            {strings.Repeat("A", 43) + "=", false},
	} {
		m := keyringtest.NewMemory()
		if v.DataKey, err = m.Wrap(t.Context(), []byte(tt.key), keyring.Context{"id": id}); err != nil {
			t.Fatal(err)
		}
		got, err := newSealer(t, envelope.Options{Keyring: m}).Open(t.Context(), id, v)
		if tt.good && (err != nil || string(got) != "hello") {
			t.Errorf("%s: Open = %q, %v; want hello", name, got, err)
		}
		if !tt.good && !errors.Is(err, envelope.ErrDecrypt) {
			t.Errorf("%s: Open = %q, %v; want ErrDecrypt", name, got, err)
		}
	}
}

func TestSealer_PassesAnOutageThrough(t *testing.T) {
	t.Parallel()
	s, m := cached(t)
	v := seal(t, newSealer(t, envelope.Options{Keyring: m}), id, "x")
	m.Fail(fmt.Errorf("calling it: %w", keyring.ErrUnavailable))
	_, openErr := s.Open(t.Context(), id, v)
	_, sealErr := s.Seal(t.Context(), id, nil)
	for what, err := range map[string]error{"Open": openErr, "Seal": sealErr} {
		if !errors.Is(err, keyring.ErrUnavailable) || errors.Is(err, envelope.ErrDecrypt) {
			t.Errorf("%s = %v, want ErrUnavailable alone", what, err)
		}
	}
	m.Fail(nil)
	if _, err := s.Open(t.Context(), id, v); err != nil {
		t.Errorf("Open after the outage: %v", err)
	}
}

func TestSealer_UnwrapsAsOftenAsTheCacheAsks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size int
		ttl  time.Duration
		want int
	}{
		"kept":              {2, time.Hour, 2},
		"one place for two": {1, time.Hour, 6},
		"no place":          {0, time.Hour, 6},
		"no life":           {2, 0, 6},
	} {
		m := keyringtest.NewMemory()
		s := newSealer(t, envelope.Options{Keyring: m, CacheSize: tt.size, CacheTTL: tt.ttl})
		elsewhere := newSealer(t, envelope.Options{Keyring: m})
		a, b := seal(t, elsewhere, "a", "x"), seal(t, elsewhere, "b", "x")
		for range 3 {
			for _, open := range []func() ([]byte, error){
				func() ([]byte, error) { return s.Open(t.Context(), "a", a) },
				func() ([]byte, error) { return s.Open(t.Context(), "b", b) },
			} {
				if got, err := open(); err != nil || string(got) != "x" {
					t.Fatalf("%s: Open = %q, %v; want x", name, got, err)
				}
			}
		}
		asked := m.Unwraps()
		if len(asked) != tt.want {
			t.Errorf("%s: %d unwraps, want %d", name, len(asked), tt.want)
		}
		for _, ec := range asked {
			if len(ec) != 1 || ec["id"] != "a" && ec["id"] != "b" {
				t.Errorf("%s: unwrapped under %v, want the id alone", name, ec)
			}
		}
	}
}

func TestSealer_OpensWhatItSealedWithoutAsking(t *testing.T) {
	t.Parallel()
	s, m := cached(t)
	v := seal(t, s, "a", "x")
	m.Fail(keyring.ErrUnavailable)
	if got, err := s.Open(t.Context(), "a", v); err != nil || string(got) != "x" {
		t.Errorf("Open = %q, %v; want x", got, err)
	}
	m.Fail(nil)
	if _, err := s.Open(t.Context(), "b", v); !errors.Is(err, envelope.ErrDecrypt) {
		t.Errorf("Open for another id: %v, want ErrDecrypt", err)
	}
}

// slow takes a second to unwrap.
type slow struct{ keyring.Keyring }

func (s slow) Unwrap(ctx context.Context, wrapped []byte, ec keyring.Context) ([]byte, error) {
	select {
	case <-time.After(time.Second):
		return s.Keyring.Unwrap(ctx, wrapped, ec)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestOpen_ManyCallersShareOneUnwrap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := keyringtest.NewMemory()
		s := newSealer(t, envelope.Options{Keyring: slow{m}, CacheSize: 10, CacheTTL: time.Minute})
		v := seal(t, newSealer(t, envelope.Options{Keyring: m}), id, "x")
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%10 == 0 {
					time.AfterFunc(time.Millisecond, cancel)
				}
				got, err := s.Open(ctx, id, v)
				if i%10 == 0 && !errors.Is(err, context.Canceled) {
					t.Errorf("a cancelled caller got %q, %v", got, err)
				}
				if i%10 != 0 && (err != nil || string(got) != "x") {
					t.Errorf("Open = %q, %v; want x", got, err)
				}
			})
		}
		wg.Wait()
		if got := len(m.Unwraps()); got != 1 {
			t.Errorf("%d unwraps, want 1", got)
		}
	})
}

// Openers, some of them of damaged values, share scratch memory and keys.
func TestSealer_ConcurrentUse(t *testing.T) {
	t.Parallel()
	m := keyringtest.NewMemory()
	s := newSealer(t, envelope.Options{Keyring: m, CacheSize: 2, CacheTTL: 100 * time.Microsecond})
	var values [6]sealed.Value
	for i := range values {
		values[i] = seal(t, s, fmt.Sprint(i), strings.Repeat(fmt.Sprint(i), 100*i))
	}
	damaged := values[1]
	damaged.Ciphertext = damaged.Ciphertext[:40] + "AAAA" + damaged.Ciphertext[44:]
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 300 {
				i := (w + n) % len(values)
				got, err := s.Open(t.Context(), fmt.Sprint(i), values[i])
				if err != nil || string(got) != strings.Repeat(fmt.Sprint(i), 100*i) {
					t.Errorf("Open = %d bytes, %v", len(got), err)
				}
				if _, err := s.Open(t.Context(), "1", damaged); !errors.Is(err, envelope.ErrDecrypt) {
					t.Errorf("Open of a damaged value = %v", err)
				}
				if n%10 == 0 {
					if _, err := s.Seal(t.Context(), "new", []byte("x")); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestErrors_ShowNoPlaintext(t *testing.T) {
	t.Parallel()
	s, _ := cached(t)
	v := seal(t, s, id, "hidden")
	v.Ciphertext = v.Ciphertext[:len(v.Ciphertext)-4] + "AAAA"
	_, err := s.Open(t.Context(), id, v)
	if err == nil || !strings.Contains(err.Error(), id) {
		t.Errorf("Open = %v, want an error that names the id", err)
	}
	if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, v.Ciphertext[10:20]) || strings.Contains(text, "hidden") {
		t.Errorf("the error shows too much: %s", text)
	}
}
