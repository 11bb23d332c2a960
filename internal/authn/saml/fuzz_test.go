package saml_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/saml"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// zeros is a source of bytes that are not random, so that the request of every
// run has the same ID and the corpus fits to it.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// postFuzzed posts a document, whatever it is, to a service that takes every
// kind of signed response.
func postFuzzed(t testing.TB, text string) *world {
	w, b := newWorld(t, withKey(t), anySignature, func(o *saml.Options) { o.Random = zeros{} }), browser{}
	b.begin(w, "/v1/login")
	b.post(w, form(text))
	if w.ended != 1 {
		t.Fatalf("ended %d times", w.ended)
	}
	return w
}

// Whatever is posted is refused, or names the one user whose name the provider
// has signed.
func FuzzConsume(f *testing.F) {
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		w := postFuzzed(t, string(text))
		if len(text) == 0 { // a form without a response
			return
		}
		switch {
		case w.err == nil && (w.identity.Name != "user@example.com" || w.identity.Administrator):
			t.Fatalf("accepted as %+v", w.identity)
		case w.err != nil && (!fault.Is(w.err, fault.Unauthenticated) || w.identity != authn.Identity{}):
			t.Fatalf("%+v, %v", w.identity, w.err)
		}
	})
}

// Left takes any query without a panic, and what it accepts was signed.
func FuzzLeft(f *testing.F) {
	f.Fuzz(func(t *testing.T, rawQuery string) {
		w := newWorld(t)
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/v1/saml/logout", RawQuery: rawQuery}}
		location, err := w.saml.Left(r)
		switch {
		case err == nil && !strings.Contains(rawQuery, "Signature="):
			t.Fatalf("sent to %s without a signature", location)
		case err != nil && (!fault.Is(err, fault.Unauthenticated) || location != ""):
			t.Fatalf("%q, %v", location, err)
		}
	})
}

// corpus returns the documents that fuzzing of a target begins with.
func corpus(t *testing.T, target string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "fuzz", target, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus of %s: %v", target, err)
	}
	found := map[string]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		_, literal, _ := strings.Cut(lines[len(lines)-1], "(")
		if found[filepath.Base(name)], err = strconv.Unquote(strings.TrimSuffix(literal, ")")); err != nil {
			t.Fatalf("%s is no corpus file: %v", name, err)
		}
	}
	return found
}

func TestCorpus_FuzzingBeginsWithWhatIsAccepted(t *testing.T) {
	t.Parallel()
	for name, text := range corpus(t, "FuzzConsume") {
		w := postFuzzed(t, text)
		if accepted := strings.HasPrefix(name, "accepted-"); accepted != (w.err == nil) {
			t.Errorf("FuzzConsume/%s: %v", name, w.err)
		}
	}
	for name, text := range corpus(t, "FuzzLeft") {
		_, err := newWorld(t).left(text)
		if accepted := strings.HasPrefix(name, "accepted-"); accepted != (err == nil) {
			t.Errorf("FuzzLeft/%s: %v", name, err)
		}
	}
}
