package httpapi

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/apitoken"
	"github.com/confidant-secrets/confidant/internal/authn/kmsauth"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/awstest"
	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
	"github.com/confidant-secrets/confidant/internal/vault"
	"github.com/confidant-secrets/confidant/internal/webui"
)

// realm is a world in which callers prove themselves as in the real program:
// by tokens that KMS encrypted, by API tokens and sessions of real accounts.
// Store, keyring and KMS are watched.
type realm struct {
	*world
	store *watchedStore
	keys  *keyringtest.Memory
	aws   *awstest.Server
	ids   map[string]string // of one thing of each kind, by resource type
	kinds []kind
}

// kind is one kind of caller.
type kind struct {
	name      string
	header    []string // how it proves itself
	readOnly  bool     // it calls while maintenance mode is on
	valueless bool     // it never gets a value
}

// serverName is the name that KMS tokens are addressed to.
const serverName = "confidant-test"

// secretValue stands in every credential of a realm.
const secretValue = "not-a-real-one"

// proofsLast is how long tokens and sessions of a realm are good: longer than
// any test's clock runs.
const proofsLast = 24 * time.Hour

func newRealm(t testing.TB) *realm {
	t.Helper()
	m := &realm{
		world: newWorld(t, func(s *setup) { s.options.CustomDirectory = customFiles(t) }),
		keys:  keyringtest.NewMemory(), aws: awstest.New(t), ids: map[string]string{},
	}
	m.watch(t)
	m.serve(t)
	return m
}

// customFiles returns a directory with a file for each of its routes.
func customFiles(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"modules", "styles", "images"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, "confidant.css"), []byte("/* custom */"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// watch puts a watched store and a watched keyring under the server.
func (m *realm) watch(t testing.TB) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "confidant.db"), Log: log, Now: m.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	m.store = &watchedStore{Store: db}
	sealer, err := envelope.New(envelope.Options{Keyring: m.keys, CacheSize: 100, CacheTTL: proofsLast, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	m.sealer = &countingSealer{Sealer: sealer}
	accounts := []string{"production", "sandbox"}
	v, err := vault.New(vault.Dependencies{
		Store: m.store, Sealer: m.sealer, Policy: m.policy, Audit: m.audit, Events: noEvents{},
		ReadOnly: m.isReadOnly, Log: log, Now: m.clock.Now, Random: &counter{},
		Rules: vault.Rules{StoreKeyNames: true, Accounts: accounts},
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := webui.New(webui.Options{Vault: v, ReadOnly: m.isReadOnly, Accounts: accounts, LoginPath: "/v1/login", Now: m.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := m.handler.(*server)
	s.vault, s.pages = v, pages
}

// accounts returns the accounts as one process sees them.
func (m *realm) accounts(t testing.TB, now func() time.Time) *account.Accounts {
	t.Helper()
	accounts, err := account.New(account.Options{
		Documents: m.store.Documents(), Services: m.store.Services(), Policy: m.policy, Audit: m.audit,
		Log: slog.New(slog.DiscardHandler), TokenSecret: bytes.Repeat([]byte("t"), 32), PollEvery: time.Minute, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := accounts.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return accounts
}

// serve lets the server ask KMS, accounts and sessions who calls, and makes the
// proofs of every kind of caller.
func (m *realm) serve(t testing.TB) {
	t.Helper()
	for _, alias := range []string{"alias/authnz", "alias/userauth", "alias/sandbox", "alias/production", "alias/anybodys"} {
		m.aws.Key(alias, "", nil)
	}
	tokens, err := kmsauth.New(kmsauth.Options{
		Service: kmsauth.KMS{Client: m.client()}, To: serverName,
		Key: "alias/authnz", UserKey: "alias/userauth", Scoped: map[string]string{"alias/sandbox": "sandbox", "alias/production": "production"},
		Types: []authz.PrincipalType{authz.User, authz.Service}, MinVersion: 1, MaxVersion: 2, MaxLifetime: proofsLast, CacheSize: 100,
		Log: slog.New(slog.DiscardHandler), Now: m.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := m.handler.(*server)
	accounts := m.accounts(t, m.clock.Now)
	s.sessions, err = authn.NewSessions(authn.SessionOptions{
		Secret: bytes.Repeat([]byte("s"), 32), Cookie: "confidant_session", CSRFCookie: "XSRF-TOKEN",
		Lifetime: proofsLast, Accounts: accounts, Secure: s.proxies.IsHTTPS, Now: m.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.chain = authn.Chain{tokens, apitoken.New(accounts), s.sessions}
	m.prove(t, accounts)
}

// prove makes what every kind of caller proves itself with.
func (m *realm) prove(t testing.TB, served *account.Accounts) {
	t.Helper()
	commands := m.accounts(t, func() time.Time {
		m.clock.advance(time.Second) // they wait for the next second to begin
		return m.clock.Now()
	})
	succeed := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	token := func(role account.Role, name, scope string) []string {
		t.Helper()
		made, err := commands.CreateToken(t.Context(), command(), account.NewToken{Role: role, Username: name, Account: scope, Days: 30})
		succeed(err)
		return []string{"Authorization", "Bearer " + string(made.Text)}
	}
	expired := m.session(t, ada, "saml", 0)
	m.clock.advance(proofsLast + time.Hour)

	root, err := commands.Add(t.Context(), command(), account.NewAccount{Name: "root"})
	succeed(err)
	mallory, err := commands.Add(t.Context(), command(), account.NewAccount{Name: "mallory"})
	succeed(err)
	bearer := token(account.RoleAdmin, root.Name, "")
	revoked := token(account.RoleAdmin, mallory.Name, "")
	disabled := m.session(t, mallory.Name, authn.LocalMethod, mallory.Generation)
	_, err = commands.Change(t.Context(), command(), mallory.Name, account.Change{Enabled: new(bool)})
	succeed(err)
	succeed(served.Refresh(t.Context()))
	m.furnish(bearer)

	browser := m.session(t, ada, "saml", 0)
	local := m.session(t, root.Name, authn.LocalMethod, root.Generation)
	m.kinds = []kind{
		{name: "nobody"},
		{name: "user", header: browser},
		{name: "tokenless", header: browser[:2]},
		{name: "kms-user", header: m.kmsToken(t, "alias/userauth", "user", ada)},
		{name: "admin", header: local},
		{name: "bearer", header: bearer},
		{name: "frozen", header: local, readOnly: true},
		{name: "reader", header: token(account.RoleRead, root.Name, ""), valueless: true},
		{name: "cleaner", header: token(account.RoleCleanup, root.Name, ""), valueless: true},
		{name: "itself", header: m.kmsToken(t, "alias/sandbox", "service", "svc-a")},
		{name: "own-token", header: token(account.RoleService, "svc-a", "sandbox")},
		{name: "other", header: m.kmsToken(t, "alias/sandbox", "service", "svc-b")},
		{name: "elsewhere", header: m.kmsToken(t, "alias/production", "service", "svc-a")},
		{name: "no-account", header: m.kmsToken(t, "alias/authnz", "service", "svc-a")},
		{name: "disabled", header: disabled},
		{name: "revoked", header: revoked},
		{name: "expired", header: expired},
		{name: "forged", header: m.kmsToken(t, "alias/anybodys", "service", "svc-a")},
	}
}

func command() authz.Caller {
	return authz.Caller{Principal: authz.Principal{Type: authz.Operator, Name: "cli:root", Method: "command"}, Door: "command"}
}

// client returns a client of KMS that may do everything.
func (m *realm) client() *kms.Client {
	return kms.New(kms.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(m.aws.URL),
		Credentials: credentials.NewStaticCredentialsProvider(awstest.Root.ID, awstest.Root.Secret, ""),
	})
}

// kmsToken returns what a caller sends who has KMS encrypt a token under a key.
func (m *realm) kmsToken(t testing.TB, alias, kind, name string) []string {
	t.Helper()
	const layout = "20060102T150405Z"
	now := m.clock.Now().UTC()
	payload := fmt.Sprintf(`{"not_before": %q, "not_after": %q}`, now.Format(layout), now.Add(proofsLast).Format(layout))
	out, err := m.client().Encrypt(t.Context(), &kms.EncryptInput{
		KeyId: aws.String(alias), Plaintext: []byte(payload),
		EncryptionContext: map[string]string{"from": name, "to": serverName, "user_type": kind},
	})
	if err != nil {
		t.Fatal(err)
	}
	return []string{"X-Auth-From", "2/" + kind + "/" + name, "X-Auth-Token", base64.StdEncoding.EncodeToString(out.CiphertextBlob)}
}

// session returns what the browser of somebody sends who has just logged in:
// the session cookie and, after it, the CSRF token.
func (m *realm) session(t testing.TB, name, method string, generation int64) []string {
	t.Helper()
	rec := httptest.NewRecorder()
	r := m.request(request{method: "POST", path: "/v1/login"})
	err := m.handler.(*server).sessions.Start(rec, r, authn.Identity{
		Principal: authz.Principal{Type: authz.User, Name: name, Method: method, Ambient: true}, Generation: generation,
	})
	if err != nil {
		t.Fatal(err)
	}
	cookies := map[string]string{}
	for _, c := range rec.Result().Cookies() {
		cookies[c.Name] = c.Value
	}
	return []string{"Cookie", "confidant_session=" + cookies["confidant_session"], authn.CSRFHeader, cookies["XSRF-TOKEN"]}
}

// furnish stores one thing of each kind, with two revisions. The service is one
// of the account "sandbox" and maps both credentials.
func (m *realm) furnish(as []string) {
	m.t.Helper()
	m.freshen(as, "credential")
	m.freshen(as, "blind_credential")
	m.ids["service"] = "svc-a"
	m.must(as, "PUT", "/v1/services/svc-a", members{"account": "sandbox"})
	m.must(as, "PUT", "/v1/services/svc-a", members{
		"account": "sandbox", "credentials": []string{m.ids["credential"]}, "blind_credentials": []string{m.ids["blind_credential"]},
	})
}

// freshen makes a thing ready for any change: ids then name a credential that is
// new, disabled and mapped to nothing, with two revisions; the service differs
// from its first revision.
func (m *realm) freshen(as []string, resource string) {
	m.t.Helper()
	m.clock.advance(time.Second)
	name := fmt.Sprint("n", m.clock.Now().Unix())
	switch resource {
	case "credential":
		m.ids[resource] = m.must(as, "POST", "/v1/credentials", members{"name": name, "credential_pairs": members{"user": "shop"}}).text("id")
		m.must(as, "PUT", "/v1/credentials/"+m.ids[resource], members{"enabled": false, "credential_pairs": members{"user": "shop", "password": secretValue}})
	case "blind_credential":
		m.ids[resource] = m.must(as, "POST", "/v1/blind_credentials", sealedByClient(name)).text("id")
		m.must(as, "PUT", "/v1/blind_credentials/"+m.ids[resource], members{"documentation": "d"})
	case "service":
		m.must(as, "PUT", "/v1/services/svc-a", members{"account": "sandbox", "enabled": false})
	}
}

func (m *realm) must(as []string, method, path string, body any) answer {
	m.t.Helper()
	return m.do(request{method: method, path: path, body: body, header: as}).want(200)
}

// as returns what a kind of caller sends.
func (m *realm) as(name string) []string {
	m.t.Helper()
	i := slices.IndexFunc(m.kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		m.t.Fatalf("no kind of caller is named %q", name)
	}
	return m.kinds[i].header
}
