package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	clientID     = "confidant-client"
	clientSecret = "client-secret+with/odd=characters&%"
	googleIssuer = "https://accounts.google.com"
)

// object is a JSON object.
type object = map[string]any

// key is a signing key, with the algorithm it signs with here.
type key struct {
	id, alg string
	private crypto.Signer
}

// keys takes a while to make, so tests share these. The stranger's belongs to no
// provider.
var keys = sync.OnceValue(func() (k struct{ rsa, ps, ec, ed, stranger key }) {
	must := func(s crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return s
	}
	k.rsa = key{"rsa-1", "RS256", must(rsa.GenerateKey(rand.Reader, 2048))}
	k.ps = key{"ps-1", "PS256", k.rsa.private}
	k.ec = key{"ec-1", "ES256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	k.ed = key{"ed-1", "EdDSA", must(ed, err)}
	k.stranger = key{"rsa-1", "RS256", must(rsa.GenerateKey(rand.Reader, 2048))}
	return k
})

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// public returns the key as a JWK.
func (k key) public() object {
	jwk := object{"kid": k.id, "alg": k.alg, "use": "sig"}
	switch p := k.private.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", b64(p.N.Bytes()), b64(big.NewInt(int64(p.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			panic(err)
		}
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", b64(p)
	}
	return jwk
}

// sign signs a JWT whose two parts are given as they are.
func (k key) sign(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	var signature []byte
	var err error
	switch p := k.private.(type) {
	case *rsa.PrivateKey:
		var how crypto.SignerOpts = crypto.SHA256
		if k.alg == "PS256" {
			how = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		}
		signature, err = p.Sign(rand.Reader, sum[:], how)
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, p, sum[:]); err == nil {
			signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	case ed25519.PrivateKey:
		signature = ed25519.Sign(p, []byte(input))
	}
	if err != nil {
		panic(err)
	}
	return input + "." + b64(signature)
}

// half returns the hash that an ID token names its access token by: the left half
// of the hash that the key's algorithm uses.
func (k key) half(access string) string {
	if k.alg == "EdDSA" {
		sum := sha512.Sum512([]byte(access))
		return b64(sum[:32])
	}
	sum := sha256.Sum256([]byte(access))
	return b64(sum[:16])
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// with returns a copy of an object with other members; nil removes one.
func with(o object, members ...any) object {
	o = maps.Clone(o)
	for i := 0; i < len(members); i += 2 {
		if members[i+1] == nil {
			delete(o, members[i].(string))
		} else {
			o[members[i].(string)] = members[i+1]
		}
	}
	return o
}

// grant is a code that waits to be redeemed.
type grant struct {
	challenge, redirect, nonce string
}

// idp is an OpenID Connect provider. It insists on PKCE, on the client's secret
// and on the redirect URI, and redeems each code once.
type idp struct {
	server *httptest.Server
	issuer string
	asked  sync.Map // path -> *atomic.Int32

	mu        sync.Mutex
	grants    map[string]grant
	secrets   []string   // what it was sent and gave out, and nobody may print
	authorize url.Values // of the last authorization request
	style     string     // of the client's last authentication
	accept    string     // the only style it accepts; empty: either

	// What a test changes before it begins.
	keys     []key
	metadata object                             // over its own
	claims   object                             // over its own, of the ID token
	answer   object                             // parameters over its own, of the redirect back
	userInfo object                             // nil: 403
	mint     func(header, claims object) string // nil: signed by the first key
	override map[string]http.HandlerFunc        // by path, instead of its own
}

func newIDP(t *testing.T) *idp {
	p := &idp{grants: map[string]grant{}, keys: []key{keys().rsa}, override: map[string]http.HandlerFunc{}, secrets: []string{clientSecret, url.QueryEscape(clientSecret)}}
	mux := http.NewServeMux()
	for path, serve := range map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": p.serveMetadata,
		"/keys":                             p.serveKeys,
		"/authorize":                        p.serveAuthorize,
		"/token":                            p.serveToken,
		"/userinfo":                         p.serveUserInfo,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			p.count(path).Add(1)
			p.mu.Lock()
			other := p.override[path]
			p.mu.Unlock()
			if other != nil {
				other(w, r)
				return
			}
			serve(w, r)
		})
	}
	p.server = httptest.NewServer(mux)
	t.Cleanup(p.server.Close)
	p.issuer = p.server.URL
	return p
}

func (p *idp) count(path string) *atomic.Int32 {
	n, _ := p.asked.LoadOrStore(path, new(atomic.Int32))
	return n.(*atomic.Int32)
}

// set changes the provider while it runs.
func (p *idp) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// RoundTrip reaches the provider by the name of its issuer.
func (p *idp) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.String(), p.issuer+"/") {
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(p.server.URL, "http://")
	}
	return http.DefaultTransport.RoundTrip(r)
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text(v)))
}

func (p *idp) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := object{
		"issuer":                                p.issuer,
		"authorization_endpoint":                p.issuer + "/authorize",
		"token_endpoint":                        p.issuer + "/token",
		"userinfo_endpoint":                     p.issuer + "/userinfo",
		"jwks_uri":                              p.issuer + "/keys",
		"id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256", "PS256", "ES256", "EdDSA"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
	}
	for name, value := range p.metadata {
		m = with(m, name, value)
	}
	answerJSON(w, http.StatusOK, m)
}

func (p *idp) serveKeys(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set := []object{}
	for _, k := range p.keys {
		set = append(set, k.public())
	}
	answerJSON(w, http.StatusOK, object{"keys": set})
}

// serveAuthorize stands for the provider's own log-in page: whoever comes is
// known already.
func (p *idp) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	p.authorize = q
	code := rand.Text()
	p.secrets = append(p.secrets, code)
	p.grants[code] = grant{q.Get("code_challenge"), q.Get("redirect_uri"), q.Get("nonce")}
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	for name, value := range p.answer {
		switch value := value.(type) {
		case nil:
			back.Del(name)
		case string:
			back.Set(name, value)
		case []string:
			back[name] = value
		}
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

func (p *idp) serveToken(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	p.style = "client_secret_basic"
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret, p.style = r.PostFormValue("client_id"), r.PostFormValue("client_secret"), "client_secret_post"
	}
	if id != clientID || secret != clientSecret || p.accept != "" && p.style != p.accept {
		answerJSON(w, http.StatusUnauthorized, object{"error": "invalid_client"})
		return
	}
	code, verifier := r.PostFormValue("code"), r.PostFormValue("code_verifier")
	p.secrets = append(p.secrets, verifier)
	g, ok := p.grants[code]
	delete(p.grants, code)
	sum := sha256.Sum256([]byte(verifier))
	if !ok || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != g.redirect || b64(sum[:]) != g.challenge {
		answerJSON(w, http.StatusBadRequest, object{"error": "invalid_grant"})
		return
	}
	access := rand.Text()
	now := time.Now().Unix()
	claims := object{
		"iss": p.issuer, "sub": "subject-1", "aud": clientID, "nonce": g.nonce,
		"iat": now, "exp": now + 300, "at_hash": p.keys[0].half(access),
		"email": "Ada@Example.com", "email_verified": true, "given_name": "Ada", "family_name": "Lovelace",
	}
	for name, value := range p.claims {
		claims = with(claims, name, value)
	}
	header := object{"typ": "JWT", "alg": p.keys[0].alg, "kid": p.keys[0].id}
	mint := p.mint
	if mint == nil {
		mint = func(header, claims object) string { return p.keys[0].sign(text(header), text(claims)) }
	}
	token := mint(header, claims)
	p.secrets = append(p.secrets, access, token)
	answerJSON(w, http.StatusOK, object{"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": token})
}

func (p *idp) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	access, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if p.userInfo == nil || !bearer || !slices.Contains(p.secrets, access) {
		answerJSON(w, http.StatusForbidden, object{"error": "insufficient_scope", "error_description": "for " + access})
		return
	}
	answerJSON(w, http.StatusOK, p.userInfo)
}

// leaked returns what of the provider's secrets stands in a text.
func (p *idp) leaked(in string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, secret := range p.secrets {
		if secret != "" && strings.Contains(in, secret) {
			return fmt.Errorf("%q holds the secret %q", in, secret)
		}
	}
	return nil
}
