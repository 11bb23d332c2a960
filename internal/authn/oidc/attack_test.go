package oidc_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// TestLogIn_RefusesEveryForgedToken has the token endpoint hand out tokens that a
// provider never would. Each log-in is complete but for that; the first rows show
// that an untouched token passes.
func TestLogIn_RefusesEveryForgedToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.idp.keys = []key{keys().rsa, keys().ec}
	a := w.start()

	var fetched atomic.Int32 // what the tokens' own headers point to
	evil := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		answerJSON(rw, http.StatusOK, object{"keys": []object{keys().stranger.public()}})
	}))
	defer evil.Close()

	good, stranger := keys().rsa, keys().stranger
	der, err := x509.MarshalPKIXPublicKey(good.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	hs256 := func(header object, claims object, secret []byte) string {
		input := b64([]byte(text(with(header, "alg", "HS256")))) + "." + b64([]byte(text(claims)))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return input + "." + b64(mac.Sum(nil))
	}
	claim := func(members ...any) func(h, c object) string {
		return func(h, c object) string { return good.sign(text(h), text(with(c, members...))) }
	}
	foreign := func(members ...any) func(h, c object) string {
		return func(h, c object) string { return stranger.sign(text(with(h, members...)), text(c)) }
	}
	// after puts further members behind those of an object.
	after := func(o object, members string) string { return strings.TrimSuffix(text(o), "}") + "," + members + "}" }
	parts := func(token string) []string { return strings.Split(token, ".") }

	rows := []struct {
		name   string
		mint   func(header, claims object) string
		passes bool
	}{
		{"untouched", claim(), true},
		{"key id left out", func(h, c object) string { return good.sign(text(with(h, "kid", nil)), text(c)) }, true},
		{"audience in a list", claim("aud", []string{clientID}), true},
		{"several audiences, authorized party", claim("aud", []string{"other", clientID}, "azp", clientID), true},
		{"its own headers of no effect", func(h, c object) string {
			return good.sign(text(with(h, "jku", evil.URL+"/keys", "x5u", evil.URL+"/chain", "jwk", stranger.public())), text(c))
		}, true},
		{"clock of the provider a minute ahead", claim("iat", now+60, "nbf", now+60), true},

		{"alg none", func(h, c object) string {
			return b64([]byte(text(with(h, "alg", "none")))) + "." + b64([]byte(text(c))) + "."
		}, false},
		{"alg none, signature kept", func(h, c object) string { return good.sign(text(with(h, "alg", "none")), text(c)) }, false},
		{"alg None", func(h, c object) string { return good.sign(text(with(h, "alg", "None")), text(c)) }, false},
		{"no alg", func(h, c object) string { return good.sign(text(with(h, "alg", nil)), text(c)) }, false},
		{"HS256 with the public key, DER", func(h, c object) string { return hs256(h, c, der) }, false},
		{"HS256 with the public key, PEM", func(h, c object) string {
			return hs256(h, c, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}, false},
		{"HS256 with the client secret", func(h, c object) string { return hs256(h, c, []byte(clientSecret)) }, false},
		{"RS512 that is RS256", func(h, c object) string { return good.sign(text(with(h, "alg", "RS512")), text(c)) }, false},
		{"ES256 under an RSA key", func(h, c object) string { return good.sign(text(with(h, "alg", "ES256")), text(c)) }, false},
		{"wrong key id", func(h, c object) string { return good.sign(text(with(h, "kid", "rsa-2")), text(c)) }, false},
		{"key id of another key", func(h, c object) string { return good.sign(text(with(h, "kid", "ec-1")), text(c)) }, false},
		{"unknown key", foreign(), false},
		{"unknown key, no key id", foreign("kid", nil), false},
		{"jwk", foreign("jwk", stranger.public()), false},
		{"jku", foreign("jku", evil.URL+"/keys"), false},
		{"x5u", foreign("x5u", evil.URL+"/chain"), false},
		{"unknown critical member", func(h, c object) string {
			return good.sign(text(with(h, "crit", []string{"exp"}, "exp", now)), text(c))
		}, false},
		{"member of the header twice", func(h, c object) string { return good.sign(after(h, `"alg":"RS256"`), text(c)) }, false},
		{"issuer twice", func(h, c object) string { return good.sign(text(h), after(c, `"iss":`+text(c["iss"]))) }, false},
		{"e-mail address twice", func(h, c object) string { return good.sign(text(h), after(c, `"email":"root@example.com"`)) }, false},
		{"e-mail address twice, once in capitals", func(h, c object) string {
			return good.sign(text(h), after(c, `"EMAIL":"root@example.com"`))
		}, false},
		{"e-mail address twice, once escaped", func(h, c object) string {
			return good.sign(text(h), after(c, `"\u0065mail":"root@example.com"`))
		}, false},
		{"member twice, deep inside", func(h, c object) string { return good.sign(text(h), after(c, `"x":[{"y":1,"y":2}]`)) }, false},
		{"payload goes on", func(h, c object) string { return good.sign(text(h), text(c)+"{}") }, false},
		{"payload is a list", func(h, c object) string { return good.sign(text(h), "["+text(c)+"]") }, false},
		{"wrong audience", claim("aud", "other"), false},
		{"no audience", claim("aud", nil), false},
		{"several audiences, no authorized party", claim("aud", []string{clientID, "other"}), false},
		{"another authorized party", claim("aud", []string{clientID, "other"}, "azp", "other"), false},
		{"one audience, another authorized party", claim("azp", "other"), false},
		{"authorized party that is no text", claim("azp", []string{clientID}), false},
		{"wrong issuer", claim("iss", evil.URL), false},
		{"issuer with a slash", claim("iss", w.idp.issuer+"/"), false},
		{"issuer without scheme", claim("iss", strings.TrimPrefix(w.idp.issuer, "http://")), false},
		{"no issuer", claim("iss", nil), false},
		{"no subject", claim("sub", nil), false},
		{"expired", claim("iat", now-600, "exp", now-1), false},
		{"no expiry", claim("exp", nil), false},
		{"expiry that is no number", claim("exp", "soon"), false},
		{"not yet valid", claim("nbf", now+3600), false},
		{"issued in the future", claim("iat", now+3600, "exp", now+7200), false},
		{"no time of issue", claim("iat", nil), false},
		{"expires before it is issued", claim("iat", now+200, "exp", now+100), false},
		{"wrong nonce", claim("nonce", "guessed"), false},
		{"no nonce", claim("nonce", nil), false},
		{"access token of another", claim("at_hash", b64(make([]byte, 16))), false},
		{"payload tampered with", func(h, c object) string {
			p := parts(good.sign(text(h), text(c)))
			p[1] = b64([]byte(text(with(c, "email", "root@example.com"))))
			return strings.Join(p, ".")
		}, false},
		{"header tampered with", func(h, c object) string {
			p := parts(good.sign(text(h), text(c)))
			p[0] = b64([]byte(text(with(h, "cty", "x"))))
			return strings.Join(p, ".")
		}, false},
		{"signature stripped", func(h, c object) string {
			p := parts(good.sign(text(h), text(c)))
			return p[0] + "." + p[1] + "."
		}, false},
		{"signature part missing", func(h, c object) string {
			p := parts(good.sign(text(h), text(c)))
			return p[0] + "." + p[1]
		}, false},
		{"signature of another token", func(h, c object) string {
			p, q := parts(good.sign(text(h), text(c))), parts(good.sign(text(h), text(with(c, "x", 1))))
			return p[0] + "." + p[1] + "." + q[2]
		}, false},
		{"padded base64", func(h, c object) string { return good.sign(text(h), text(c)) + "==" }, false},
		{"foreign characters in the base64", func(h, c object) string { return "!" + good.sign(text(h), text(c)) }, false},
		{"JSON form", func(h, c object) string {
			p := parts(good.sign(text(h), text(c)))
			return text(object{"protected": p[0], "payload": p[1], "signature": p[2]})
		}, false},
		{"five parts, as encrypted", func(h, c object) string { return good.sign(text(h), text(c)) + ".e30.e30" }, false},
		{"oversized", claim("x", strings.Repeat("x", 64<<10)), false},
		{"empty", func(object, object) string { return "" }, false},
	}
	refused := 0
	for _, row := range rows {
		w.idp.set(func() { w.idp.mint = row.mint })
		status := w.browser().logIn(a)
		id, err := a.ended()
		switch {
		case row.passes && (status != http.StatusNoContent || id.Name != "ada@example.com"):
			t.Errorf("%s: status %d, %v; want a log-in", row.name, status, err)
		case !row.passes && (status != http.StatusForbidden || !fault.Is(err, fault.BadProof)):
			t.Errorf("%s: status %d, %v; want 403", row.name, status, err)
		case !row.passes:
			refused++
			t.Logf("%-40s %v", row.name, err)
		}
	}
	t.Logf("%d forged ID tokens refused", refused)
	if want := 50; refused < want {
		t.Errorf("%d forged ID tokens refused, want at least %d", refused, want)
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("what a token's own header points to was fetched %d times", n)
	}
}

func TestLogIn_TokensExpireByOurClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.start()
	w.ahead.Store(int64(4 * time.Minute))
	if status := w.browser().logIn(a); status != http.StatusNoContent {
		t.Errorf("four minutes old: status %d, want 204", status)
	}
	w.ahead.Store(int64(6 * time.Minute))
	if status := w.browser().logIn(a); status != http.StatusForbidden {
		t.Errorf("six minutes old, valid for five: status %d, want 403", status)
	}
}

func TestLogIn_SignaturesOfAnyAlgorithmTheProviderOffers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		key     key
		offered []string
		status  int
	}{
		{keys().rsa, []string{"RS256"}, http.StatusNoContent},
		{keys().ps, []string{"PS256"}, http.StatusNoContent},
		{keys().ec, []string{"ES256", "RS256"}, http.StatusNoContent},
		{keys().ed, []string{"EdDSA"}, http.StatusNoContent},
		{keys().rsa, nil, http.StatusNoContent},
		{keys().rsa, []string{"none", "HS256"}, http.StatusNoContent},
		{keys().ec, nil, http.StatusForbidden},
		{keys().ec, []string{"RS256"}, http.StatusForbidden},
		{keys().rsa, []string{"ES256"}, http.StatusForbidden},
	}
	for _, tt := range tests {
		w := newWorld(t)
		w.idp.keys = []key{tt.key}
		w.idp.metadata = object{"id_token_signing_alg_values_supported": nil}
		if tt.offered != nil {
			w.idp.metadata = object{"id_token_signing_alg_values_supported": tt.offered}
		}
		a := w.start()
		if status := w.browser().logIn(a); status != tt.status {
			_, err := a.ended()
			t.Errorf("%s where %v are offered: status %d, %v; want %d", tt.key.alg, tt.offered, status, err, tt.status)
		}
	}
}
