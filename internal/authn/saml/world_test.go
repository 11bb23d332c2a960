package saml_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/go-chi/chi/v5"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/saml"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// memory is a store of documents.
type memory struct {
	mu   sync.Mutex
	docs map[string]store.Document
	down error // what Get and Put answer with, if set
}

func (m *memory) Get(_ context.Context, kind, id string) (*store.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.docs[kind+"/"+id]
	if m.down != nil {
		return nil, m.down
	}
	if !ok {
		return nil, store.ErrNotFound
	}
	return &d, nil
}

func (m *memory) Put(_ context.Context, d store.Document, _ int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d.Version = 1
	m.docs[d.Kind+"/"+d.ID] = d
	return 1, m.down
}

func (m *memory) Delete(_ context.Context, kind, id string, _ int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.docs[kind+"/"+id]; !ok {
		return store.ErrNotFound
	}
	delete(m.docs, kind+"/"+id)
	return nil
}

func (m *memory) List(context.Context, string, revision.Page) (revision.Slice[*store.Document], error) {
	return revision.Slice[*store.Document]{}, nil
}
func (m *memory) Purge(context.Context, store.Purge) (int, error) { return 0, nil }

// world is one process, with what it has logged.
type world struct {
	t      testing.TB
	now    time.Time
	docs   *memory
	saml   *saml.SAML
	router chi.Router
	log    bytes.Buffer

	identity authn.Identity // how the last log-in ended
	err      error
	ended    int
}

// options are those of a service without a key.
func options(t testing.TB) saml.Options {
	return saml.Options{
		RootURL: root + "/", IDPEntityID: idpEntity, IDPSignonURL: signOn, IDPLogoutURL: signOut, IDPCert: file(t, "idp.crt"),
		SignatureAlgorithm: rsaSHA256, LogoutResponseSigned: true, MessagesSigned: true, WantAttributeStatements: true,
		Administrator: func(email string) bool { return email == "chief@example.com" },
	}
}

// withKey gives a service its key.
func withKey(t testing.TB) func(*saml.Options) {
	return func(o *saml.Options) {
		o.Cert, o.Key = file(t, "sp.crt"), []byte(file(t, "sp.key"))
	}
}

// newWorld starts a process with settings that differ from the usual ones.
func newWorld(t testing.TB, changes ...func(*saml.Options)) *world {
	t.Helper()
	w := &world{t: t, now: noon, docs: &memory{docs: map[string]store.Document{}}}
	o := options(t)
	for _, change := range changes {
		change(&o)
	}
	o.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	o.Now = func() time.Time { return w.now }
	challenges, err := authn.NewChallenges(authn.ChallengeOptions{
		Documents: w.docs, Cookie: "confidant", Secure: func(*http.Request) bool { return true }, Now: o.Now, Random: o.Random,
	})
	if err != nil {
		t.Fatal(err)
	}
	if o.Challenges == nil {
		o.Challenges = challenges
	}
	if w.saml, err = saml.New(o); err != nil {
		t.Fatal(err)
	}
	w.router = chi.NewRouter()
	w.saml.Mount(w.router, func(_ http.ResponseWriter, _ *http.Request, id authn.Identity, err error) {
		w.identity, w.err = id, err
		w.ended++
	})
	return w
}

// browser keeps cookies.
type browser map[string]string

// send sends a request with the cookies and takes those of the answer.
func (b browser) send(w *world, r *http.Request) *httptest.ResponseRecorder {
	for name, value := range b {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer := httptest.NewRecorder()
	w.identity, w.err = authn.Identity{}, nil
	w.router.ServeHTTP(answer, r)
	for _, c := range answer.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b, c.Name)
		} else {
			b[c.Name] = c.Value
		}
	}
	return answer
}

// begin begins a log-in and returns the URL of the provider.
func (b browser) begin(w *world, path string) *url.URL {
	w.t.Helper()
	answer := b.send(w, httptest.NewRequest("GET", path, nil))
	if answer.Code != http.StatusFound {
		w.t.Fatalf("GET %s: %d, %v", path, answer.Code, w.err)
	}
	u, err := url.Parse(answer.Header().Get("Location"))
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// request begins a log-in and returns the ID of the request.
func (b browser) request(w *world) string {
	w.t.Helper()
	return message(w.t, b.begin(w, "/v1/login"), "SAMLRequest").SelectAttrValue("ID", "")
}

// post posts a response as the provider has the browser do.
func (b browser) post(w *world, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/v1/saml/consume", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.send(w, r)
}

// form is the fields of a response.
func form(text string) url.Values {
	return url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(text))}, "RelayState": {"/v1/login"}}
}

// message reads a message out of a URL.
func message(t testing.TB, u *url.URL, field string) *etree.Element {
	t.Helper()
	compressed, err := base64.StdEncoding.DecodeString(u.Query().Get(field))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(compressed)))
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, new(struct{})); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return tree(t, string(text))
}
