package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/pquerna/otp/totp"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/audit/audittest"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/local"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

const password = "correct horse battery"

// pages writes the struct of a page as JSON.
type pages struct{}

func (pages) write(w http.ResponseWriter, status int, kind string, page any) error {
	text, err := json.Marshal(page)
	if err != nil {
		return err
	}
	w.WriteHeader(status)
	_, err = w.Write([]byte(kind + " " + string(text)))
	return err
}

func (p pages) Login(w http.ResponseWriter, status int, page authn.LoginPage) error {
	return p.write(w, status, "login", page)
}

func (p pages) LoginCode(w http.ResponseWriter, status int, page authn.LoginCodePage) error {
	return p.write(w, status, "code", page)
}

func (p pages) Setup(w http.ResponseWriter, status int, page authn.SetupPage) error {
	return p.write(w, status, "setup", page)
}

// away is a store that can go away.
type away struct {
	store.Documents
	gone *bool
}

func (a away) Put(ctx context.Context, d store.Document, expect int) (int, error) {
	if *a.gone {
		return 0, store.ErrUnavailable
	}
	return a.Documents.Put(ctx, d, expect)
}

func (a away) Get(ctx context.Context, kind, id string) (*store.Document, error) {
	if *a.gone {
		return nil, store.ErrUnavailable
	}
	return a.Documents.Get(ctx, kind, id)
}

// world is the log-in of one process over its store.
type world struct {
	accounts *account.Accounts
	options  local.Options
	router   *chi.Mux
	gone     bool          // the store
	skipped  time.Duration // by which the clock is ahead of the bubble's

	mu       sync.Mutex
	refusals []refusal
	ended    []ending // calls of done
}

// now is the clock of all parts. Skipping time is quicker than sleeping, which
// has the store look for changes all the while.
func (w *world) now() time.Time { return time.Now().Add(w.skipped) }

func (w *world) skip(d time.Duration) { w.skipped += d }

type refusal struct {
	name string
	kind fault.Kind
}

type ending struct {
	identity authn.Identity
	err      error
}

// newWorld returns one over an empty database. It belongs into a synctest bubble.
func newWorld(t *testing.T, change ...func(*local.Options)) *world {
	t.Helper()
	w := &world{}
	s, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(t.TempDir(), "confidant.db"), Log: slog.New(slog.DiscardHandler), Now: w.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	engine, err := authz.NewEngine(nil)
	if err != nil {
		t.Fatal(err)
	}
	documents := away{s.Documents(), &w.gone}
	w.accounts, err = account.New(account.Options{
		Documents: documents, Services: s.Services(), Policy: engine, Audit: &audittest.Recorder{},
		Log: slog.New(slog.DiscardHandler), Secrets: keyringtest.NewMemory(), PollEvery: time.Second,
		Hash: account.Hash{Memory: 8, Passes: 1, Threads: 1}, Now: w.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.accounts.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	challenges, err := authn.NewChallenges(authn.ChallengeOptions{
		Documents: documents, Cookie: "confidant", Secure: func(*http.Request) bool { return false }, Now: w.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.options = local.Options{
		Accounts: w.accounts, Challenges: challenges, Pages: pages{},
		ClientAddr: authn.PeerAddr, Now: w.now,
		Refused: func(_ *http.Request, name string, cause error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refusals = append(w.refusals, refusal{name, fault.KindOf(cause)})
		},
	}
	for _, f := range change {
		f(&w.options)
	}
	flow, err := local.New(w.options)
	if err != nil {
		t.Fatal(err)
	}
	w.router = chi.NewRouter()
	flow.Mount(w.router, func(rw http.ResponseWriter, _ *http.Request, id authn.Identity, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = append(w.ended, ending{id, err})
		rw.WriteHeader(http.StatusTeapot)
	})
	return w
}

func operator() authz.Caller {
	return authz.Caller{Principal: authz.Principal{Type: authz.Operator, Name: "cli:root", Method: "command"}, Door: "command"}
}

func (w *world) mustAdd(t *testing.T, name string) account.Account {
	t.Helper()
	secret := account.Secret(password)
	a, err := w.accounts.Add(t.Context(), operator(), account.NewAccount{Name: name, Password: &secret})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// mustEnrol gives an account a second factor and returns what shows its codes.
func (w *world) mustEnrol(t *testing.T, name string) (code func() string, recovery []account.Secret) {
	t.Helper()
	factor, err := w.accounts.NewTOTP(t.Context(), operator(), name)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(factor.URI))
	if err != nil {
		t.Fatal(err)
	}
	code = func() string {
		text, err := totp.GenerateCode(u.Query().Get("secret"), w.now())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if _, err := w.accounts.EnrolTOTP(t.Context(), operator(), name, factor, account.Secret(code())); err != nil {
		t.Fatal(err)
	}
	w.skip(time.Minute) // to a code that was not used yet
	return code, factor.RecoveryCodes
}

// browser keeps cookies.
type browser map[string]*http.Cookie

func (b browser) send(w *world, r *http.Request) *answer {
	for _, c := range b {
		if strings.HasPrefix(r.URL.Path, c.Path) {
			r.AddCookie(c)
		}
	}
	rec := httptest.NewRecorder()
	w.router.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b, c.Name)
		} else {
			b[c.Name] = c
		}
	}
	return &answer{rec}
}

func (b browser) get(w *world, target string) *answer {
	return b.send(w, httptest.NewRequest("GET", target, nil))
}

func (b browser) post(w *world, path string, fields ...string) *answer {
	return b.send(w, form(path, fields...))
}

// form is a request with fields, as names and values in turn.
func form(path string, fields ...string) *http.Request {
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

type answer struct{ *httptest.ResponseRecorder }

// page decodes the page of the answer.
func page[T any](t *testing.T, a *answer, kind string, status int) T {
	t.Helper()
	var p T
	text, ok := strings.CutPrefix(a.Body.String(), kind+" ")
	if !ok || a.Code != status {
		t.Fatalf("%d %s; want %d and the page %s", a.Code, a.Body, status, kind)
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// loggedIn returns who was logged in by the last request.
func (w *world) loggedIn(t *testing.T, a *answer) authn.Identity {
	t.Helper()
	if a.Code != http.StatusTeapot || len(w.ended) != 1 || w.ended[0].err != nil {
		t.Fatalf("%d %s, ended %+v; want a log-in", a.Code, a.Body, w.ended)
	}
	id := w.ended[0].identity
	w.ended = nil
	return id
}

// refusedWith takes the one refusal that was told.
func (w *world) refusedWith(t *testing.T, name string, kind fault.Kind) {
	t.Helper()
	if len(w.refusals) != 1 || w.refusals[0] != (refusal{name, kind}) {
		t.Errorf("refusals: %+v; want one of %q, %v", w.refusals, name, kind)
	}
	w.refusals = nil
}

func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

func TestLogin_IsAFormThatLogsIn(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		made := w.mustAdd(t, "Alice")
		b := browser{}
		a := b.get(w, "/v1/login?next=/services%3Fpage%3D2")
		if a.Code != http.StatusFound || a.Header().Get("Location") != "/login?next=%2Fservices%3Fpage%3D2" {
			t.Errorf("GET /v1/login: %d %v", a.Code, a.Header())
		}
		a = b.get(w, a.Header().Get("Location"))
		shown := page[authn.LoginPage](t, a, "login", http.StatusOK)
		if shown.Next != "/services?page=2" || shown.Error != "" || shown.NoAccounts || a.Header().Get("Referrer-Policy") != "strict-origin" {
			t.Errorf("GET /login: %+v %v", shown, a.Header())
		}
		id := w.loggedIn(t, b.post(w, "/login", "name", "aLiCe", "password", password, "next", shown.Next))
		want := authn.Identity{
			Principal:  authz.Principal{Type: authz.User, Name: "Alice", Method: "local", Administrator: true, Ambient: true},
			Generation: made.Generation, Next: "/services?page=2",
		}
		if id != want {
			t.Errorf("identity: %+v, want %+v", id, want)
		}
		if len(w.refusals) != 0 {
			t.Errorf("refusals: %v", w.refusals)
		}
		if a := b.post(w, "/v1/login"); a.Code != http.StatusSeeOther || a.Header().Get("Location") != "/login" {
			t.Errorf("POST /v1/login: %d %v", a.Code, a.Header())
		}
	})
}

func TestLogin_GoesNowhereElse(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.mustAdd(t, "alice")
		for _, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/\tx", "javascript:alert(1)", "evil", ""} {
			query := "/login?" + url.Values{"next": {next}}.Encode()
			if got := page[authn.LoginPage](t, browser{}.get(w, query), "login", 200).Next; got != "/" {
				t.Errorf("next=%q in the form: %q", next, got)
			}
			if got := browser.get(browser{}, w, "/v1"+query).Header().Get("Location"); got != "/login" {
				t.Errorf("next=%q redirects to %q", next, got)
			}
			if id := w.loggedIn(t, browser{}.post(w, "/login", "name", "alice", "password", password, "next", next)); id.Next != "/" {
				t.Errorf("next=%q posted leads to %q", next, id.Next)
			}
		}
	})
}

func TestLogin_SaysOneSentenceOfAllThatIsWrong(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.mustAdd(t, "Alice")
		if _, err := w.accounts.Add(t.Context(), operator(), account.NewAccount{Name: "robot"}); err != nil {
			t.Fatal(err)
		}
		for name, tt := range map[string]struct{ user, password, told string }{
			"wrong password":             {"Alice", "wrong horse battery", "Alice"},
			"another case":               {"aLICE", "wrong horse battery", "Alice"},
			"unknown account":            {"mallory", password, ""},
			"password typed as the name": {password, "another secret", ""},
			"no password set":            {"robot", password, "robot"},
			"huge password":              {"Alice", strings.Repeat("x", 5000), "Alice"},
		} {
			a := browser{}.post(w, "/login", "name", tt.user, "password", tt.password, "next", "/x")
			shown := page[authn.LoginPage](t, a, "login", http.StatusUnauthorized)
			if shown.Error != "Name or password is wrong." || shown.Name != tt.user || shown.Next != "/x" {
				t.Errorf("%s: %+v", name, shown)
			}
			if strings.Contains(a.Body.String(), tt.password) {
				t.Errorf("%s: the password comes back", name)
			}
			w.refusedWith(t, tt.told, fault.Unauthenticated)
		}
		if len(w.ended) != 0 {
			t.Errorf("ended: %+v", w.ended)
		}
	})
}

func TestLogin_WithoutBothFieldsNothingIsTried(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		for _, fields := range [][]string{{}, {"name", "alice"}, {"password", password}} {
			if shown := page[authn.LoginPage](t, browser{}.post(w, "/login", fields...), "login", 400); shown.Error == "" || !shown.NoAccounts {
				t.Errorf("%v: %+v", fields, shown)
			}
		}
		// Fields in the address are none: it stands in histories and logs.
		r := form("/login?name=alice&password=" + url.QueryEscape(password))
		page[authn.LoginPage](t, browser{}.send(w, r), "login", 400)
		if len(w.refusals) != 0 {
			t.Errorf("refusals: %v", w.refusals)
		}
	})
}

func TestForms_OfOtherSitesAndOtherFormsAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*http.Request)
		kind   fault.Kind
	}{
		"another site":             {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, fault.Denied},
		"a sister site":            {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, fault.Denied},
		"another origin":           {func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") }, fault.Denied},
		"an origin that is hidden": {func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") }, fault.Denied},
		"too large":                {func(r *http.Request) { *r = *withBody(r, "name="+strings.Repeat("x", 20000)) }, fault.TooLarge},
		"broken":                   {func(r *http.Request) { *r = *withBody(r, "name=%zz") }, fault.Invalid},
	}
	bubble(t, func(t *testing.T, w *world) {
		w.mustAdd(t, "alice")
		for name, tt := range tests {
			for _, path := range []string{"/login", "/login/code", "/setup"} {
				r := form(path, "name", "alice", "password", password)
				tt.change(r)
				browser{}.send(w, r)
				if len(w.ended) != 1 || fault.KindOf(w.ended[0].err) != tt.kind {
					t.Errorf("%s, %s: ended %+v, want %v", name, path, w.ended, tt.kind)
				}
				w.ended = nil
			}
		}
	})
}

func withBody(r *http.Request, body string) *http.Request {
	fresh := httptest.NewRequest(r.Method, r.URL.String(), strings.NewReader(body))
	fresh.Header = r.Header
	return fresh
}

func TestForms_OfOurOwnOriginAreTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *local.Options) { o.Origins = []string{"https://confidant.example.com"} })
		w.mustAdd(t, "alice")
		for _, origin := range []string{"https://confidant.example.com", "http://example.com", ""} { // the host of httptest
			r := form("/login", "name", "alice", "password", password)
			r.Header.Del("Sec-Fetch-Site")
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			w.loggedIn(t, browser{}.send(w, r))
		}
	})
}

func TestCode_FollowsThePassword(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		made := w.mustAdd(t, "Alice")
		code, recovery := w.mustEnrol(t, "alice")
		begin := func(b browser) string {
			shown := page[authn.LoginCodePage](t, b.post(w, "/login", "name", "alice", "password", password, "next", "/x"), "code", http.StatusOK)
			if shown.Error != "" || shown.Recovery || len(w.ended) != 0 {
				t.Errorf("page: %+v, ended %+v", shown, w.ended)
			}
			return shown.Challenge
		}
		b := browser{}
		id := w.loggedIn(t, b.post(w, "/login/code", "challenge", begin(b), "code", code()))
		if id.Name != "Alice" || id.Generation != made.Generation || id.Next != "/x" || !id.Ambient || !id.Administrator || id.Method != "local" {
			t.Errorf("identity: %+v", id)
		}
		if len(b) != 0 {
			t.Errorf("cookies are left: %v", b)
		}

		// The same code again, and then a recovery code.
		shown := page[authn.LoginCodePage](t, b.post(w, "/login/code", "challenge", begin(b), "code", code()), "code", http.StatusUnauthorized)
		if shown.Error == "" || shown.Recovery {
			t.Errorf("a used code: %+v", shown)
		}
		w.refusedWith(t, "Alice", fault.Unauthenticated)
		shown = page[authn.LoginCodePage](t, b.post(w, "/login/code", "challenge", shown.Challenge, "recovery", "abcd"), "code", http.StatusUnauthorized)
		if !shown.Recovery {
			t.Errorf("a wrong recovery code: %+v", shown)
		}
		w.refusedWith(t, "Alice", fault.Unauthenticated)
		shown = page[authn.LoginCodePage](t, b.post(w, "/login/code", "challenge", shown.Challenge), "code", http.StatusBadRequest)
		w.loggedIn(t, b.post(w, "/login/code", "challenge", shown.Challenge, "code", "", "recovery", string(recovery[0])))
	})
}

func TestCode_BelongsToTheBrowserAndToOneTry(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.mustAdd(t, "alice")
		code, _ := w.mustEnrol(t, "alice")
		b := browser{}
		challenge := page[authn.LoginCodePage](t, b.post(w, "/login", "name", "alice", "password", password), "code", 200).Challenge
		stale := func(what string, b browser, challenge string) {
			t.Helper()
			if shown := page[authn.LoginPage](t, b.post(w, "/login/code", "challenge", challenge, "code", code()), "login", 401); shown.Error == "" {
				t.Errorf("%s: %+v", what, shown)
			}
			if len(w.refusals) != 1 || w.refusals[0].kind != fault.Unauthenticated {
				t.Errorf("%s: refusals %v", what, w.refusals)
			}
			w.refusals = nil
		}
		stale("another browser", browser{}, challenge)
		stale("no challenge", b, "")
		next := page[authn.LoginCodePage](t, b.post(w, "/login/code", "challenge", challenge, "code", "000000"), "code", 401).Challenge
		w.refusals = nil
		if next == challenge {
			t.Error("a challenge is good for several tries")
		}
		stale("a challenge that was tried", b, challenge)
		w.skip(10 * time.Minute)
		stale("after ten minutes", b, next)
	})
}

func TestCode_APasswordIsGoodForTenCodesAndTenMinutes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.mustAdd(t, "alice")
		code, _ := w.mustEnrol(t, "alice")
		b := browser{}
		start := time.Now()
		challenge := page[authn.LoginCodePage](t, b.post(w, "/login", "name", "alice", "password", password), "code", 200).Challenge
		for range 9 {
			challenge = page[authn.LoginCodePage](t, b.post(w, "/login/code", "challenge", challenge, "code", "000000"), "code", 401).Challenge
		}
		if waited := time.Since(start); waited != (1+2+4+8+15)*time.Second {
			t.Errorf("nine codes took %v", waited)
		}
		page[authn.LoginPage](t, b.post(w, "/login/code", "challenge", challenge, "code", "000000"), "login", 401)

		// The password does not make guessing codes free again; the right code does.
		start = time.Now()
		challenge = page[authn.LoginCodePage](t, b.post(w, "/login", "name", "alice", "password", password), "code", 200).Challenge
		w.loggedIn(t, b.post(w, "/login/code", "challenge", challenge, "code", code()))
		if waited := time.Since(start); waited != 30*time.Second {
			t.Errorf("password and code after ten wrong codes took %v", waited)
		}

		b = browser{}
		w.skip(time.Hour)
		challenge = page[authn.LoginCodePage](t, b.post(w, "/login", "name", "alice", "password", password), "code", 200).Challenge
		w.skip(6 * time.Minute)
		challenge = page[authn.LoginCodePage](t, b.post(w, "/login/code", "challenge", challenge, "code", "000000"), "code", 401).Challenge
		w.skip(5 * time.Minute)
		page[authn.LoginPage](t, b.post(w, "/login/code", "challenge", challenge, "code", code()), "login", 401)
	})
}

func TestCode_AnAccountThatChangedBeginsAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.mustAdd(t, "alice")
		code, _ := w.mustEnrol(t, "alice")
		b := browser{}
		challenge := page[authn.LoginCodePage](t, b.post(w, "/login", "name", "alice", "password", password), "code", 200).Challenge
		next := account.Secret("another long password")
		if _, err := w.accounts.Change(t.Context(), operator(), "alice", account.Change{Password: &next}); err != nil {
			t.Fatal(err)
		}
		if shown := page[authn.LoginPage](t, b.post(w, "/login/code", "challenge", challenge, "code", code()), "login", http.StatusConflict); shown.Error == "" {
			t.Errorf("page: %+v", shown)
		}
	})
}

func TestForms_AnOutageIsNoRefusal(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.mustAdd(t, "alice")
		code, _ := w.mustEnrol(t, "alice")
		b := browser{}
		challenge := page[authn.LoginCodePage](t, b.post(w, "/login", "name", "alice", "password", password), "code", 200).Challenge
		w.gone = true
		for range 6 {
			a := b.post(w, "/login", "name", "alice", "password", password)
			if page[authn.LoginPage](t, a, "login", http.StatusServiceUnavailable); a.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			shown := page[authn.LoginCodePage](t, b.post(w, "/login/code", "challenge", challenge, "code", code()), "code", http.StatusServiceUnavailable)
			if shown.Challenge != challenge {
				t.Error("the form can not be sent again")
			}
		}
		w.gone = false
		start := time.Now()
		w.loggedIn(t, b.post(w, "/login/code", "challenge", challenge, "code", code()))
		if time.Since(start) != 0 {
			t.Error("the outage counts as wrong guesses")
		}
	})
}

func TestLogin_GuessingIsSlowedAndThenTurnedAway(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.mustAdd(t, "alice")
		for range 9 {
			browser{}.post(w, "/login", "name", "alice", "password", "wrong horse battery")
		}
		w.refusals = nil
		for range 8 {
			go func() { browser{}.post(w, "/login", "name", "mallory", "password", password) }()
		}
		synctest.Wait()
		a := browser{}.post(w, "/login", "name", "alice", "password", password)
		if shown := page[authn.LoginPage](t, a, "login", http.StatusTooManyRequests); shown.Error == "" || a.Header().Get("Retry-After") != "15" {
			t.Errorf("page: %+v %v", shown, a.Header())
		}
		w.refusedWith(t, "alice", fault.RateLimited)
		// Nobody is locked out: from elsewhere the right password works.
		start := time.Now()
		r := form("/login", "name", "alice", "password", password)
		r.RemoteAddr = "203.0.113.9:4711"
		w.loggedIn(t, browser{}.send(w, r))
		if waited := time.Since(start); waited != 15*time.Second {
			t.Errorf("waited %v", waited)
		}
		synctest.Wait()
	})
}

func TestLogin_WhoGoesAwayWhileWaitingIsNeitherAnsweredNorCounted(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.mustAdd(t, "alice")
		for range 5 {
			browser{}.post(w, "/login", "name", "alice", "password", "wrong horse battery")
		}
		w.refusals = nil
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		browser{}.send(w, form("/login", "name", "alice", "password", password).WithContext(ctx))
		if len(w.ended) != 1 || !errors.Is(w.ended[0].err, context.Canceled) || len(w.refusals) != 0 {
			t.Errorf("ended %+v, refusals %v", w.ended, w.refusals)
		}
		w.ended = nil
		start := time.Now()
		w.loggedIn(t, browser{}.post(w, "/login", "name", "alice", "password", password))
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("waited %v, want as long as after five failures", waited)
		}
	})
}

func TestSetup_MakesTheFirstAccountAndLogsIn(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		token, err := w.accounts.SetupLink(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b := browser{}
		shown := page[authn.SetupPage](t, b.get(w, "/setup?token="+string(token)), "setup", 200)
		if shown.Token != string(token) || shown.Unusable || shown.Error != "" || shown.MinPassword != 12 {
			t.Errorf("page: %+v", shown)
		}
		for name, tt := range map[string]struct {
			name, password, repeat string
			wrong                  func(authn.SetupPage) string
		}{
			"name":     {"no blanks", password, password, func(p authn.SetupPage) string { return p.NameError }},
			"password": {"Alice", "short", "short", func(p authn.SetupPage) string { return p.PasswordError }},
			"repeat":   {"Alice", password, "another long password", func(p authn.SetupPage) string { return p.RepeatError }},
		} {
			a := b.post(w, "/setup", "token", string(token), "name", tt.name, "password", tt.password, "repeat", tt.repeat)
			shown := page[authn.SetupPage](t, a, "setup", http.StatusBadRequest)
			if tt.wrong(shown) == "" || shown.Error == "" || shown.Name != tt.name || shown.Token != string(token) || shown.Unusable {
				t.Errorf("%s: %+v", name, shown)
			}
		}
		if len(w.refusals) != 0 {
			t.Errorf("refusals: %v", w.refusals)
		}
		id := w.loggedIn(t, b.post(w, "/setup", "token", string(token), "name", "Alice", "password", password, "repeat", password))
		generation, _ := w.accounts.Generation("alice")
		if id.Name != "Alice" || id.Generation != generation || id.Next != "/" || !id.Ambient || !id.Administrator {
			t.Errorf("identity: %+v", id)
		}
		again := b.post(w, "/setup", "token", string(token), "name", "mallory", "password", password, "repeat", password)
		if shown := page[authn.SetupPage](t, again, "setup", 401); !shown.Unusable || shown.Error == "" {
			t.Errorf("again: %+v", shown)
		}
		w.refusedWith(t, "", fault.Unauthenticated)
	})
}

func TestSetup_WithoutAGoodLinkThereIsNoForm(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		token, err := w.accounts.SetupLink(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		refused := func(what string, a *answer) {
			t.Helper()
			if shown := page[authn.SetupPage](t, a, "setup", 401); !shown.Unusable || shown.Error == "" {
				t.Errorf("%s: %+v", what, shown)
			}
			w.refusedWith(t, "", fault.Unauthenticated)
		}
		refused("no token", browser{}.get(w, "/setup"))
		refused("wrong token", browser{}.get(w, "/setup?token="+strings.Repeat("x", 43)))
		refused("posted without", browser{}.post(w, "/setup", "name", "alice", "password", password, "repeat", password))
		refused("token in the address of a post", browser{}.post(w, "/setup?token="+string(token), "name", "alice", "password", password, "repeat", password))
		w.skip(15 * time.Minute)
		refused("too late", browser{}.get(w, "/setup?token="+string(token)))
		w.gone = true
		w.refusals = nil
		page[authn.SetupPage](t, browser{}.get(w, "/setup?token="+string(token)), "setup", 503)
	})
}

func TestSetup_OfTwoAtOnceOneLogsIn(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		token, err := w.accounts.SetupLink(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		codes := make(chan int)
		for _, name := range []string{"alice", "bob"} {
			go func() {
				_, err := w.accounts.SetUp(t.Context(), authz.Caller{Client: netip.MustParseAddr("192.0.2.7")}, token,
					account.NewAccount{Name: name, Password: new(account.Secret(password))})
				switch {
				case err == nil:
					codes <- 1
				case fault.Is(err, fault.Stale), fault.Is(err, fault.Unauthenticated):
					codes <- 0
				default:
					t.Error(err)
					codes <- 0
				}
			}()
		}
		if won := <-codes + <-codes; won != 1 {
			t.Errorf("%d won, want one", won)
		}
		if list, err := w.accounts.List(t.Context(), operator()); err != nil || len(list) != 1 {
			t.Errorf("List = %+v, %v; want one account", list, err)
		}
	})
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		good := newWorld(t).options
		for name, change := range map[string]func(*local.Options){
			"no accounts":   func(o *local.Options) { o.Accounts = nil },
			"no challenges": func(o *local.Options) { o.Challenges = nil },
			"no pages":      func(o *local.Options) { o.Pages = nil },
			"no addresses":  func(o *local.Options) { o.ClientAddr = nil },
			"nobody told":   func(o *local.Options) { o.Refused = nil },
			"no origin":     func(o *local.Options) { o.Origins = []string{"confidant.example.com"} },
		} {
			o := good
			change(&o)
			if _, err := local.New(o); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}

// A page that cannot be written is told to who writes errors.
func TestForms_APageThatFailsEndsTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *local.Options) { o.Pages = broken{} })
		browser{}.get(w, "/login")
		if len(w.ended) != 1 || !errors.Is(w.ended[0].err, errBroken) {
			t.Errorf("ended: %+v", w.ended)
		}
	})
}

var errBroken = errors.New("no such template")

type broken struct{}

func (broken) Login(http.ResponseWriter, int, authn.LoginPage) error         { return errBroken }
func (broken) LoginCode(http.ResponseWriter, int, authn.LoginCodePage) error { return errBroken }
func (broken) Setup(http.ResponseWriter, int, authn.SetupPage) error         { return errBroken }
