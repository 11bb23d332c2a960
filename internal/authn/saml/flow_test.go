package saml_test

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"

	"github.com/confidant-secrets/confidant/internal/authn/saml"
)

// library is an identity provider of other make: the one of crewjam/saml, with
// one user and one service.
type library struct {
	crewjam.IdentityProvider
	service crewjam.EntityDescriptor
}

func (l *library) GetSession(http.ResponseWriter, *http.Request, *crewjam.IdpAuthnRequest) *crewjam.Session {
	return &crewjam.Session{
		ID: "1", Index: "_session1", CreateTime: time.Now(), ExpireTime: time.Now().Add(time.Hour),
		NameID: "una", NameIDFormat: string(crewjam.PersistentNameIDFormat),
		CustomAttributes: []crewjam.Attribute{
			{Name: "email", Values: []crewjam.AttributeValue{{Type: "xs:string", Value: "Una@Example.com"}}},
			{Name: "FIRST_NAME", Values: []crewjam.AttributeValue{{Type: "xs:string", Value: "Una"}}},
		},
	}
}

func (l *library) GetServiceProvider(_ *http.Request, id string) (*crewjam.EntityDescriptor, error) {
	if id != l.service.EntityID {
		return nil, os.ErrNotExist
	}
	return &l.service, nil
}

func TestFlow_WithTheLibrarysProvider(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*saml.Options){
		"without a key":           func(*saml.Options) {},
		"signed and encrypted":    withKey(t),
		"assertions signed too":   func(o *saml.Options) { o.AssertionsSigned = true },
		"encrypted and signed in": func(o *saml.Options) { withKey(t)(o); o.AssertionsSigned, o.MessagesSigned = true, false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := newWorld(t, change), browser{}
			w.now = time.Now()
			l := &library{}
			l.Key, l.Certificate = rsaKey(t, "idp"), certificate(t, "idp")
			metadataURL, _ := url.Parse(idpEntity)
			ssoURL, _ := url.Parse(signOn)
			l.MetadataURL, l.SSOURL, l.SignatureMethod = *metadataURL, *ssoURL, rsaSHA256
			l.ServiceProviderProvider, l.SessionProvider = l, l
			answer := b.send(w, httptest.NewRequest("GET", "/v1/saml/metadata", nil))
			if err := xml.Unmarshal(answer.Body.Bytes(), &l.service); err != nil {
				t.Fatal(err)
			}

			// The provider's page posts a form; a browser sends its fields on.
			page := httptest.NewRecorder()
			l.ServeSSO(page, httptest.NewRequest("GET", b.begin(w, "/v1/login?next=/services").String(), nil))
			if page.Code != http.StatusOK {
				t.Fatalf("the provider answers %d: %s", page.Code, page.Body)
			}
			inputs := tree(t, "<x>"+page.Body.String()+"</x>").FindElements("//input")
			fields := url.Values{}
			for _, input := range inputs {
				if field := input.SelectAttrValue("name", ""); field != "" {
					fields.Set(field, input.SelectAttrValue("value", ""))
				}
			}
			b.post(w, fields)
			if w.err != nil || w.identity.Name != "una@example.com" || w.identity.FirstName != "Una" || w.identity.Next != "/services" {
				t.Fatalf("%+v, %v", w.identity, w.err)
			}

			location, err := w.saml.Leave(nil, w.identity.Provider)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(location)
			if err != nil {
				t.Fatal(err)
			}
			leaving := message(t, u, "SAMLRequest")
			if id := find(t, leaving, "./NameID"); id.Text() != "una" || id.SelectAttrValue("Format", "") != string(crewjam.PersistentNameIDFormat) ||
				find(t, leaving, "./SessionIndex").Text() != "_session1" {
				t.Errorf("log-out names %s", serialize(t, leaving))
			}
		})
	}
}
