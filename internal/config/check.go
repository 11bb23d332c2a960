package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

const (
	minSessionSecret = 16 // bytes
	minTokenSecret   = 32 // bytes
)

// check applies the rules that concern more than one setting.
func (l *loader) check() {
	l.checkListener()
	l.checkLogin()
	l.checkSecrets()
	l.checkStorage()
	for _, reason := range slices.Sorted(maps.Keys(l.without)) {
		l.warn(ForServer, "without effect, because %s: %s", reason, strings.Join(l.without[reason], ", "))
	}
}

func (l *loader) checkListener() {
	s := l.config.Server
	if (s.TLSCertFile == "") != (s.TLSKeyFile == "") {
		l.problem(ForServer, "TLS_CERT_FILE and TLS_KEY_FILE belong together; set both or neither")
	}
	if !s.Loopback() && s.TLSCertFile == "" && !l.config.IsSet("SSLIFY") {
		l.warn(ForServer, "HOST %s can be reached from other machines and this server speaks no TLS itself: set TLS_CERT_FILE, or SSLIFY=true behind a proxy that does, or SSLIFY=false if plain HTTP is meant", s.Host)
	}
	if l.config.Login.Module == "header" && l.config.Login.UseAuth && l.config.Login.TrustedProxies.Any {
		l.warn(ForServer, "HEADER_AUTH_TRUSTED_PROXIES lets everybody who can reach this server claim any identity; name the addresses of the proxies")
	}
}

// open names a protection that is off, with what may be done about it.
func (l *loader) open(use Use, setting, consequence string) {
	s := l.config.Server
	if s.Loopback() || s.Debug {
		l.warn(use, "%s=false: %s", setting, consequence)
		return
	}
	l.problem(ForServer, "%s=false: %s, and HOST %s can be reached from other machines; set HOST=127.0.0.1 or %s=true (DEBUG=true lifts this rule)", setting, consequence, s.Host, setting)
}

func (l *loader) checkLogin() {
	login := l.config.Login
	if !login.UseAuth {
		l.open(ForServer, "USE_AUTH", "everybody may do everything")
	}
	if strings.HasSuffix(login.ACLModule, ":no_acl") {
		l.warn(ForVault, "ACL_MODULE=%s: every policy is off, every known caller may do everything", login.ACLModule)
	}
	accounts := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(l.config.KMSAuth.ScopedKeys)) {
		account := l.config.KMSAuth.ScopedKeys[key]
		if other, ok := accounts[account]; ok {
			l.problem(ForServer|ForVault, "SCOPED_AUTH_KEYS: the account %q stands at both %q and %q; account names must differ", account, other, key)
		}
		accounts[account] = key
	}
	l.checkKMSAuth()
	if !login.UseAuth {
		return
	}
	if login.Module == "null" {
		l.problem(ForServer, "USER_AUTH_MODULE=null lets everybody in; say so with USE_AUTH=false, or choose another module")
	}
	if suffix := login.EmailSuffix; suffix != "" && !strings.Contains(suffix, "@") {
		l.warn(ForServer, "USER_EMAIL_SUFFIX %q has no @, so addresses of other domains that end the same match too", suffix)
	}
	if reason := l.config.LoginUnavailable(); reason != "" && l.config.IsSet("USER_AUTH_MODULE") {
		l.warn(ForServer, "%s", reason)
	}
}

func (l *loader) checkKMSAuth() {
	k := l.config.KMSAuth
	if k.MinVersion > k.MaxVersion {
		l.problem(ForServer, "KMS_MINIMUM_TOKEN_VERSION %d is above KMS_MAXIMUM_TOKEN_VERSION %d", k.MinVersion, k.MaxVersion)
	}
	if !k.Enabled() {
		return
	}
	if k.Context == "" {
		l.problem(ForServer, "AUTH_CONTEXT is missing; with AUTH_KEY or USER_AUTH_KEY it is the name that tokens are addressed to")
	}
	users := slices.Contains(k.UserTypes, "user")
	switch {
	case users && k.UserKey == "":
		l.warn(ForServer, "KMS_AUTH_USER_TYPES allows users, but without USER_AUTH_KEY every token of a user is refused")
	case users && k.UserKey == k.Key && k.MinVersion == 1:
		l.warn(ForServer, "AUTH_KEY and USER_AUTH_KEY are the same and tokens of version 1 do not say what kind of caller they are for, so a service can pose as a user; set KMS_MINIMUM_TOKEN_VERSION=2")
	}
	if k.Local() && (k.Key != LocalKey && k.Key != "" || k.UserKey != LocalKey && k.UserKey != "" || len(k.ScopedKeys) > 0) {
		l.problem(ForServer, "AUTH_KEY=local and USER_AUTH_KEY=local go with each other alone, without keys of KMS and SCOPED_AUTH_KEYS")
	}
	if k.Local() && l.config.Keys.KMSMasterKey != "" {
		l.problem(ForServer, "AUTH_KEY=local needs the key file, but KMS_MASTER_KEY is set")
	}
}

// LoginUnavailable says why nobody can log in with a browser, in words for the
// log-in page, or "" if people can.
func (c *Config) LoginUnavailable() string {
	var missing []string
	need := func(there bool, name string) {
		if !there {
			missing = append(missing, name)
		}
	}
	way := ""
	switch c.Login.Module {
	case "header":
		way = "through trusted headers"
		need(c.Login.UsernameHeader != "", "HEADER_AUTH_USERNAME_HEADER")
		need(c.Login.EmailHeader != "", "HEADER_AUTH_EMAIL_HEADER")
	case "google", "oidc":
		way = "through OpenID Connect"
		need(c.Login.OIDCClientID != "", "OIDC_CLIENT_ID")
		need(c.Login.OIDCClientSecret.IsSet(), "OIDC_CLIENT_SECRET")
	case "saml":
		way = "with SAML"
		need(c.SAML.URLRoot != "", "SAML_CONFIDANT_URL_ROOT")
		if !c.IsSet("SAML_RAW_JSON_SETTINGS") { // they may tell all about the provider
			need(c.SAML.IDPEntityID != "", "SAML_IDP_ENTITY_ID")
			need(c.SAML.IDPSignonURL != "", "SAML_IDP_SIGNON_URL")
			need(c.SAML.IDPCert != "" || c.SAML.IDPCertFile != "", "SAML_IDP_CERT")
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return "Log-in " + way + " needs " + strings.Join(missing, " and ") + "."
}

func (l *loader) checkSecrets() {
	s := l.config.Session
	for name, secret := range map[string]Secret{"SESSION_SECRET": s.Secret, "SESSION_SECRET_PREVIOUS": s.PreviousSecret} {
		if secret.IsSet() && len(secret.Reveal()) < minSessionSecret && !l.config.Server.Debug {
			l.problem(ForServer, "%s is shorter than %d bytes", name, minSessionSecret)
		}
	}
	if s.APITokenSecret.IsSet() && len(s.APITokenSecret.Reveal()) < minTokenSecret {
		l.problem(ForTokens, "API_TOKEN_SECRET is shorter than %d bytes", minTokenSecret)
	}
	if s.MaxLifetime < s.Lifetime {
		l.problem(ForServer, "MAX_PERMANENT_SESSION_LIFETIME is below PERMANENT_SESSION_LIFETIME; raise it, or set 0 for the same")
	}
}

func (l *loader) checkStorage() {
	l.checkDynamo()
	if l.config.Storage.DataDir == "" {
		l.problem(ForData, "CONFIDANT_DATA_DIR is empty; name a directory or leave it out")
	}
	if !l.config.Keys.UseEncryption {
		l.open(ForKeys, "USE_ENCRYPTION", "credentials are stored in clear")
	}
	if l.config.Keys.KMSMasterKey != "" {
		l.checkOverKMS()
	}
	if l.config.Audit.FailOpen {
		l.warn(ForVault, "AUDIT_FAIL_OPEN=true: secrets leave and change without a record when the audit log fails")
	}
}

func (l *loader) checkDynamo() {
	s := l.config.Storage
	if s.Embedded() {
		for _, name := range []string{"DYNAMODB_TABLE_ARCHIVE", "DYNAMODB_URL", "DYNAMODB_CREATE_TABLE", "DYNAMODB_CACHE_TTL"} {
			if l.given[name].text != "" {
				const reason = "data is kept in SQLite (DYNAMODB_TABLE is not set)"
				l.without[reason] = append(l.without[reason], name)
			}
		}
		return
	}
	if s.DynamoTable == s.DynamoArchive {
		l.problem(ForStore, "DYNAMODB_TABLE_ARCHIVE must be another table than DYNAMODB_TABLE")
	}
	if l.config.Keys.UseEncryption && l.config.Keys.KMSMasterKey == "" && !loopbackURL(s.DynamoURL) {
		l.problem(ForKeys, "DYNAMODB_TABLE needs KMS_MASTER_KEY: rows in DynamoDB outlive the one machine that has the key file (a DYNAMODB_URL on this machine is exempt)")
	}
}

// checkOverKMS asks for the secrets that would otherwise come from the key file.
func (l *loader) checkOverKMS() {
	login := l.config.Login
	if !login.UseAuth || l.config.LoginUnavailable() != "" || l.config.Session.Secret.IsSet() {
		return
	}
	const why = "over KMS_MASTER_KEY there is no key file to derive it from"
	if login.Module == "local" {
		if !l.config.IsSet("USER_AUTH_MODULE") {
			return // machines alone
		}
		l.warn(ForServer, "Nobody can log in with a browser: SESSION_SECRET is not set, and %s", why)
		return
	}
	l.problem(ForServer, "SESSION_SECRET is needed: %s, and people log in with a browser", why)
}

// loopbackURL reports whether a URL names this machine.
func loopbackURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && text != "" && Server{Host: u.Hostname()}.Loopback()
}
