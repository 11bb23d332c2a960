package saml_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authn/saml"
)

func rawSettings(text string) func(*saml.Options) {
	return func(o *saml.Options) { o.RawSettings = []byte(text) }
}

// tryNew returns what New logs, and its error.
func tryNew(t *testing.T, changes ...func(*saml.Options)) (string, error) {
	t.Helper()
	var log strings.Builder
	o := options(t)
	o.Challenges = &authn.Challenges{}
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	for _, change := range changes {
		change(&o)
	}
	_, err := saml.New(o)
	return log.String(), err
}

func TestNew_NamesTheSettingThatIsWrong(t *testing.T) {
	t.Parallel()
	key := func(cert, key string) func(*saml.Options) {
		return func(o *saml.Options) { o.Cert, o.Key = cert, []byte(key) }
	}
	for name, tt := range map[string]struct {
		change func(*saml.Options)
		want   string
	}{
		"no root":                         {func(o *saml.Options) { o.RootURL = "" }, "SAML_CONFIDANT_URL_ROOT must be a URL"},
		"root without scheme":             {func(o *saml.Options) { o.RootURL = "confidant.example.com" }, "SAML_CONFIDANT_URL_ROOT must be a URL"},
		"root with a query":               {func(o *saml.Options) { o.RootURL = root + "/?x" }, "SAML_CONFIDANT_URL_ROOT must be a URL without a query"},
		"no entity id":                    {func(o *saml.Options) { o.IDPEntityID = "" }, "SAML_IDP_ENTITY_ID is empty"},
		"no sign-on URL":                  {func(o *saml.Options) { o.IDPSignonURL = "" }, "SAML_IDP_SIGNON_URL must be a URL"},
		"script as sign-on URL":           {func(o *saml.Options) { o.IDPSignonURL = "javascript:alert(1)" }, "SAML_IDP_SIGNON_URL must be a URL"},
		"bad log-out URL":                 {func(o *saml.Options) { o.IDPLogoutURL = "/slo" }, "SAML_IDP_LOGOUT_URL must be a URL"},
		"unknown algorithm":               {func(o *saml.Options) { o.SignatureAlgorithm = "rot13" }, `SAML_SECURITY_SIG_ALGO: the algorithm "rot13" is not known`},
		"no IdP certificate":              {func(o *saml.Options) { o.IDPCert = "" }, "SAML_IDP_CERT: it is neither PEM nor base64"},
		"IdP certificate broken":          {func(o *saml.Options) { o.IDPCert = "AAAA" }, "SAML_IDP_CERT: the certificate cannot be read"},
		"IdP certificate a key":           {func(o *saml.Options) { o.IDPCert = file(t, "idp.key") }, `SAML_IDP_CERT: a PEM block is a "RSA PRIVATE KEY"`},
		"IdP certificate PEM broken":      {func(o *saml.Options) { o.IDPCert = "-----BEGIN CERTIFICATE-----\n*" }, "SAML_IDP_CERT: the PEM text is damaged"},
		"IdP certificate of another kind": {func(o *saml.Options) { o.IDPCert = file(t, "ec.crt") }, "is not one of an RSA key"},
		"key without certificate":         {key("", file(t, "sp.key")), "SAML_SP_KEY needs its certificate"},
		"key broken":                      {key(file(t, "sp.crt"), "AAAA"), "SAML_SP_KEY: the key cannot be read"},
		"key no text of one":              {key(file(t, "sp.crt"), "*"), "SAML_SP_KEY: the key is neither PEM nor base64"},
		"key of another kind":             {key(file(t, "ec.crt"), string(pkcs8(t, "ec"))), "SAML_SP_KEY: the key is not an RSA key"},
		"certificate broken":              {key("AAAA", file(t, "sp.key")), "SAML_SP_CERT: the certificate cannot be read"},
		"certificate of another":          {key(file(t, "idp.crt"), file(t, "sp.key")), "SAML_SP_CERT: the certificate is not that of SAML_SP_KEY"},
		"key encrypted":                   {key(file(t, "sp.crt"), file(t, "sp-pbes2-aes256.key")), "SAML_SP_KEY_FILE_PASSWORD is not set"},
		"raw settings no object":          {rawSettings(`[]`), "SAML_RAW_JSON_SETTINGS is not a JSON object"},
		"raw settings not strict":         {rawSettings(`{"strict":false}`), `SAML_RAW_JSON_SETTINGS: "strict": false is refused`},
		"raw settings of a type":          {rawSettings(`{"security":{"wantNameId":"yes"}}`), "SAML_RAW_JSON_SETTINGS: "},
		"raw context of a type":           {rawSettings(`{"security":{"requestedAuthnContext":7}}`), "security.requestedAuthnContext is neither"},
		"raw comparison":                  {rawSettings(`{"security":{"requestedAuthnContextComparison":"vague"}}`), "security.requestedAuthnContextComparison must be"},
		"raw binding":                     {rawSettings(`{"idp":{"singleSignOnService":{"binding":"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"}}}`), "idp.singleSignOnService.binding must be"},
		"raw sign-on URL":                 {rawSettings(`{"idp":{"singleSignOnService":{"url":"x"}}}`), "SAML_RAW_JSON_SETTINGS: idp.singleSignOnService.url must be a URL"},
		"raw response URL":                {rawSettings(`{"idp":{"singleLogoutService":{"responseUrl":"x"}}}`), "SAML_RAW_JSON_SETTINGS: idp.singleLogoutService.responseUrl must be a URL"},
		"raw consumer":                    {rawSettings(`{"sp":{"assertionConsumerService":{"url":"x"}}}`), "sp.assertionConsumerService.url must be a URL"},
		"raw log-out":                     {rawSettings(`{"sp":{"singleLogoutService":{"url":"x"}}}`), "sp.singleLogoutService.url must be a URL"},
		"raw entity id":                   {rawSettings(`{"sp":{"entityId":""}}`), "sp.entityId is empty"},
		"raw certificates":                {rawSettings(`{"idp":{"x509certMulti":{"signing":["AAAA"]}}}`), "SAML_RAW_JSON_SETTINGS: idp.x509certMulti.signing: the certificate cannot be read"},
		"raw algorithm":                   {rawSettings(`{"security":{"signatureAlgorithm":"x"}}`), "SAML_RAW_JSON_SETTINGS: security.signatureAlgorithm: the algorithm"},
		"signed without a key":            {rawSettings(`{"security":{"authnRequestsSigned":true}}`), "nothing can be signed without SAML_SP_KEY"},
		"encrypted without a key":         {rawSettings(`{"security":{"wantAssertionsEncrypted":true}}`), "cannot be read without SAML_SP_KEY"},
		"no log":                          {func(o *saml.Options) { o.Log = nil }, "needs challenges, to know administrators, and a log"},
	} {
		_, err := tryNew(t, tt.change)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want it to say %q", name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "MII") {
			t.Errorf("%s: the error holds a key", name)
		}
	}
}

func TestNew_NamesEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := tryNew(t, func(o *saml.Options) {
		o.RootURL, o.IDPSignonURL, o.IDPCert, o.SignatureAlgorithm = "x", "x", "x", "x"
		o.Cert, o.Key = "x", []byte("x")
	})
	for _, setting := range []string{"SAML_CONFIDANT_URL_ROOT", "SAML_IDP_SIGNON_URL", "SAML_IDP_CERT", "SAML_SECURITY_SIG_ALGO", "SAML_SP_KEY"} {
		if err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("%v; want it to name %s", err, setting)
		}
	}
}

func TestNew_WarnsAboutWhatIsDoubtful(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*saml.Options)
		want   string
	}{
		"nothing":         {func(*saml.Options) {}, ""},
		"unknown members": {rawSettings(`{"organization":{},"security":{"wantNameID":false,"nameIdEncrypted":true},"debug":true}`), `members="[organization security.nameIdEncrypted security.wantNameID]"`},
		"SHA-1": {func(o *saml.Options) {
			withKey(t)(o)
			o.SignatureAlgorithm = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
		}, "SHA-1"},
		"certificate without key": {func(o *saml.Options) { o.Cert = file(t, "sp.crt") }, "has no effect without its key"},
		"certificate of the past": {func(o *saml.Options) { o.Now = certificate(t, "idp").NotAfter.AddDate(1, 0, 0).UTC }, "has expired"},
	} {
		log, err := tryNew(t, tt.change)
		if err != nil || !strings.Contains(log, tt.want) || tt.want == "" && log != "" {
			t.Errorf("%s: %v, logged %q; want %q", name, err, log, tt.want)
		}
	}
}

func TestNew_OpensKeysOfEveryForm(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"sp.key", "sp-pkcs8.key", "sp-legacy-aes256.key", "sp-legacy-des3.key",
		"sp-pbes2-aes256.key", "sp-pbes2-aes128-sha512.key", "sp-pbes2-des3-sha1.key",
	} {
		encrypted := strings.Contains(name, "legacy") || strings.Contains(name, "pbes2")
		use := func(password string) func(*saml.Options) {
			return func(o *saml.Options) {
				o.Cert, o.Key, o.KeyPassword = file(t, "sp.crt"), []byte(file(t, name)), []byte(password)
			}
		}
		if _, err := tryNew(t, use("secret")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := tryNew(t, use("wrong"))
		if encrypted && (err == nil || !strings.HasPrefix(err.Error(), "SAML_SP_KEY: ")) {
			t.Errorf("%s with a wrong password: %v", name, err)
		}
	}
	_, err := tryNew(t, func(o *saml.Options) {
		o.Cert, o.Key, o.KeyPassword = file(t, "sp.crt"), []byte(file(t, "sp-scrypt.key")), []byte("secret")
	})
	if err == nil || !strings.Contains(err.Error(), "not known here") {
		t.Errorf("scrypt: %v", err)
	}
}

func TestRawSettings_ReplaceWhatTheyName(t *testing.T) {
	t.Parallel()
	classes := func(w *world) []string {
		var found []string
		for _, el := range message(t, browser{}.begin(w, "/v1/login"), "SAMLRequest").FindElements("./RequestedAuthnContext/AuthnContextClassRef") {
			found = append(found, el.Text())
		}
		return found
	}
	if got := classes(newWorld(t, rawSettings(`{"security":{"requestedAuthnContext":false}}`))); got != nil {
		t.Errorf("false: %v", got)
	}
	if got := classes(newWorld(t, rawSettings(`{"security":{"requestedAuthnContext":true}}`))); len(got) != 1 {
		t.Errorf("true: %v", got)
	}
	if d := cmp.Diff([]string{"a", "b"}, classes(newWorld(t, rawSettings(`{"security":{"requestedAuthnContext":["a","b"]}}`)))); d != "" {
		t.Error(d)
	}

	u := browser{}.begin(newWorld(t, rawSettings(`{"idp":{"singleSignOnService":{"url":"https://idp.example.com/other"}},"sp":{"NameIDFormat":"urn:x","entityId":"urn:confidant"}}`)), "/v1/login")
	request := message(t, u, "SAMLRequest")
	if u.Path != "/other" || find(t, request, "./Issuer").Text() != "urn:confidant" || find(t, request, "./NameIDPolicy").SelectAttrValue("Format", "") != "urn:x" {
		t.Errorf("%s: %s", u, serialize(t, request))
	}

	// A key that signs nothing.
	u = browser{}.begin(newWorld(t, withKey(t), rawSettings(`{"security":{"authnRequestsSigned":false}}`)), "/v1/login")
	if u.Query().Has("Signature") {
		t.Errorf("%s is signed", u)
	}

	// Certificates that replace the configured one.
	w, b := newWorld(t, rawSettings(`{"idp":{"x509cert":"x","x509certMulti":{"signing":["`+base64Of(t, "other.crt")+`"],"encryption":["x"]}}}`)), browser{}
	doc := newResponse(t, b.request(w))
	s := goodSigner(t)
	s.key, s.cert = rsaKey(t, "other"), nil
	s.sign(t, doc)
	b.post(w, form(serialize(t, doc)))
	if w.err != nil {
		t.Errorf("signed by the replaced key: %v", w.err)
	}

	// The older service's own spelling of a binding.
	if _, err := tryNew(t, rawSettings(`{"sp":{"singleLogoutService":{"binding":"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-REDIRECT"}}}`)); err != nil {
		t.Errorf("older spelling: %v", err)
	}

	for _, text := range []string{"", "null", "{}"} {
		answer := browser{}.send(newWorld(t, rawSettings(text)), httptest.NewRequest("GET", "/v1/login", nil))
		if answer.Code != 302 {
			t.Errorf("%q: %d", text, answer.Code)
		}
	}
}
