package saml

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/crewjam/saml"
)

const passwordProtectedTransport = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"

// settings is all that can be chosen, in the shape of the raw settings: a member
// that is not here is not known, and its name is told to the operator.
type settings struct {
	Strict   bool             `json:"strict"`
	Debug    bool             `json:"debug"` // accepted, of no effect
	SP       serviceProvider  `json:"sp"`
	IDP      identityProvider `json:"idp"`
	Security security         `json:"security"`
}

// serviceProvider is this service.
type serviceProvider struct {
	EntityID     string   `json:"entityId"`
	Consume      endpoint `json:"assertionConsumerService"`
	Logout       endpoint `json:"singleLogoutService"`
	NameIDFormat string   `json:"NameIDFormat"`
	Cert         string   `json:"x509cert"`
	Key          string   `json:"privateKey"`
}

// identityProvider is who knows the users.
type identityProvider struct {
	EntityID string   `json:"entityId"`
	SignOn   endpoint `json:"singleSignOnService"`
	Logout   endpoint `json:"singleLogoutService"`
	Cert     string   `json:"x509cert"`
	Certs    struct {
		Signing    []string `json:"signing"`    // if there are any, they stand in place of x509cert
		Encryption []string `json:"encryption"` // accepted, of no effect: nothing is encrypted for the provider
	} `json:"x509certMulti"`
}

type endpoint struct {
	URL         string `json:"url"`
	ResponseURL string `json:"responseUrl"` // for responses, if they go elsewhere
	Binding     string `json:"binding"`
}

// security is what is demanded of messages, and how ours are made.
type security struct {
	AuthnRequestsSigned     bool         `json:"authnRequestsSigned"`
	LogoutRequestsSigned    bool         `json:"logoutRequestSigned"`
	LogoutResponsesSigned   bool         `json:"logoutResponseSigned"`
	SignMetadata            bool         `json:"signMetadata"`
	WantMessagesSigned      bool         `json:"wantMessagesSigned"`
	WantAssertionsSigned    bool         `json:"wantAssertionsSigned"`
	WantAssertionsEncrypted bool         `json:"wantAssertionsEncrypted"`
	WantNameID              bool         `json:"wantNameId"`
	WantAttributeStatement  bool         `json:"wantAttributeStatement"`
	AllowRepeatedAttributes bool         `json:"allowRepeatAttributeName"`
	AuthnContext            authnContext `json:"requestedAuthnContext"`
	AuthnContextComparison  string       `json:"requestedAuthnContextComparison"`
	SignatureAlgorithm      string       `json:"signatureAlgorithm"`
}

// authnContext is the classes of authentication that are asked for. In JSON it
// is a list, true for the usual class, or false for none.
type authnContext []string

// UnmarshalJSON implements json.Unmarshaler.
func (c *authnContext) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "true":
		*c = authnContext{passwordProtectedTransport}
		return nil
	case "false":
		*c = nil
		return nil
	}
	var classes []string
	if err := json.Unmarshal(text, &classes); err != nil {
		return errors.New("security.requestedAuthnContext is neither true, false nor a list of texts")
	}
	*c = classes
	return nil
}

// computed returns the settings that follow from the options.
func computed(o Options) settings {
	root := strings.TrimRight(o.RootURL, "/")
	hasKey := len(o.Key) > 0
	return settings{
		Strict: true,
		SP: serviceProvider{
			EntityID:     root + metadataPath,
			Consume:      endpoint{URL: root + consumePath, Binding: saml.HTTPPostBinding},
			Logout:       endpoint{URL: root + logoutPath, Binding: saml.HTTPRedirectBinding},
			NameIDFormat: string(saml.EmailAddressNameIDFormat),
			Cert:         o.Cert,
			Key:          string(o.Key),
		},
		IDP: identityProvider{
			EntityID: o.IDPEntityID,
			SignOn:   endpoint{URL: o.IDPSignonURL, Binding: saml.HTTPRedirectBinding},
			Logout:   endpoint{URL: o.IDPLogoutURL, Binding: saml.HTTPRedirectBinding},
			Cert:     o.IDPCert,
		},
		Security: security{
			AuthnRequestsSigned:    hasKey,
			LogoutRequestsSigned:   hasKey,
			LogoutResponsesSigned:  hasKey && o.LogoutResponseSigned,
			SignMetadata:           hasKey,
			WantMessagesSigned:     o.MessagesSigned,
			WantAssertionsSigned:   o.AssertionsSigned,
			WantNameID:             true,
			WantAttributeStatement: o.WantAttributeStatements,
			AuthnContext:           authnContext{passwordProtectedTransport},
			AuthnContextComparison: "exact",
			SignatureAlgorithm:     o.SignatureAlgorithm,
		},
	}
}

// merge puts raw settings over s: objects merge, everything else replaces. It
// returns the names of the members it does not know.
func (s *settings) merge(raw json.RawMessage) (unknown []string, err error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, errors.New("SAML_RAW_JSON_SETTINGS is not a JSON object")
	}
	unknown = prune(members, reflect.TypeFor[settings](), "")
	known, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("SAML_RAW_JSON_SETTINGS: %w", err)
	}
	// Decoding into what is there merges objects and replaces everything else.
	if err := json.Unmarshal(known, s); err != nil {
		return nil, fmt.Errorf("SAML_RAW_JSON_SETTINGS: %w", err)
	}
	slices.Sort(unknown)
	return unknown, nil
}

// prune removes the members that a type does not have and returns their names.
// It knows capitals, which package json does not.
func prune(members map[string]any, t reflect.Type, path string) (unknown []string) {
	types := map[string]reflect.Type{}
	for field := range t.Fields() {
		types[field.Tag.Get("json")] = field.Type
	}
	for name, value := range members {
		member, ok := types[name]
		if !ok {
			unknown = append(unknown, path+name)
			delete(members, name)
			continue
		}
		if inner, isObject := value.(map[string]any); isObject && member.Kind() == reflect.Struct {
			unknown = append(unknown, prune(inner, member, path+name+".")...)
		}
	}
	return unknown
}

// configure makes the settings and keys of the module from its options.
func (s *SAML) configure(o Options) error {
	s.settings = computed(o)
	unknown, err := s.settings.merge(o.RawSettings)
	if len(unknown) > 0 {
		o.Log.Warn("SAML_RAW_JSON_SETTINGS has members that have no effect", "members", unknown)
	}
	err = errors.Join(
		checkURL("SAML_CONFIDANT_URL_ROOT", o.RootURL, false),
		err,
		s.settings.checkProviders(o),
		s.settings.checkSecurity(o),
		s.loadOwnKey(o),
		s.loadTrusted(o),
	)
	if s.settings.Security.SignatureAlgorithm == sha1SignatureMethod && s.key != nil {
		o.Log.Warn("SAML messages are signed with SHA-1, which many providers refuse; SAML_SECURITY_SIG_ALGO chooses another algorithm")
	}
	return err
}

// checkProviders looks at names, places and bindings.
func (s *settings) checkProviders(o Options) error {
	var wrong []error
	if s.SP.EntityID == "" {
		wrong = append(wrong, errors.New("SAML_RAW_JSON_SETTINGS: sp.entityId is empty"))
	}
	if s.IDP.EntityID == "" {
		wrong = append(wrong, errors.New("SAML_IDP_ENTITY_ID is empty"))
	}
	own := computed(o).SP // what follows from the root URL is checked with it
	if s.SP.Consume.URL != own.Consume.URL {
		wrong = append(wrong, checkURL("SAML_RAW_JSON_SETTINGS: sp.assertionConsumerService.url", s.SP.Consume.URL, false))
	}
	if s.SP.Logout.URL != own.Logout.URL {
		wrong = append(wrong, checkURL("SAML_RAW_JSON_SETTINGS: sp.singleLogoutService.url", s.SP.Logout.URL, false))
	}
	wrong = append(wrong, checkURL(origin("SAML_IDP_SIGNON_URL", "idp.singleSignOnService.url", o.IDPSignonURL, s.IDP.SignOn.URL), s.IDP.SignOn.URL, true))
	if s.IDP.Logout.URL != "" {
		wrong = append(wrong, checkURL(origin("SAML_IDP_LOGOUT_URL", "idp.singleLogoutService.url", o.IDPLogoutURL, s.IDP.Logout.URL), s.IDP.Logout.URL, true))
	}
	if s.IDP.Logout.ResponseURL != "" {
		wrong = append(wrong, checkURL("SAML_RAW_JSON_SETTINGS: idp.singleLogoutService.responseUrl", s.IDP.Logout.ResponseURL, true))
	}
	for _, b := range []struct{ path, got, want string }{
		{"sp.assertionConsumerService", s.SP.Consume.Binding, saml.HTTPPostBinding},
		{"sp.singleLogoutService", s.SP.Logout.Binding, saml.HTTPRedirectBinding},
		{"idp.singleSignOnService", s.IDP.SignOn.Binding, saml.HTTPRedirectBinding},
		{"idp.singleLogoutService", s.IDP.Logout.Binding, saml.HTTPRedirectBinding},
	} {
		// The older service wrote the last word of the name in capitals.
		if !strings.EqualFold(b.got, b.want) {
			wrong = append(wrong, fmt.Errorf("SAML_RAW_JSON_SETTINGS: %s.binding must be %s", b.path, b.want))
		}
	}
	return errors.Join(wrong...)
}

// checkSecurity looks at what is demanded, and at the algorithm of our
// signatures.
func (s *settings) checkSecurity(o Options) error {
	var wrong []error
	if !s.Strict {
		wrong = append(wrong, errors.New(`SAML_RAW_JSON_SETTINGS: "strict": false is refused, responses are always validated`))
	}
	if !slices.Contains([]string{"exact", "minimum", "maximum", "better"}, s.Security.AuthnContextComparison) {
		wrong = append(wrong, errors.New("SAML_RAW_JSON_SETTINGS: security.requestedAuthnContextComparison must be exact, minimum, maximum or better"))
	}
	if _, ok := signingHash(s.Security.SignatureAlgorithm); !ok {
		wrong = append(wrong, fmt.Errorf("%s: the algorithm %q is not known",
			origin("SAML_SECURITY_SIG_ALGO", "security.signatureAlgorithm", o.SignatureAlgorithm, s.Security.SignatureAlgorithm), s.Security.SignatureAlgorithm))
	}
	return errors.Join(wrong...)
}

// origin names the setting that a value comes from: the one of that name, or a
// member of the raw settings that replaced it.
func origin(name, path, given, used string) string {
	if given != used {
		return "SAML_RAW_JSON_SETTINGS: " + path
	}
	return name
}

// checkURL wants the URL of a place on the web.
func checkURL(setting, text string, mayHaveQuery bool) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%s must be a URL that begins with https:// or http:// and names a host", setting)
	}
	if !mayHaveQuery && (u.RawQuery != "" || u.ForceQuery) {
		return fmt.Errorf("%s must be a URL without a query", setting)
	}
	return nil
}

// loadOwnKey reads the key of this service and the certificate that belongs to
// it.
func (s *SAML) loadOwnKey(o Options) error {
	sp, sec := s.settings.SP, s.settings.Security
	certName := origin("SAML_SP_CERT", "sp.x509cert", o.Cert, sp.Cert)
	if sp.Key == "" {
		if sec.AuthnRequestsSigned || sec.LogoutRequestsSigned || sec.LogoutResponsesSigned || sec.SignMetadata {
			return errors.New("SAML_RAW_JSON_SETTINGS: nothing can be signed without SAML_SP_KEY")
		}
		if sec.WantAssertionsEncrypted {
			return errors.New("SAML_RAW_JSON_SETTINGS: encrypted assertions cannot be read without SAML_SP_KEY")
		}
		if sp.Cert != "" {
			o.Log.Warn("a certificate of this service has no effect without its key, SAML_SP_KEY or SAML_SP_KEY_FILE")
		}
		return nil
	}
	key, err := parseKey([]byte(sp.Key), o.KeyPassword)
	if err != nil {
		return fmt.Errorf("%s: %w", origin("SAML_SP_KEY", "sp.privateKey", string(o.Key), sp.Key), err)
	}
	if sp.Cert == "" {
		return errors.New("SAML_SP_KEY needs its certificate, SAML_SP_CERT or SAML_SP_CERT_FILE")
	}
	certs, err := parseCertificates(sp.Cert)
	if err != nil {
		return fmt.Errorf("%s: %w", certName, err)
	}
	if !key.PublicKey.Equal(certs[0].PublicKey) {
		return fmt.Errorf("%s: the certificate is not that of SAML_SP_KEY", certName)
	}
	s.key, s.cert = key, certs[0]
	return nil
}

// loadTrusted reads the certificates that the provider signs with.
func (s *SAML) loadTrusted(o Options) error {
	idp := s.settings.IDP
	texts, name := idp.Certs.Signing, "SAML_RAW_JSON_SETTINGS: idp.x509certMulti.signing"
	if len(texts) == 0 {
		texts, name = []string{idp.Cert}, origin("SAML_IDP_CERT", "idp.x509cert", o.IDPCert, idp.Cert)
	}
	for _, text := range texts {
		certs, err := parseCertificates(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.trusted = append(s.trusted, certs...)
	}
	// A configured certificate is a way to write down a key (SAML V2.0 Metadata
	// Interoperability Profile, 2.6.1): it is believed after its time too, for a
	// date must not lock everybody out.
	for _, cert := range s.trusted {
		if s.now().After(cert.NotAfter) {
			o.Log.Warn("the certificate of the SAML identity provider has expired; ask for its new one",
				"subject", cert.Subject.String(), "expired", cert.NotAfter)
		}
	}
	return nil
}
