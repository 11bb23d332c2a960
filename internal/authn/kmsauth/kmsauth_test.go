package kmsauth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/kmsauth"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/awstest"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
)

const server = "confidant-production"

// bench is a key service with the keys that the tests speak of, and a clock.
type bench struct {
	aws    *awstest.Server
	client *kms.Client
	now    atomic.Pointer[time.Time]
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{aws: awstest.New(t)}
	for _, alias := range []string{"alias/authnz", "alias/userauth", "alias/scoped", "alias/blind"} {
		b.aws.Key(alias, "", nil)
	}
	b.client = kms.New(kms.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(b.aws.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(awstest.Root.ID, awstest.Root.Secret, ""),
	})
	b.at(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return b
}

func (b *bench) at(now time.Time) { b.now.Store(&now) }

func (b *bench) options() kmsauth.Options {
	return kmsauth.Options{
		Service: kmsauth.KMS{Client: b.client}, To: server,
		Key: "alias/authnz", UserKey: "alias/userauth", Scoped: map[string]string{"alias/scoped": "sandbox"},
		Types: []authz.PrincipalType{authz.User, authz.Service}, MinVersion: 1, MaxVersion: 2,
		MaxLifetime: time.Hour, CacheSize: 16, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return *b.now.Load() },
	}
}

func authenticator(t *testing.T, o kmsauth.Options) *kmsauth.Authenticator {
	t.Helper()
	a, err := kmsauth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// token has KMS encrypt a payload.
func (b *bench) token(t *testing.T, alias, payload string, ec map[string]string) string {
	t.Helper()
	out, err := b.client.Encrypt(t.Context(), &kms.EncryptInput{
		KeyId: aws.String(alias), Plaintext: []byte(payload), EncryptionContext: ec,
	})
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(out.CiphertextBlob)
}

// lasting is a payload valid from a minute ago for ten minutes.
func (b *bench) lasting() string {
	now := *b.now.Load()
	return fmt.Sprintf(`{"not_before": "%s", "not_after": "%s"}`,
		now.Add(-time.Minute).Format("20060102T150405Z"), now.Add(9*time.Minute).Format("20060102T150405Z"))
}

func v2(kind, name string) map[string]string {
	return map[string]string{"from": name, "to": server, "user_type": kind}
}

func basic(username, token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/v1/user/email", nil)
	r.SetBasicAuth(username, token)
	return r
}

// status is what the API answers to the outcome.
func status(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case fault.Is(err, fault.BadProof):
		return http.StatusForbidden
	case fault.Is(err, fault.Unavailable):
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// recording is a case of the recorded acceptance of tokens.
type recording struct {
	Name       string
	Settings   string
	Username   string
	Sent       string
	Key        string            `json:"kms_key"`
	Context    map[string]string `json:"encryption_context"`
	Payload    json.RawMessage   `json:"payload_plaintext"`
	Change     string            `json:"token_change"`
	Status     int
	Expected   int `json:"expected_status"`
	Note       string
	ResponseTo struct{ Email string } `json:"response_json"`
	Steps      []struct {
		At     string
		Status int
	}
}

func TestAuthenticate_AsRecordedFromTheOlderService(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/kmsauth-tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []recording }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 29 {
		t.Fatalf("%d cases, want at least 29", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			replay(t, newBench(t), c)
		})
	}
}

func replay(t *testing.T, b *bench, c recording) {
	o := b.options()
	apply(t, &o, c.Settings)
	a := authenticator(t, o)
	r := httptest.NewRequest(http.MethodGet, "/v1/user/email", nil)
	token := change(t, b.token(t, c.Key, payload(t, c.Payload, *b.now.Load()), c.Context), c.Change)
	if c.Sent == "headers" {
		r.Header.Set("X-Auth-From", c.Username)
		r.Header.Set("X-Auth-Token", token)
	} else {
		r.SetBasicAuth(c.Username, token)
	}
	start := *b.now.Load()
	if c.Steps == nil {
		want := c.Status
		if c.Expected != 0 {
			want = c.Expected
		}
		p, err := a.Authenticate(r)
		if status(err) != want {
			t.Fatalf("status %d (%v), want %d", status(err), err, want)
		}
		if err == nil && p.Name != c.ResponseTo.Email {
			t.Errorf("name %q, want %q", p.Name, c.ResponseTo.Email)
		}
		if err == nil && strings.Contains(c.Note, "account = sandbox") && p.Account != "sandbox" {
			t.Errorf("account %q, want sandbox", p.Account)
		}
		return
	}
	for _, step := range c.Steps {
		after, err := time.ParseDuration(step.At)
		if err != nil {
			t.Fatal(err)
		}
		b.at(start.Add(after))
		if _, err := a.Authenticate(r); status(err) != step.Status {
			t.Errorf("at %s: status %d (%v), want %d", step.At, status(err), err, step.Status)
		}
	}
}

// apply sets what a case sets beyond the default.
func apply(t *testing.T, o *kmsauth.Options, settings string) {
	t.Helper()
	if settings == "default" || settings == "" {
		return
	}
	for part := range strings.SplitSeq(settings, ", ") {
		name, value, _ := strings.Cut(part, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "KMS_MINIMUM_TOKEN_VERSION":
			o.MinVersion = n
		case "KMS_MAXIMUM_TOKEN_VERSION":
			o.MaxVersion = n
		case "AUTH_TOKEN_MAX_LIFETIME":
			o.MaxLifetime = time.Duration(n) * time.Minute
		case "KMS_AUTH_USER_TYPES":
			o.Types = nil
			for kind := range strings.SplitSeq(value, ",") {
				o.Types = append(o.Types, authz.PrincipalType(kind))
			}
		default:
			t.Fatalf("unknown setting %s", name)
		}
	}
}

var moment = regexp.MustCompile(`\{\{now([+-]\d+)\}\}`)

func payload(t *testing.T, raw json.RawMessage, now time.Time) string {
	t.Helper()
	text := string(raw)
	var plain string
	if json.Unmarshal(raw, &plain) == nil {
		text = plain
	}
	return moment.ReplaceAllStringFunc(text, func(m string) string {
		seconds, err := strconv.Atoi(moment.FindStringSubmatch(m)[1])
		if err != nil {
			t.Fatal(err)
		}
		return now.Add(time.Duration(seconds) * time.Second).Format("20060102T150405Z")
	})
}

func change(t *testing.T, token, how string) string {
	t.Helper()
	switch {
	case how == "":
		return token
	case strings.HasPrefix(how, "all"):
		return strings.ReplaceAll(token, "=", "") + "*"
	case strings.HasPrefix(how, "cut"):
		return token[:40]
	case strings.HasPrefix(how, "the empty"):
		return ""
	}
	t.Fatalf("unknown change %q", how)
	return ""
}

func TestAuthenticate_RefusesMalformedNames(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := authenticator(t, b.options())
	token := b.token(t, "alias/authnz", b.lasting(), v2("service", "n"))
	for _, username := range []string{"a/b", "a/b/c/d", "x/service/n", "3/service/n", "0/service/n", "2//n", "2/service/", "02/service/n", "2/operator/n", "/"} {
		if _, err := a.Authenticate(basic(username, token)); !fault.Is(err, fault.BadProof) {
			t.Errorf("%q: %v, want a bad proof", username, err)
		}
	}
}

func TestAuthenticate_BasicWinsAndHalfAProofIsNone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := authenticator(t, b.options())
	good, bad := b.token(t, "alias/authnz", b.lasting(), v2("service", "svc-a")), "AAAA"
	both := basic("2/service/svc-a", good)
	both.Header.Set("X-Auth-From", "2/service/svc-a")
	both.Header.Set("X-Auth-Token", bad)
	if _, err := a.Authenticate(both); err != nil {
		t.Errorf("good Basic beside bad headers: %v", err)
	}
	for name, headers := range map[string]map[string]string{
		"nothing":      {},
		"from alone":   {"X-Auth-From": "svc-a"},
		"token alone":  {"X-Auth-Token": good},
		"no user name": {"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(":"+good))},
		"other scheme": {"Authorization": "Bearer " + good},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for k, v := range headers {
			r.Header.Set(k, v)
		}
		if _, err := a.Authenticate(r); !errors.Is(err, authn.ErrNoProof) {
			t.Errorf("%s: %v, want ErrNoProof", name, err)
		}
	}
	empty := httptest.NewRequest(http.MethodGet, "/", nil)
	empty.Header.Set("X-Auth-From", "svc-a")
	empty.Header.Set("X-Auth-Token", "")
	if _, err := a.Authenticate(empty); !fault.Is(err, fault.BadProof) {
		t.Errorf("an empty token in the header: %v, want a bad proof", err)
	}
}

func TestAuthenticate_HoldsLifetimeByTheSecond(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	now := *b.now.Load()
	for name, tt := range map[string]struct {
		notBefore, notAfter string
		want                int
	}{
		"60 min":                {"20260102T030405Z", "20260102T040405Z", 200},
		"60 min 1 s":            {"20260102T030405Z", "20260102T040406Z", 403},
		"24 h 5 min":            {"20260102T030405Z", "20260103T030905Z", 403},
		"now is the last bound": {"20260102T030000Z", "20260102T030405Z", 200},
		"a second too late":     {"20260102T030000Z", "20260102T030404Z", 403},
		"a second too early":    {"20260102T030406Z", "20260102T031000Z", 403},
		"with a fraction":       {"20260102T030405.5Z", "20260102T031405Z", 403},
		"one-digit month":       {"2026012T030405Z", "20260102T031405Z", 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.at(now)
			payload := fmt.Sprintf(`{"not_before": %q, "not_after": %q}`, tt.notBefore, tt.notAfter)
			token := b.token(t, "alias/authnz", payload, v2("service", "svc-a"))
			_, err := authenticator(t, b.options()).Authenticate(basic("2/service/svc-a", token))
			if status(err) != tt.want {
				t.Errorf("status %d (%v), want %d", status(err), err, tt.want)
			}
		})
	}
}

func TestAuthenticate_OpensAKnownTokenOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := authenticator(t, b.options())
	token := b.token(t, "alias/authnz", b.lasting(), v2("service", "svc-a"))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := a.Authenticate(basic("2/service/svc-a", token)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := a.Authenticate(basic("2/service/svc-a", token)); err != nil {
		t.Fatal(err)
	}
	if got := b.aws.Calls("kms", "Decrypt"); got != 1 {
		t.Errorf("%d calls of Decrypt, want 1", got)
	}
	// The same token as another version or another caller is another proof.
	for _, username := range []string{"svc-a", "2/service/svc-b", "2/user/svc-a"} {
		if _, err := a.Authenticate(basic(username, token)); !fault.Is(err, fault.BadProof) {
			t.Errorf("%s: %v, want a bad proof", username, err)
		}
	}
	before := b.aws.Calls("kms", "Decrypt")
	for range 5 {
		if _, err := a.Authenticate(basic("svc-a", token)); !fault.Is(err, fault.BadProof) {
			t.Errorf("again: %v, want a bad proof", err)
		}
	}
	if got := b.aws.Calls("kms", "Decrypt"); got != before {
		t.Errorf("a refused token is opened again: %d calls, want %d", got, before)
	}
}

func TestAuthenticate_AnOutageIsNoBadProof(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := authenticator(t, b.options())
	token := b.token(t, "alias/authnz", b.lasting(), v2("service", "svc-a"))
	for _, code := range []string{"ThrottlingException", "KMSInternalException", "AccessDeniedException"} {
		b.aws.Intercept(func(awstest.Call) *awstest.Fault { return &awstest.Fault{Status: 400, Code: code} })
		if _, err := a.Authenticate(basic("2/service/svc-a", token)); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v, want Unavailable", code, err)
		}
	}
	// The look-up of the key may fail too.
	b.aws.Intercept(func(c awstest.Call) *awstest.Fault {
		if c.Operation == "DescribeKey" {
			return &awstest.Fault{Status: 500, Code: "KMSInternalException"}
		}
		return nil
	})
	if _, err := a.Authenticate(basic("2/service/svc-a", token)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("DescribeKey fails: %v, want Unavailable", err)
	}
	b.aws.Intercept(nil)
	if _, err := a.Authenticate(basic("2/service/svc-a", token)); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

func TestAuthenticate_SeesAnAliasThatMoved(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := authenticator(t, b.options())
	use := func(name string) error {
		token := b.token(t, "alias/authnz", b.lasting(), v2("service", name))
		_, err := a.Authenticate(basic("2/service/"+name, token))
		return err
	}
	if err := use("svc-a"); err != nil {
		t.Fatal(err)
	}
	b.aws.PointAlias("alias/authnz", b.aws.Key("", "", nil))
	if err := use("svc-b"); !fault.Is(err, fault.BadProof) {
		t.Errorf("at once: %v, want a bad proof", err)
	}
	b.at(b.now.Load().Add(6 * time.Minute))
	if err := use("svc-c"); err != nil {
		t.Errorf("after some minutes: %v", err)
	}
}

func TestAuthenticate_ABareNameIsTriedAsAnAlias(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := b.options()
	o.Scoped = map[string]string{"scoped": "sandbox", "gone": "other"}
	token := b.token(t, "alias/scoped", b.lasting(), v2("service", "svc-a"))
	p, err := authenticator(t, o).Authenticate(basic("2/service/svc-a", token))
	if err != nil || p.Account != "sandbox" {
		t.Errorf("Authenticate = %+v, %v; want account sandbox", p, err)
	}
}

func TestAuthenticate_TheScopedKeyGivesTheAccountAlsoWhereItIsTheGeneralOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := b.options()
	o.Scoped = map[string]string{"alias/authnz": "main"}
	token := b.token(t, "alias/authnz", b.lasting(), v2("service", "svc-a"))
	p, err := authenticator(t, o).Authenticate(basic("2/service/svc-a", token))
	if err != nil || p.Account != "main" || p.Type != authz.Service || p.Method != kmsauth.Method {
		t.Errorf("Authenticate = %+v, %v", p, err)
	}
}

func TestAuthenticate_UsersAreRefusedByDefault(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	token := b.token(t, "alias/userauth", b.lasting(), v2("user", "ann"))
	o := b.options()
	o.Types = []authz.PrincipalType{authz.Service}
	if _, err := authenticator(t, o).Authenticate(basic("2/user/ann", token)); !fault.Is(err, fault.BadProof) {
		t.Errorf("type not listed: %v, want a bad proof", err)
	}
	o = b.options()
	o.UserKey = ""
	if _, err := authenticator(t, o).Authenticate(basic("2/user/ann", token)); !fault.Is(err, fault.BadProof) {
		t.Errorf("no key for users: %v, want a bad proof", err)
	}
	p, err := authenticator(t, b.options()).Authenticate(basic("2/user/ann", token))
	if err != nil || p.Type != authz.User || p.Name != "ann" || p.Administrator {
		t.Errorf("Authenticate = %+v, %v", p, err)
	}
}

func TestLocal_OpensTokensByAKeyring(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ring := keyringtest.NewMemory()
	o := b.options()
	o.Service, o.Key, o.UserKey, o.Scoped = kmsauth.Local{Keyring: ring}, kmsauth.LocalKey, kmsauth.LocalKey, nil
	a := authenticator(t, o)
	wrapped, err := ring.Wrap(t.Context(), []byte(b.lasting()), v2("service", "svc-a"))
	if err != nil {
		t.Fatal(err)
	}
	token := base64.StdEncoding.EncodeToString(wrapped)
	if _, err := a.Authenticate(basic("2/service/svc-a", token)); err != nil {
		t.Error(err)
	}
	if _, err := a.Authenticate(basic("2/user/svc-a", token)); !fault.Is(err, fault.BadProof) {
		t.Errorf("a service as a user: %v, want a bad proof", err)
	}
}

func TestNew_RefusesOptionsThatContradict(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, spoil := range map[string]func(*kmsauth.Options){
		"no server name":  func(o *kmsauth.Options) { o.To = "" },
		"version 0":       func(o *kmsauth.Options) { o.MinVersion = 0 },
		"version 3":       func(o *kmsauth.Options) { o.MaxVersion = 3 },
		"versions turned": func(o *kmsauth.Options) { o.MinVersion, o.MaxVersion = 2, 1 },
		"no lifetime":     func(o *kmsauth.Options) { o.MaxLifetime = 0 },
		"no service":      func(o *kmsauth.Options) { o.Service = nil },
	} {
		o := b.options()
		spoil(&o)
		if _, err := kmsauth.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzAuthenticate(f *testing.F) {
	f.Add("2/service/svc-a", "AAAA", `{"not_before": "20260102T030405Z", "not_after": "20260102T031405Z"}`)
	f.Add("svc-a", "", "{}")
	f.Fuzz(func(t *testing.T, username, token, payload string) {
		ring := keyringtest.NewMemory()
		a, err := kmsauth.New(kmsauth.Options{
			Service: kmsauth.Local{Keyring: ring}, To: server, Key: kmsauth.LocalKey,
			Types: []authz.PrincipalType{authz.Service}, MinVersion: 1, MaxVersion: 2, MaxLifetime: time.Hour,
			Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := a.Authenticate(basic(username, token)); err == nil {
			t.Errorf("%q, %q: accepted as %+v", username, token, p)
		}
		wrapped, err := ring.Wrap(t.Context(), []byte(payload), v2("service", "n"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Authenticate(basic("2/service/n", base64.StdEncoding.EncodeToString(wrapped)))
		if err != nil && !fault.Is(err, fault.BadProof) {
			t.Errorf("payload %q: %v, want a bad proof", payload, err)
		}
	})
}

// A client over its limit may go on with a token that is known; one that is not
// costs no call to the key service.
func TestAuthenticate_AsksBeforeItOpensAnUnknownToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := b.options()
	var limited error
	o.Allow = func(*http.Request) error { return limited }
	a := authenticator(t, o)
	known := b.token(t, "alias/authnz", b.lasting(), v2("service", "one"))
	unknown := b.token(t, "alias/authnz", b.lasting(), v2("service", "two"))
	if _, err := a.Authenticate(basic("2/service/one", known)); err != nil {
		t.Fatal(err)
	}
	limited = fault.New(fault.RateLimited, "later")
	calls := b.aws.Calls("kms", "Decrypt")
	if _, err := a.Authenticate(basic("2/service/one", known)); err != nil {
		t.Errorf("a known token: %v", err)
	}
	if _, err := a.Authenticate(basic("2/service/two", unknown)); !errors.Is(err, limited) {
		t.Errorf("an unknown token: %v, want to wait", err)
	}
	if got := b.aws.Calls("kms", "Decrypt"); got != calls {
		t.Errorf("%d calls to the key service", got-calls)
	}
	limited = nil
	if _, err := a.Authenticate(basic("2/service/two", unknown)); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}
