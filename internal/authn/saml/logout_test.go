package saml_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/xml"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/authn/saml"
	"github.com/confidant-secrets/confidant/internal/fault"
)

const logoutRequest = `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
	ID="_leave" Version="2.0" IssueInstant="NOW" Destination="ROOT/v1/saml/logout">
	<saml:Issuer>IDP</saml:Issuer><saml:NameID>named@example.com</saml:NameID><samlp:SessionIndex>_session7</samlp:SessionIndex>
</samlp:LogoutRequest>`

const logoutResponse = `<samlp:LogoutResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
	ID="_left" Version="2.0" IssueInstant="NOW" Destination="ROOT/v1/saml/logout" InResponseTo="_x">
	<saml:Issuer>IDP</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
</samlp:LogoutResponse>`

func logoutMessage(t testing.TB, text string) *etree.Element {
	t.Helper()
	return tree(t, strings.NewReplacer("ROOT", root, "IDP", idpEntity, "NOW", at(0)).Replace(text))
}

// query is what a provider sends by the HTTP-Redirect binding.
type query struct {
	field, relayState string
	key               string // "": not signed
	algorithm         string // "": RSA with SHA-256
	hash              crypto.Hash
}

func (q query) encode(t testing.TB, text string) string {
	t.Helper()
	var compressed bytes.Buffer
	w, err := flate.NewWriter(&compressed, 9)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	signed := q.field + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(compressed.Bytes()))
	if q.relayState != "" {
		signed += "&RelayState=" + url.QueryEscape(q.relayState)
	}
	if q.key == "" {
		return signed
	}
	if q.algorithm == "" {
		q.algorithm, q.hash = rsaSHA256, crypto.SHA256
	}
	signed += "&SigAlg=" + url.QueryEscape(q.algorithm)
	h := q.hash.New()
	h.Write([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, rsaKey(t, q.key), q.hash, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return signed + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
}

func (w *world) left(rawQuery string) (string, error) {
	return w.saml.Left(httptest.NewRequest("GET", "/v1/saml/logout?"+rawQuery, nil))
}

func TestLeave_TellsTheProviderWhoLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withKey(t))
	b := browser{}
	doc := newResponse(t, b.request(w))
	goodSigner(t).sign(t, doc)
	b.post(w, form(serialize(t, doc)))

	location, err := w.saml.Leave(nil, w.identity.Provider)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(location, signOut+"?SAMLRequest=") {
		t.Fatalf("sent to %s, %v", location, err)
	}
	checkQuery(t, u)
	got := crewjam.LogoutRequest{}
	if err := xml.Unmarshal([]byte(serialize(t, message(t, u, "SAMLRequest"))), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "2.0" || !got.IssueInstant.Equal(noon) || got.Destination != signOut || got.Issuer.Value != root+"/v1/saml/metadata" ||
		got.SessionIndex.Value != "_session7" || !strings.HasPrefix(got.ID, "_") {
		t.Errorf("%+v", got)
	}
	want := crewjam.NameID{Value: "named@example.com", Format: string(crewjam.EmailAddressNameIDFormat), SPNameQualifier: root + "/v1/saml/metadata"}
	if d := cmp.Diff(want, *got.NameID); d != "" {
		t.Error(d)
	}

	location, err = newWorld(t).saml.Leave(nil, w.identity.Provider)
	if err != nil || strings.Contains(location, "Signature") {
		t.Errorf("without a key: %s, %v; want it not signed", location, err)
	}
}

func TestLeave_HasNothingToTellWithoutUserOrURL(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		url, provider string
	}{
		"no URL":  {"", `{"n":"x"}`},
		"no user": {signOut, ""},
	} {
		w := newWorld(t, func(o *saml.Options) { o.IDPLogoutURL = tt.url })
		if location, err := w.saml.Leave(nil, tt.provider); location != "" || err != nil {
			t.Errorf("%s: %q, %v", name, location, err)
		}
	}
	if _, err := newWorld(t).saml.Leave(nil, "x"); err == nil || fault.Is(err, fault.Unauthenticated) {
		t.Errorf("damaged: %v; want an error that is nobody's fault", err)
	}
}

func TestLeft_AnswersTheProvidersRequest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options func(*saml.Options)
		to      string
		signed  bool
	}{
		"with a key":                   {withKey(t), signOut + "?SAMLResponse=", true},
		"without a key":                {func(*saml.Options) {}, signOut + "?SAMLResponse=", false},
		"with a key, not to be signed": {func(o *saml.Options) { withKey(t)(o); o.LogoutResponseSigned = false }, signOut + "?SAMLResponse=", false},
		"to another URL": {func(o *saml.Options) {
			o.RawSettings = []byte(`{"idp":{"singleLogoutService":{"responseUrl":"https://idp.example.com/left"}}}`)
		}, "https://idp.example.com/left?SAMLResponse=", false},
	} {
		w := newWorld(t, tt.options)
		location, err := w.left(query{field: "SAMLRequest", relayState: "a b&c", key: "idp"}.encode(t, serialize(t, logoutMessage(t, logoutRequest))))
		if err != nil || !strings.HasPrefix(location, tt.to) {
			t.Errorf("%s: sent to %s, %v", name, location, err)
			continue
		}
		u, err := url.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		if tt.signed {
			checkQuery(t, u)
		} else if u.Query().Has("Signature") {
			t.Errorf("%s: it is signed", name)
		}
		got := crewjam.LogoutResponse{}
		if err := xml.Unmarshal([]byte(serialize(t, message(t, u, "SAMLResponse"))), &got); err != nil {
			t.Fatal(err)
		}
		if got.InResponseTo != "_leave" || got.Destination+"?SAMLResponse=" != tt.to || got.Status.StatusCode.Value != crewjam.StatusSuccess ||
			got.Issuer.Value != root+"/v1/saml/metadata" || u.Query().Get("RelayState") != "a b&c" {
			t.Errorf("%s: %+v, relay state %q", name, got, u.Query().Get("RelayState"))
		}
	}
}

func TestLeft_EndsHereWhereThereIsNothingToAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if location, err := w.left(query{field: "SAMLResponse", relayState: "x", key: "idp"}.encode(t, serialize(t, logoutMessage(t, logoutResponse)))); location != "/loggedout" || err != nil {
		t.Errorf("response: %q, %v", location, err)
	}
	w = newWorld(t, func(o *saml.Options) { o.IDPLogoutURL = "" })
	if location, err := w.left(query{field: "SAMLRequest", key: "idp"}.encode(t, serialize(t, logoutMessage(t, logoutRequest)))); location != "/loggedout" || err != nil {
		t.Errorf("request without a URL to answer at: %q, %v", location, err)
	}
	w = newWorld(t, func(o *saml.Options) { o.MessagesSigned = false })
	if location, err := w.left(query{field: "SAMLResponse"}.encode(t, serialize(t, logoutMessage(t, logoutResponse)))); location != "/loggedout" || err != nil {
		t.Errorf("response that need not be signed: %q, %v", location, err)
	}
}

func TestLeft_RefusesWhatTheProviderDidNotSay(t *testing.T) {
	t.Parallel()
	request, response := query{field: "SAMLRequest", key: "idp"}, query{field: "SAMLResponse", key: "idp"}
	unsigned := func(o *saml.Options) { o.MessagesSigned = false }
	for name, tt := range map[string]struct {
		options func(*saml.Options)
		query   query
		edit    func(*testing.T, *etree.Element)
		text    func(string) string
		raw     func(string) string
		code    string
	}{
		"request not signed":                   {query: query{field: "SAMLRequest"}, code: "invalid_logout_request"},
		"response not signed":                  {query: query{field: "SAMLResponse"}, code: "invalid_logout_response"},
		"another key":                          {query: query{field: "SAMLRequest", key: "other"}, code: "invalid_logout_request"},
		"our own key":                          {options: withKey(t), query: query{field: "SAMLRequest", key: "sp"}, code: "invalid_logout_request"},
		"bad signature that need not be there": {options: unsigned, query: query{field: "SAMLRequest", key: "other"}, code: "invalid_logout_request"},
		"SHA-1":                                {query: query{field: "SAMLRequest", key: "idp", algorithm: "http://www.w3.org/2000/09/xmldsig#rsa-sha1", hash: crypto.SHA1}, code: "invalid_logout_request"},
		"relay state changed":                  {query: query{field: "SAMLRequest", relayState: "a", key: "idp"}, raw: replace("RelayState=a", "RelayState=b"), code: "invalid_logout_request"},
		"relay state added":                    {query: request, raw: func(q string) string { return q + "&RelayState=b" }, code: "invalid_logout_request"},
		"field twice":                          {query: request, raw: func(q string) string { return q + "&" + q }, code: "invalid_logout_request"},
		"request and response":                 {query: request, raw: func(q string) string { return q + "&SAMLResponse=" }, code: "invalid_logout_response"},
		"another encoding":                     {options: unsigned, query: query{field: "SAMLRequest"}, raw: func(q string) string { return q + "&SAMLEncoding=x" }, code: "invalid_logout_request"},
		"signature is no base64":               {query: request, raw: func(q string) string { return q[:strings.Index(q, "&Signature=")] + "&Signature=*" }, code: "invalid_logout_request"},
		"percent signs":                        {options: unsigned, query: query{field: "SAMLRequest"}, raw: func(q string) string { return q + "%zz" }, code: "invalid_logout_request"},
		"no message":                           {query: request, raw: func(string) string { return "x=y" }, code: "invalid_logout_request"},
		"garbage":                              {options: unsigned, query: query{field: "SAMLResponse"}, raw: func(string) string { return "SAMLResponse=Zm9v" }, code: "invalid_logout_response"},
		"no base64":                            {options: unsigned, query: query{field: "SAMLResponse"}, raw: func(string) string { return "SAMLResponse=***" }, code: "invalid_logout_response"},
		"a bomb":                               {query: request, text: func(s string) string { return s + strings.Repeat(" ", 50_000_000) }, code: "invalid_logout_request"},
		"a query without end":                  {options: unsigned, query: query{field: "SAMLRequest"}, raw: func(q string) string { return q + strings.Repeat("A", 600_000) }, code: "invalid_logout_request"},
		"a document type":                      {query: request, text: func(s string) string { return `<!DOCTYPE x>` + s }, code: "invalid_logout_request"},
		"wrong destination":                    {query: request, edit: set("", "Destination", "https://other.example.com/v1/saml/logout"), code: "invalid_logout_request"},
		"no destination":                       {query: response, edit: set("", "Destination", ""), code: "invalid_logout_response"},
		"wrong issuer":                         {query: request, edit: setText("./Issuer", "x"), code: "invalid_logout_request"},
		"no issuer":                            {query: response, edit: remove("./Issuer"), code: "invalid_logout_response"},
		"old":                                  {query: request, edit: set("", "IssueInstant", at(-16*time.Minute)), code: "invalid_logout_request"},
		"from the future":                      {query: response, edit: set("", "IssueInstant", at(6*time.Minute)), code: "invalid_logout_response"},
		"over":                                 {query: request, edit: set("", "NotOnOrAfter", at(-5*time.Minute)), code: "invalid_logout_request"},
		"nobody leaves":                        {query: request, edit: remove("./NameID"), code: "invalid_logout_request"},
		"no ID":                                {query: request, edit: set("", "ID", ""), code: "invalid_logout_request"},
		"another version":                      {query: request, edit: set("", "Version", "1.1"), code: "invalid_logout_request"},
		"a response as request":                {query: request, edit: func(_ *testing.T, el *etree.Element) { el.Tag = "LogoutResponse" }, code: "invalid_logout_request"},
		"a request as response":                {query: response, edit: func(_ *testing.T, el *etree.Element) { el.Tag = "LogoutRequest" }, code: "invalid_logout_response"},
		"the provider failed":                  {query: response, edit: set(".//StatusCode", "Value", "urn:oasis:names:tc:SAML:2.0:status:Responder"), code: "logout_not_success"},
		"no status":                            {query: response, edit: remove("./Status"), code: "logout_not_success"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *saml.Options) {
				if tt.options != nil {
					tt.options(o)
				}
			})
			template, usual := logoutRequest, "/slo?SAMLResponse="
			if tt.query.field == "SAMLResponse" {
				template, usual = logoutResponse, "/loggedout"
			}
			good := query{field: tt.query.field, relayState: tt.query.relayState, key: "idp"}
			if location, err := w.left(good.encode(t, serialize(t, logoutMessage(t, template)))); err != nil || !strings.Contains(location, usual) {
				t.Fatalf("unmutated: %s, %v", location, err)
			}
			el := logoutMessage(t, template)
			if tt.edit != nil {
				tt.edit(t, el)
			}
			text := serialize(t, el)
			if tt.text != nil {
				text = tt.text(text)
			}
			raw := tt.query.encode(t, text)
			if tt.raw != nil {
				raw = tt.raw(raw)
			}
			location, err := w.left(raw)
			f := fault.As(err)
			if location != "" || f == nil || f.Kind != fault.Unauthenticated {
				t.Fatalf("%q, %v; want Unauthenticated", location, err)
			}
			want := map[string]any{"message": "SAML request failed", "errors": []string{tt.code}, "reason": "The message of the identity provider was refused."}
			if d := cmp.Diff(any(want), f.Details); d != "" {
				t.Error(d)
			}
		})
	}
}
