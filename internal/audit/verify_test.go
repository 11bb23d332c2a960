package audit

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// logOf makes a closed log of three segments with three records each and
// returns its directory.
func logOf(t *testing.T, key crypto.Signer) string {
	t.Helper()
	dir := t.TempDir()
	l, err := OpenFile(FileOptions{Dir: dir, SegmentSize: 1000, SigningKey: key})
	if err != nil {
		t.Fatal(err)
	}
	appendN(t, l, 9)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := segmentNames(t, dir); len(got) != 3 {
		t.Fatalf("segments %v, want three", got)
	}
	return dir
}

func logSegment(dir string, ordinal, first uint64) string {
	return filepath.Join(dir, segment{ordinal, first}.name())
}

func TestVerify_SaysWhereALogIsBroken(t *testing.T) {
	t.Parallel()
	// Lines are numbered from 0 within the second segment, records 4 to 6.
	change := func(f func(lines []string) []string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			edit(t, logSegment(dir, 2, 4), func(s string) string {
				return strings.Join(f(strings.SplitAfter(s, "\n")), "")
			})
		}
	}
	remove := func(ordinal, first uint64) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(logSegment(dir, ordinal, first)); err != nil {
				t.Fatal(err)
			}
		}
	}
	second, third := segment{2, 4}.name(), segment{3, 7}.name()
	for name, tt := range map[string]struct {
		harm    func(t *testing.T, dir string)
		segment string
		line    int
		reason  string
	}{
		"changed text": {change(func(l []string) []string {
			l[1] = strings.Replace(l[1], `"u4"`, `"x4"`, 1)
			return l
		}), second, 2, "changed"},
		"changed date": {change(func(l []string) []string {
			l[1] = strings.Replace(l[1], `{"id":5,"date":"2`, `{"id":5,"date":"1`, 1)
			return l
		}), second, 2, "changed"},
		"added blank": {change(func(l []string) []string {
			l[1] = strings.Replace(l[1], `,"action"`, ` ,"action"`, 1)
			return l
		}), second, 2, "changed"},
		"written anew with its hash": {change(func(l []string) []string {
			f, _ := parseFrame([]byte(strings.TrimSuffix(l[1], "\n")))
			h := head{4, f.prev}
			l[1] = lineOf(&h, Entry{User: "forged"})
			return l
		}), second, 3, "hash of the one before"},
		"removed line":    {change(func(l []string) []string { return append(l[:1], l[2:]...) }), second, 2, "record 6 follows record 4"},
		"doubled line":    {change(func(l []string) []string { return append([]string{l[0]}, l...) }), second, 2, "record 4 follows record 4"},
		"swapped lines":   {change(func(l []string) []string { l[0], l[1] = l[1], l[0]; return l }), second, 1, "record 5 follows record 3"},
		"foreign line":    {change(func(l []string) []string { return append([]string{"hello\n"}, l...) }), second, 1, "not a record"},
		"empty line":      {change(func(l []string) []string { return append([]string{"\n"}, l...) }), second, 1, "not a record"},
		"cut last line":   {change(func(l []string) []string { l[2] = l[2][:50]; return l }), second, 3, "incomplete"},
		"lost last lines": {change(func(l []string) []string { return l[:2] }), third, 1, "record 7 follows record 5"},
		"endless line":    {change(func(l []string) []string { return []string{strings.Repeat("x", maxLine+1)} }), second, 1, "too long"},
		"segment removed": {remove(2, 4), third, 1, "record 7 follows record 3"},
		"first removed":   {remove(1, 1), second, 1, "record 4 follows record 0"},
		"two of one place": {func(t *testing.T, dir string) {
			if err := os.Rename(logSegment(dir, 3, 7), logSegment(dir, 2, 7)); err != nil {
				t.Fatal(err)
			}
		}, segment{2, 7}.name(), 0, "same place"},
		"checkpoint in the middle": {change(func(l []string) []string {
			return append([]string{l[0], removal(t, Checkpoint, l[1])}, l[2:]...)
		}), second, 2, "checkpoint stands elsewhere"},
		"tombstone of another": {change(func(l []string) []string {
			l[1] = removal(t, Tombstone, l[2])
			return l
		}), second, 2, "record 6 follows record 4"},
		"tombstone with another hash": {change(func(l []string) []string {
			l[1] = strings.Replace(removal(t, Tombstone, l[1]), `"hash":"`, `"hash":"`+strings.Repeat("0", 64)+`"}`, 1)[:len(removal(t, Tombstone, l[1]))-1] + "\n"
			return l
		}), second, 3, "hash of the one before"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := logOf(t, nil)
			tt.harm(t, dir)
			r, err := Verify(t.Context(), dir, VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Broken == nil {
				t.Fatalf("Verify finds nothing: %+v", r)
			}
			if r.Broken.Segment != tt.segment || r.Broken.Line != tt.line || !strings.Contains(r.Broken.Reason, tt.reason) {
				t.Errorf("broken at %v, want %s line %d: …%s…", r.Broken, tt.segment, tt.line, tt.reason)
			}
		})
	}
}

// removal returns the line that stands for the removed record of a line.
func removal(t *testing.T, kind Kind, line string) string {
	t.Helper()
	r, err := decodeLine([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"%s":%d,"date":"2026-01-02T03:04:05.000006Z","hash":"%s"}`+"\n", kind, r.Number, r.Hash)
}

func TestVerify_TakesWhatWasRemovedOnPurpose(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	// The first segment and the first record of the second are gone, and two in
	// the middle.
	if err := os.Remove(logSegment(dir, 1, 1)); err != nil {
		t.Fatal(err)
	}
	edit(t, logSegment(dir, 2, 4), func(s string) string {
		l := strings.SplitAfter(s, "\n")
		return removal(t, Checkpoint, l[0]) + removal(t, Tombstone, l[1]) + l[2]
	})
	edit(t, logSegment(dir, 3, 7), func(s string) string {
		l := strings.SplitAfter(s, "\n")
		return l[0] + removal(t, Tombstone, l[1]) + l[2]
	})
	r := verifyTest(t, dir)
	if r.Checkpoint != 4 || r.Tombstones != 2 || r.Entries != 3 || r.First != 5 || r.Last != 9 {
		t.Errorf("report %+v", r)
	}
	// The log goes on behind a tombstone too.
	edit(t, logSegment(dir, 3, 7), func(s string) string {
		l := strings.SplitAfter(s, "\n")
		return l[0] + l[1] + removal(t, Tombstone, l[2])
	})
	if got := appendN(t, openTest(t, FileOptions{Dir: dir}), 1); got != 10 {
		t.Errorf("number %d, want 10", got)
	}
	verifyTest(t, dir)
}

func TestVerify_AnEmptiedLogGoesOnBehindItsCheckpoint(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	for _, first := range []uint64{1, 4} {
		if err := os.Remove(logSegment(dir, (first+2)/3, first)); err != nil {
			t.Fatal(err)
		}
	}
	edit(t, logSegment(dir, 3, 7), func(s string) string {
		return removal(t, Checkpoint, strings.SplitAfter(s, "\n")[2])
	})
	if got := appendN(t, openTest(t, FileOptions{Dir: dir}), 1); got != 10 {
		t.Errorf("number %d, want 10", got)
	}
	if r := verifyTest(t, dir); r.Checkpoint != 9 || r.First != 10 || r.Last != 10 {
		t.Errorf("report %+v", r)
	}
}

func TestVerify_ATornEndBeforeTheNextStartIsNoBreak(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	edit(t, logSegment(dir, 3, 7), func(s string) string { return s + `{"id":10,` })
	if r := verifyTest(t, dir); r.TornEnd != 9 || r.Last != 9 {
		t.Errorf("report %+v, want 9 torn bytes behind record 9", r)
	}
}

func TestVerify_NeedsNothingButTheSegments(t *testing.T) {
	t.Parallel()
	dir := logOf(t, nil)
	if err := os.Remove(filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	if r := verifyTest(t, dir); r.Entries != 9 || r.Index != IndexAbsent || len(r.Hash) != 64 {
		t.Errorf("report %+v", r)
	}
	if _, err := Verify(t.Context(), filepath.Join(dir, "missing"), VerifyOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Verify of no directory: %v, want fs.ErrNotExist", err)
	}
}

func TestVerify_CanBeInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	appendN(t, openTest(t, FileOptions{Dir: dir}), 2000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, dir, VerifyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify = %v, want context.Canceled", err)
	}
}

func TestVerify_RunsBesideWriters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openTest(t, FileOptions{Dir: dir, SegmentSize: 32 << 10})
	done := make(chan struct{})
	go func() {
		defer close(done)
		appendFromMany(t, l, 4, 200)
	}()
	for {
		r := verifyTest(t, dir)
		if r.TornEnd != 0 {
			t.Errorf("report %+v, want whole lines", r)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// signingKeys returns one key of each kind.
func signingKeys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	r, err1 := rsa.GenerateKey(rand.Reader, 2048)
	e, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, d, err3 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"rsa": r, "ecdsa": e, "ed25519": d}
}

func TestVerify_ChecksSignatures(t *testing.T) {
	t.Parallel()
	keys := signingKeys(t)
	for name, key := range keys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := logOf(t, key)
			verify := func() Report {
				t.Helper()
				r, err := Verify(t.Context(), dir, VerifyOptions{Key: key.Public()})
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			if r := verify(); r.Broken != nil || r.Signed != 2 || r.Unsigned != 0 || r.SignedTo != 6 {
				t.Errorf("report %+v, broken %v; want two signatures up to record 6", r, r.Broken)
			}
			sig := logSegment(dir, 2, 4) + signatureSuffix
			good, err := os.ReadFile(sig)
			if err != nil {
				t.Fatal(err)
			}
			for what, harm := range map[string]func(string) string{
				"other signature": func(s string) string {
					i := strings.Index(s, `"signature":"`) + len(`"signature":"`)
					return s[:i] + map[bool]string{true: "B", false: "A"}[s[i] == 'A'] + s[i+1:]
				},
				"other record": func(s string) string { return strings.Replace(s, `"id":6`, `"id":5`, 1) },
				"no JSON":      func(string) string { return "x" },
			} {
				edit(t, sig, harm)
				if r := verify(); r.Broken == nil || r.Broken.Segment != filepath.Base(sig) {
					t.Errorf("%s: broken %v, want at the signature", what, r.Broken)
				}
				if err := os.WriteFile(sig, good, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Remove(sig); err != nil {
				t.Fatal(err)
			}
			if r := verify(); r.Broken == nil || !strings.Contains(r.Broken.Reason, "no signature") {
				t.Errorf("without the second signature: broken %v", r.Broken)
			}
			if err := os.Remove(logSegment(dir, 1, 1) + signatureSuffix); err != nil {
				t.Fatal(err)
			}
			if r := verify(); r.Broken != nil || r.Unsigned != 2 || r.SignedTo != 0 {
				t.Errorf("without any: %+v, broken %v; want two unsigned segments", r, r.Broken)
			}
		})
	}
	t.Run("another key", func(t *testing.T) {
		t.Parallel()
		dir := logOf(t, keys["rsa"])
		r, err := Verify(t.Context(), dir, VerifyOptions{Key: keys["ecdsa"].Public()})
		if err != nil || r.Broken == nil || !strings.Contains(r.Broken.Reason, "another key") {
			t.Errorf("broken %v, error %v; want that it was another key", r.Broken, err)
		}
	})
}

// A log forged from the middle on, hashes and all, does not fit its signatures.
func TestVerify_AForgedChainDoesNotFitItsSignature(t *testing.T) {
	t.Parallel()
	key := signingKeys(t)["ed25519"]
	dir := logOf(t, key)
	h := head{hash: genesis()}
	for i, name := range segmentNames(t, dir) {
		edit(t, filepath.Join(dir, name), func(s string) string {
			forged := ""
			for line := range strings.Lines(s) {
				r, err := decodeLine([]byte(line))
				if err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					r.User = "innocent"
				}
				forged += string(h.appendLine(nil, appendDate(nil, r.Date), nil, appendBody(nil, &r.Entry)))
			}
			return forged
		})
	}
	verifyTest(t, dir) // the chain alone does not show it
	r, err := Verify(t.Context(), dir, VerifyOptions{Key: key.Public()})
	if err != nil || r.Broken == nil || r.Broken.Segment != (segment{2, 4}).name()+signatureSuffix {
		t.Errorf("broken %v, error %v; want the second segment's signature", r.Broken, err)
	}
}

func TestParseSigningKey_ReadsTheUsualForms(t *testing.T) {
	t.Parallel()
	keys := signingKeys(t)
	encode := func(kind string, der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	pkcs8 := func(k any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		return encode("PRIVATE KEY", der, err)
	}
	sec1, err := x509.MarshalECPrivateKey(keys["ecdsa"].(*ecdsa.PrivateKey))
	for name, tt := range map[string]struct {
		text []byte
		want crypto.Signer
	}{
		"PKCS #8 RSA":     {pkcs8(keys["rsa"]), keys["rsa"]},
		"PKCS #8 ECDSA":   {pkcs8(keys["ecdsa"]), keys["ecdsa"]},
		"PKCS #8 Ed25519": {pkcs8(keys["ed25519"]), keys["ed25519"]},
		"PKCS #1":         {encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(keys["rsa"].(*rsa.PrivateKey)), nil), keys["rsa"]},
		"SEC 1":           {encode("EC PRIVATE KEY", sec1, err), keys["ecdsa"]},
	} {
		got, err := ParseSigningKey(tt.text)
		if err != nil || !got.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(tt.want.Public()) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, text := range map[string][]byte{
		"empty":       nil,
		"no PEM":      []byte("hello"),
		"certificate": encode("CERTIFICATE", []byte{1}, nil),
		"damaged":     encode("PRIVATE KEY", []byte{1}, nil),
	} {
		if got, err := ParseSigningKey(text); err == nil {
			t.Errorf("%s: ParseSigningKey = %v, want an error", name, got)
		}
	}
}
