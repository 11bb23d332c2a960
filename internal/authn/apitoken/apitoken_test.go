package apitoken_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/apitoken"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// verifier accepts one token.
type verifier struct{}

func (verifier) VerifyToken(text string) (authz.Principal, error) {
	if text != "good" {
		return authz.Principal{}, fault.New(fault.Unauthenticated, "The API token is refused.")
	}
	return authz.Principal{Type: authz.Service, Name: "svc", Method: "api-token"}, nil
}

func TestAuthenticate_FindsTheToken(t *testing.T) {
	t.Parallel()
	const (
		accepted = iota
		refused
		none
	)
	for name, tt := range map[string]struct {
		authorization, key string
		want               int
	}{
		"bearer":                          {"Bearer good", "", accepted},
		"bearer in lower case":            {"bearer good", "", accepted},
		"bearer with blanks":              {"Bearer   good ", "", accepted},
		"key":                             {"", "good", accepted},
		"key beside Basic":                {"Basic eDp5", "good", accepted},
		"bearer decides over the key":     {"Bearer bad", "good", refused},
		"good bearer beside a bad key":    {"Bearer good", "bad", accepted},
		"bad bearer":                      {"Bearer bad", "", refused},
		"bearer without a token":          {"Bearer ", "", refused},
		"bad key":                         {"", "bad", refused},
		"nothing":                         {"", "", none},
		"Basic":                           {"Basic eDp5", "", none},
		"a word that begins like bearer":  {"Bearergood", "", none},
		"a signature of another protocol": {"AWS4-HMAC-SHA256 Credential=x", "", none},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		if tt.key != "" {
			r.Header.Set("X-Api-Key", tt.key)
		}
		p, err := apitoken.New(verifier{}).Authenticate(r)
		switch tt.want {
		case accepted:
			if err != nil || p.Name != "svc" || p.Ambient {
				t.Errorf("%s: %+v, %v; want svc", name, p, err)
			}
		case refused:
			if !fault.Is(err, fault.Unauthenticated) || errors.Is(err, authn.ErrNoProof) {
				t.Errorf("%s: %+v, %v; want it refused", name, p, err)
			}
		case none:
			if !errors.Is(err, authn.ErrNoProof) {
				t.Errorf("%s: %+v, %v; want ErrNoProof", name, p, err)
			}
		}
	}
}
