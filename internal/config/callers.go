package config

import "time"

// Login is how callers prove who they are.
type Login struct {
	UseAuth        bool     `env:"USE_AUTH" default:"true" doc:"false lets everybody in as one user. Allowed on a loopback listener only, unless DEBUG=true."`
	Module         string   `env:"USER_AUTH_MODULE" computed:"google when its client id is set, else local" form:"lower" enum:"google|oidc|saml|header|local|null" doc:"How people log in with a browser. A way that lacks settings starts with a warning, and its log-in answers 503."`
	EmailSuffix    string   `env:"USER_EMAIL_SUFFIX" computed:"GOOGLE_AUTH_EMAIL_SUFFIX" doc:"Required end of the e-mail address of people who log in through a provider."`
	OldEmailSuffix string   `env:"GOOGLE_AUTH_EMAIL_SUFFIX" doc:"Older name of USER_EMAIL_SUFFIX."`
	UsersFile      string   `env:"USERS_FILE" doc:"YAML file of e-mail addresses that may log in through a provider."`
	AdminUsers     []string `env:"ADMIN_USERS" doc:"E-mail addresses of administrators, separated by commas."`

	UsernameHeader  string   `env:"HEADER_AUTH_USERNAME_HEADER" doc:"Header that must be present for header log-in; its value is not used."`
	EmailHeader     string   `env:"HEADER_AUTH_EMAIL_HEADER" doc:"Header with the e-mail address, which is the identity."`
	FirstNameHeader string   `env:"HEADER_AUTH_FIRST_NAME_HEADER" doc:"Header with the first name; optional."`
	LastNameHeader  string   `env:"HEADER_AUTH_LAST_NAME_HEADER" doc:"Header with the last name; optional."`
	TrustedProxies  Networks `env:"HEADER_AUTH_TRUSTED_PROXIES" computed:"FORWARDED_ALLOW_IPS" doc:"Addresses or networks whose identity headers count."`

	GoogleClientID     string `env:"GOOGLE_OAUTH_CLIENT_ID" is:"bootstrap" doc:"OAuth client id at Google."`
	GoogleClientSecret Secret `env:"GOOGLE_OAUTH_CONSUMER_SECRET" is:"secret,bootstrap" doc:"OAuth client secret at Google."`
	OIDCIssuer         string `env:"OIDC_ISSUER_URL" default:"https://accounts.google.com" doc:"Issuer of the OpenID Connect provider."`
	OIDCClientID       string `env:"OIDC_CLIENT_ID" computed:"GOOGLE_OAUTH_CLIENT_ID" doc:"Client id at the provider."`
	OIDCClientSecret   Secret `env:"OIDC_CLIENT_SECRET" computed:"GOOGLE_OAUTH_CONSUMER_SECRET" is:"secret,bootstrap" doc:"Client secret at the provider."`
	OIDCScopes         string `env:"OIDC_SCOPES" default:"openid profile email" doc:"Scopes asked for, separated by blanks."`
	OIDCTrustEmail     bool   `env:"OIDC_TRUST_EMAIL" default:"false" doc:"true: an address need not be marked as verified."`
	OIDCAllowAny       bool   `env:"OIDC_ALLOW_ANY" default:"false" doc:"true: a provider open to the world may log anyone in without suffix and users file."`
	AuthomaticSalt     Secret `env:"AUTHOMATIC_SALT" is:"secret,bootstrap" unused:"the state of a log-in is protected otherwise" doc:"Accepted, never used."`
	ACLModule          string `env:"ACL_MODULE" default:"confidant.authnz.rbac:default_acl" enum:"confidant.authnz.rbac:default_acl|confidant.authnz.rbac:no_acl" use:"vault" doc:"confidant.authnz.rbac:no_acl switches every policy off, with a warning at each start."`
}

// SAML is log-in through a SAML identity provider.
type SAML struct {
	URLRoot                 string `env:"SAML_CONFIDANT_URL_ROOT" doc:"Public root URL of this service."`
	Debug                   bool   `env:"SAML_DEBUG" default:"false" doc:"Accepted; /v1/saml/debug is always refused."`
	FakeHTTPS               bool   `env:"SAML_FAKE_HTTPS" default:"false" unused:"the destination follows from the root URL" doc:"Accepted, never used."`
	SPCert                  string `env:"SAML_SP_CERT" doc:"Certificate of this service, PEM or bare base64. It wins over SAML_SP_CERT_FILE."`
	SPCertFile              string `env:"SAML_SP_CERT_FILE" doc:"File with that certificate."`
	SPKey                   Secret `env:"SAML_SP_KEY" is:"secret,nofile,bootstrap" doc:"Private key of this service in PEM. It wins over SAML_SP_KEY_FILE."`
	SPKeyFile               string `env:"SAML_SP_KEY_FILE" doc:"File with that key."`
	SPKeyFilePassword       Secret `env:"SAML_SP_KEY_FILE_PASSWORD" is:"secret,bootstrap" doc:"Password of an encrypted key file."`
	IDPEntityID             string `env:"SAML_IDP_ENTITY_ID" doc:"Entity id of the identity provider."`
	IDPSignonURL            string `env:"SAML_IDP_SIGNON_URL" doc:"URL of its single sign-on, HTTP-Redirect binding."`
	IDPLogoutURL            string `env:"SAML_IDP_LOGOUT_URL" doc:"URL of its single log-out, HTTP-Redirect binding."`
	IDPCert                 string `env:"SAML_IDP_CERT" doc:"Its certificate, PEM or bare base64. It wins over SAML_IDP_CERT_FILE."`
	IDPCertFile             string `env:"SAML_IDP_CERT_FILE" doc:"File with that certificate."`
	SignatureAlgorithm      string `env:"SAML_SECURITY_SIG_ALGO" default:"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" doc:"Algorithm of our own signatures."`
	LogoutResponseSigned    bool   `env:"SAML_SECURITY_SLO_RESP_SIGNED" default:"true" doc:"Sign our log-out responses."`
	MessagesSigned          bool   `env:"SAML_SECURITY_MESSAGES_SIGNED" default:"true" doc:"Responses must be signed."`
	AssertionsSigned        bool   `env:"SAML_SECURITY_ASSERTIONS_SIGNED" default:"false" doc:"Assertions must be signed."`
	WantAttributeStatements bool   `env:"SAML_WANT_ATTRIBUTE_STATEMENT" default:"true" doc:"Assertions must carry attributes."`
	RawSettings             JSON   `env:"SAML_RAW_JSON_SETTINGS" default:"null" doc:"JSON object merged over the settings above."`
}

// KMSAuth is proof by tokens encrypted with AWS KMS.
type KMSAuth struct {
	Context            string            `env:"AUTH_CONTEXT" doc:"Name of this server, which tokens are addressed to; required with AUTH_KEY or USER_AUTH_KEY."`
	Key                string            `env:"AUTH_KEY" doc:"KMS key of service tokens, alias/... or ARN; local: the key file in place of KMS."`
	UserKey            string            `env:"USER_AUTH_KEY" doc:"KMS key of user tokens, likewise."`
	ScopedKeys         map[string]string `env:"SCOPED_AUTH_KEYS" default:"{}" doc:"JSON object from key name to account name. The account names are those a service may be put into; no two may be equal."`
	MaxLifetime        int               `env:"AUTH_TOKEN_MAX_LIFETIME" default:"60" min:"1" doc:"Longest life of a token in minutes."`
	MinVersion         int               `env:"KMS_MINIMUM_TOKEN_VERSION" default:"1" min:"1" max:"2" doc:"Lowest token version accepted."`
	MaxVersion         int               `env:"KMS_MAXIMUM_TOKEN_VERSION" default:"2" min:"1" max:"2" doc:"Highest token version accepted."`
	UserTypes          []string          `env:"KMS_AUTH_USER_TYPES" default:"service" enum:"user|service" doc:"Kinds of callers that may use tokens."`
	ManageGrants       bool              `env:"KMS_AUTH_MANAGE_GRANTS" default:"true" doc:"Told to clients by GET /v1/client_config; this version makes no grants."`
	TokenCacheSize     int               `env:"KMS_AUTH_TOKEN_CACHE_SIZE" default:"4096" min:"1" doc:"Tokens remembered as valid."`
	BackgroundRoles    bool              `env:"BACKGROUND_CACHE_IAM_ROLES" default:"true" absent:"this version does not list IAM roles" doc:"Keep the list of IAM roles in memory."`
	BackgroundRate     int               `env:"BACKGROUND_CACHE_IAM_ROLE_REFRESH_RATE" default:"600" min:"60" absent:"this version does not list IAM roles" doc:"Seconds between refreshes of that list."`
	BackgroundJitter   int               `env:"BACKGROUND_CACHE_IAM_ROLE_JITTER" default:"20" min:"0" absent:"this version does not list IAM roles" doc:"Random part of that time in seconds, plus or minus."`
	URL                string            `env:"KMS_URL" doc:"KMS endpoint instead of Amazon's."`
	ConnectTimeout     int               `env:"KMS_CONNECTION_TIMEOUT" default:"1" min:"1" doc:"Seconds to connect to KMS."`
	ReadTimeout        int               `env:"KMS_READ_TIMEOUT" default:"1" min:"1" doc:"Seconds to wait for an answer of KMS."`
	MaxPoolConnections int               `env:"KMS_MAX_POOL_CONNECTIONS" default:"100" min:"1" doc:"Connections kept to KMS."`
}

// LocalKey is the name of a token key that means the key file in place of KMS.
const LocalKey = "local"

// Enabled reports whether tokens are accepted at all. Scoped keys alone may be
// there for their account names, which API tokens use too.
func (k KMSAuth) Enabled() bool {
	return k.Key != "" || k.UserKey != "" || len(k.ScopedKeys) > 0 && k.Context != ""
}

// Local reports whether tokens are opened by the key file in place of KMS.
func (k KMSAuth) Local() bool { return k.Key == LocalKey || k.UserKey == LocalKey }

// Session is the life of a browser session and the keys behind it.
type Session struct {
	Secret         Secret        `env:"SESSION_SECRET" computed:"derived from the key file" is:"secret,bootstrap" doc:"Text that session and CSRF keys are derived from, at least 16 bytes unless DEBUG=true."`
	PreviousSecret Secret        `env:"SESSION_SECRET_PREVIOUS" is:"secret" doc:"The secret before the present one: its sessions stay valid."`
	CookieName     string        `env:"SESSION_COOKIE_NAME" default:"confidant_session" form:"token" doc:"Name of the session cookie."`
	XSRFCookieName string        `env:"XSRF_COOKIE_NAME" default:"XSRF-TOKEN" form:"token" doc:"Name of the cookie with the CSRF token. The header is always X-XSRF-TOKEN."`
	Lifetime       time.Duration `env:"PERMANENT_SESSION_LIFETIME" default:"43200" form:"seconds" min:"0s" doc:"Seconds after the last request at which a session ends; 0 makes it end with the browser."`
	MaxLifetime    time.Duration `env:"MAX_PERMANENT_SESSION_LIFETIME" default:"86400" form:"seconds" min:"0s" doc:"Seconds after log-in at which a session ends in any case; 0 means the same as the former."`
	APITokenSecret Secret        `env:"API_TOKEN_SECRET" computed:"derived from the key file" is:"secret" use:"tokens" doc:"Text that the key of API tokens is derived from, at least 32 bytes."`

	RedisURL     Secret `env:"REDIS_URL_FLASK_SESSIONS" is:"secret" unused:"sessions are cookies" doc:"Accepted, never used."`
	Type         string `env:"SESSION_TYPE" default:"redis" unused:"sessions are cookies" doc:"Accepted, never used."`
	KeyPrefix    string `env:"SESSION_KEY_PREFIX" default:"confidant:" unused:"sessions are cookies" doc:"Accepted, never used."`
	UseSigner    bool   `env:"SESSION_USE_SIGNER" default:"true" unused:"sessions are cookies" doc:"Accepted, never used."`
	RedisTimeout int    `env:"REDIS_SOCKET_TIMEOUT" default:"2" min:"0" unused:"nothing is kept in Redis" doc:"Accepted, never used."`
}
