package account_test

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

func TestCreateToken_StoresNothingAndCarriesItsClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		before := r.documents.all()
		token, err := r.CreateToken(t.Context(), operator(), account.NewToken{
			Role: account.RoleService, Username: "svc", Realm: "API", Days: 30, Account: "sandbox",
		})
		if err != nil {
			t.Fatal(err)
		}
		if after := r.documents.all(); !slices.Equal(after, before) {
			t.Errorf("documents: %v, want %v", after, before)
		}
		if want := time.Now().AddDate(0, 0, 30).UTC(); !token.Expires.Equal(want) || token.AccountMissing {
			t.Errorf("CreateToken = %+v, want it to expire at %v", token, want)
		}
		parts := strings.Split(string(token.Text), ".")
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]any{}
		if err := json.Unmarshal(payload, &got); err != nil {
			t.Fatal(err)
		}
		id, _ := got["jti"].(string)
		if len(id) != 32 {
			t.Errorf("jti = %q, want 32 hex digits", id)
		}
		now := float64(time.Now().Unix())
		want := map[string]any{
			"iss": "confidant", "aud": "confidant-api", "sub": "svc", "realm": "API", "role": "service", "authtype": "API",
			"account": "sandbox", "iat": now, "nbf": now, "exp": now + 30*24*3600, "jti": id,
		}
		if !maps.Equal(got, want) {
			t.Errorf("claims = %v, want %v", got, want)
		}
		p, err := r.VerifyToken(string(token.Text))
		if want := (authz.Principal{Type: authz.Service, Name: "svc", Account: "sandbox", Method: "api-token"}); err != nil || p != want {
			t.Errorf("VerifyToken = %+v, %v; want %+v", p, err, want)
		}
	})
}

func TestCreateToken_WithoutANameMakesOneUp(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	token, err := r.CreateToken(t.Context(), operator(), account.NewToken{Role: account.RoleAdmin, Realm: "API", Days: 1})
	if err != nil {
		t.Fatal(err)
	}
	name, found := strings.CutPrefix(token.Username, "api-")
	if !found || len(name) != 16 || strings.Trim(name, "0123456789abcdef") != "" || !token.AccountMissing {
		t.Errorf("CreateToken = %+v, want api-<16 hex digits> without account", token)
	}
	_, err = r.VerifyToken(string(token.Text))
	wantKind(t, "without account", err, fault.Unauthenticated)
	r.mustAdd(t, token.Username)
	if p, err := r.VerifyToken(string(token.Text)); err != nil || p.Name != token.Username || !p.Administrator {
		t.Errorf("with account: %+v, %v", p, err)
	}
}

func TestCreateToken_Refuses(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for name, tt := range map[string]struct {
		in   account.NewToken
		kind fault.Kind
	}{
		"unknown role":                 {account.NewToken{Role: "root", Username: "x", Days: 1}, fault.Invalid},
		"no role":                      {account.NewToken{Username: "x", Days: 1}, fault.Invalid},
		"no days":                      {account.NewToken{Role: account.RoleAdmin, Username: "x"}, fault.Invalid},
		"too many days":                {account.NewToken{Role: account.RoleAdmin, Username: "x", Days: 3651}, fault.Invalid},
		"bad name":                     {account.NewToken{Role: account.RoleRead, Username: "a b", Days: 1}, fault.Invalid},
		"service without a name":       {account.NewToken{Role: account.RoleService, Days: 1}, fault.Invalid},
		"unknown service":              {account.NewToken{Role: account.RoleService, Username: "other", Days: 1}, fault.NotFound},
		"account of a person":          {account.NewToken{Role: account.RoleAdmin, Username: "x", Days: 1, Account: "sandbox"}, fault.Invalid},
		"realm that goes on and on on": {account.NewToken{Role: account.RoleAdmin, Username: "x", Days: 1, Realm: strings.Repeat("r", 129)}, fault.Invalid},
	} {
		token, err := r.CreateToken(t.Context(), operator(), tt.in)
		wantKind(t, name, err, tt.kind)
		if token.Text != "" {
			t.Errorf("%s: there is a token", name)
		}
	}
}

func TestCreateToken_WithoutASecretSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	made := newRoom(t).mustToken(t, account.RoleService, "svc")
	r := newRoom(t, func(o *account.Options) { o.TokenSecret = nil })
	_, err := r.CreateToken(t.Context(), operator(), account.NewToken{Role: account.RoleService, Username: "svc", Days: 1})
	wantKind(t, "CreateToken", err, fault.Unavailable)
	if !errors.Is(err, account.ErrNoTokenSecret) {
		t.Errorf("CreateToken: %v, want ErrNoTokenSecret underneath", err)
	}
	_, err = r.VerifyToken(made)
	wantKind(t, "VerifyToken", err, fault.Unauthenticated)
}

// TestCreateToken_WhoMayMakeWhich asks for tokens over HTTP.
func TestCreateToken_WhoMayMakeWhich(t *testing.T) {
	t.Parallel()
	reader := administrator("root")
	reader.MetadataOnly = true
	svc := authz.Caller{Principal: authz.Principal{Type: authz.Service, Name: "svc", Method: "api-token"}, Door: "v1"}
	for name, tt := range map[string]struct {
		who  authz.Caller
		role account.Role
		of   string
		want bool
	}{
		"administrator for himself":                   {administrator("root"), account.RoleAdmin, "root", true},
		"administrator for another":                   {administrator("root"), account.RoleRead, "alice", true},
		"administrator for cleaning up":               {administrator("root"), account.RoleCleanup, "janitor", true},
		"administrator for a service":                 {administrator("root"), account.RoleService, "svc", true},
		"user for a service that he may read, change": {person("alice"), account.RoleService, "svc", true},
		"user for the account that bears his name":    {person("root"), account.RoleAdmin, "root", false},
		"user for cleaning up":                        {person("alice"), account.RoleCleanup, "alice", false},
		"service for itself":                          {svc, account.RoleService, "svc", false},
		"metadata-only token for a service":           {reader, account.RoleService, "svc", false},
		"metadata-only token for itself":              {reader, account.RoleAdmin, "root", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.mustAdd(t, "root")
			r.recorded()
			token, err := r.CreateToken(t.Context(), tt.who, account.NewToken{Role: tt.role, Username: tt.of, Days: 1})
			if tt.want {
				if err != nil || token.Text == "" {
					t.Errorf("CreateToken: %v, want a token", err)
				}
				return
			}
			wantKind(t, "CreateToken", err, fault.Denied)
			if entries := r.recorded(); len(entries) != 1 || entries[0].Success {
				t.Errorf("audit: %+v, want one refusal", entries)
			}
		})
	}
}

func TestCreateToken_AForbidStandsAboveRightsOnTheService(t *testing.T) {
	t.Parallel()
	engine, err := authz.NewEngine([]authz.Entry{{Name: "no tokens", Active: true, Cedar: `forbid (principal is User, action, resource is token);`}})
	if err != nil {
		t.Fatal(err)
	}
	r := newRoom(t, func(o *account.Options) { o.Policy = engine })
	_, err = r.CreateToken(t.Context(), person("alice"), account.NewToken{Role: account.RoleService, Username: "svc", Days: 1})
	wantKind(t, "CreateToken", err, fault.Denied)
	if f := fault.As(err); f == nil || f.By != "no tokens" {
		t.Errorf("denied by %+v, want the policy's name", f)
	}
}

func TestVerifyToken_GivesWhatTheRoleMayDo(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustAdd(t, "Alice")
	for _, tt := range []struct {
		role account.Role
		name string
		want authz.Principal
	}{
		{account.RoleAdmin, "alice", authz.Principal{Type: authz.User, Name: "Alice", Method: "api-token", Administrator: true}},
		{account.RoleRead, "ALICE", authz.Principal{Type: authz.User, Name: "Alice", Method: "api-token", Administrator: true, MetadataOnly: true}},
		{account.RoleService, "svc", authz.Principal{Type: authz.Service, Name: "svc", Method: "api-token"}},
		{account.RoleCleanup, "janitor", authz.Principal{Type: authz.User, Name: "janitor", Method: "api-token", CleanupOnly: true}},
	} {
		token := r.mustToken(t, tt.role, tt.name)
		for _, use := range []string{"first", "second"} {
			if got, err := r.VerifyToken(token); err != nil || got != tt.want {
				t.Errorf("%s, %s use: %+v, %v; want %+v", tt.role, use, got, err, tt.want)
			}
		}
	}
}

func TestVerifyToken_NeedsTheAccountOnEveryUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.mustAdd(t, "alice")
		time.Sleep(time.Second)
		admin, cleanup := r.mustToken(t, account.RoleAdmin, "alice"), r.mustToken(t, account.RoleCleanup, "alice")
		for _, token := range []string{admin, cleanup} {
			if _, err := r.VerifyToken(token); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Change(t.Context(), operator(), "alice", account.Change{Enabled: ptr(false)}); err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{admin, cleanup, r.mustToken(t, account.RoleAdmin, "alice")} {
			_, err := r.VerifyToken(token)
			wantKind(t, "disabled", err, fault.Unauthenticated)
		}
		if _, err := r.Change(t.Context(), operator(), "alice", account.Change{Enabled: ptr(true)}); err != nil {
			t.Fatal(err)
		}
		_, err := r.VerifyToken(admin)
		wantKind(t, "enabled again, token of before", err, fault.Unauthenticated)
		if _, err := r.VerifyToken(r.mustToken(t, account.RoleAdmin, "alice")); err != nil {
			t.Errorf("enabled again, new token: %v", err)
		}
	})
}

func TestVerifyToken_HoldsToItsTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		start := time.Now()
		token, err := r.CreateToken(t.Context(), operator(), account.NewToken{Role: account.RoleService, Username: "svc", Days: 1})
		if err != nil {
			t.Fatal(err)
		}
		clock := start
		early := newRoom(t, func(o *account.Options) { o.Now = func() time.Time { return clock } })
		for _, tt := range []struct {
			at   time.Duration
			want bool
		}{
			{-time.Minute, true}, // leeway for clocks that differ
			{-time.Minute - time.Second, false},
			{0, true},
			{24*time.Hour + 59*time.Second, true},
			{24*time.Hour + time.Minute, false},
		} {
			clock = start.Add(tt.at)
			if _, err := early.VerifyToken(string(token.Text)); (err == nil) != tt.want {
				t.Errorf("%v after it was made: %v, want accepted %v", tt.at, err, tt.want)
			}
		}
	})
}

// key is the key of newRoom's tokens.
func key(t testing.TB) []byte {
	t.Helper()
	k, err := hkdf.Key(sha256.New, []byte("0123456789abcdef0123456789abcdef"), nil, "confidant api token v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestVerifyToken_RefusesWhatIsNotMadeHere(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	good := func() jwt.MapClaims {
		now := time.Now().Unix()
		return jwt.MapClaims{
			"iss": "confidant", "aud": "confidant-api", "sub": "svc", "realm": "API", "role": "service", "authtype": "API",
			"iat": now, "nbf": now, "exp": now + 3600, "jti": "00",
		}
	}
	sign := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
		t.Helper()
		text, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	ours := key(t)
	if _, err := r.VerifyToken(sign(jwt.SigningMethodHS256, ours, good())); err != nil {
		t.Fatalf("a token as ours: %v", err)
	}
	with := func(name string, value any) string {
		claims := good()
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
		return sign(jwt.SigningMethodHS256, ours, claims)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	valid := sign(jwt.SigningMethodHS256, ours, good())
	for name, text := range map[string]string{
		"empty":               "",
		"no token":            "abc",
		"two parts":           valid[:strings.LastIndexByte(valid, '.')],
		"signature cut":       valid[:len(valid)-1],
		"trailing blank":      valid + " ",
		"too long":            valid + strings.Repeat("A", 4096),
		"algorithm none":      sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good()),
		"algorithm HS512":     sign(jwt.SigningMethodHS512, ours, good()),
		"algorithm RS256":     sign(jwt.SigningMethodRS256, rsaKey, good()),
		"another key":         sign(jwt.SigningMethodHS256, []byte("another key of thirty-two bytes!"), good()),
		"the secret as key":   sign(jwt.SigningMethodHS256, []byte("0123456789abcdef0123456789abcdef"), good()),
		"another issuer":      with("iss", "confidante"),
		"no issuer":           with("iss", nil),
		"another audience":    with("aud", "confidant"),
		"audiences":           with("aud", []string{"confidant-api", "x"}),
		"no audience":         with("aud", nil),
		"another role":        with("role", "root"),
		"no role":             with("role", nil),
		"no subject":          with("sub", nil),
		"no authtype":         with("authtype", nil),
		"no jti":              with("jti", nil),
		"no iat":              with("iat", nil),
		"no nbf":              with("nbf", nil),
		"no exp":              with("exp", nil),
		"exp as text":         with("exp", "tomorrow"),
		"iat in the future":   with("iat", time.Now().Add(time.Hour).Unix()),
		"expired":             with("exp", time.Now().Add(-time.Hour).Unix()),
		"admin, no account":   with("role", "admin"),
		"service in its name": with("sub", map[string]string{"a": "b"}),
	} {
		p, err := r.VerifyToken(text)
		wantKind(t, name, err, fault.Unauthenticated)
		if p != (authz.Principal{}) {
			t.Errorf("%s: principal %+v beside the error", name, p)
		}
	}
}

func TestCheckToken_TellsClaimsAndVerdict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		token := account.Secret(r.mustToken(t, account.RoleService, "svc"))
		got, err := r.CheckToken(t.Context(), operator(), token)
		if err != nil || got.Refused != "" || got.Username != "svc" || got.Role != account.RoleService || got.Realm != "API" || !got.Issued.Equal(time.Now()) {
			t.Errorf("CheckToken = %+v, %v; want it accepted", got, err)
		}
		time.Sleep(366 * 24 * time.Hour)
		got, err = r.CheckToken(t.Context(), operator(), token)
		if err != nil || got.Refused != "it has expired" || got.Username != "svc" {
			t.Errorf("a year later: %+v, %v; want its claims and that it has expired", got, err)
		}
		got, err = r.CheckToken(t.Context(), operator(), token+"x")
		if err != nil || got.Refused == "" || got.Username != "" {
			t.Errorf("not ours: %+v, %v; want no claims", got, err)
		}
		_, err = r.CheckToken(t.Context(), person("alice"), token)
		wantKind(t, "a stranger", err, fault.Denied)
	})
}

func TestParseRole_KnowsTheOlderWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]account.Role{
		"admin": account.RoleAdmin, "service": account.RoleService, "validate": account.RoleService,
		"cleanup": account.RoleCleanup, "read": account.RoleRead,
	} {
		if got, err := account.ParseRole(text); err != nil || got != want {
			t.Errorf("ParseRole(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "Admin", "root"} {
		_, err := account.ParseRole(text)
		wantKind(t, "ParseRole("+text+")", err, fault.Invalid)
	}
}

func FuzzVerifyToken(f *testing.F) {
	r := newRoom(f)
	f.Add("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.AAAA", `{"sub":"svc"}`)
	f.Add("a.b.c", `{"iss":"confidant","aud":"confidant-api","sub":"svc","role":"service","authtype":"API","iat":1,"nbf":1,"exp":9e9,"jti":"x"}`)
	f.Add("", `{"exp":1e400}`)
	k := key(f)
	f.Fuzz(func(t *testing.T, text, payload string) {
		if p, err := r.VerifyToken(text); err == nil {
			t.Errorf("VerifyToken(%q) = %+v", text, p)
		}
		// Claims of any shape under a signature that holds.
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		sig, err := jwt.SigningMethodHS256.Sign(head, k)
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.VerifyToken(head + "." + base64.RawURLEncoding.EncodeToString(sig))
		if err == nil && (p.Name == "" || p.Administrator) {
			t.Errorf("claims %s: %+v", payload, p)
		}
	})
}
