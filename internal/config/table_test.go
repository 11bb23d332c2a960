package config

import (
	"slices"
	"strings"
	"testing"
)

// anyText marks settings for which no text is wrong.
const anyText = "\x00"

const masked = "********"

// settingsTable holds every setting with its default, a value that is allowed,
// how that is printed (the same if empty), and one that is not allowed.
var settingsTable = []struct{ name, initial, valid, printed, invalid string }{
	{"DEBUG", "false", "true", "", anyText},
	{"HOST", "127.0.0.1", "localhost", "", anyText},
	{"PORT", "8080", "9000", "", "65536"},
	{"TLS_CERT_FILE", "", "c.pem", "", anyText},
	{"TLS_KEY_FILE", "", "k.pem", "", anyText},
	{"SSLIFY", "false", "1", "true", anyText},
	{"PUBLIC_URL", "", "https://c.example.com", "", anyText},
	{"FORWARDED_ALLOW_IPS", "127.0.0.1", "10.1.2.3/8, ::1", "10.0.0.0/8,::1", "proxy.example.com"},
	{"CLIENT_CONFIG", "{}", `{"a": 1}`, "", "{"},
	{"GEVENT_REQUEST_TIMEOUT_MS", "30000", "1500", "", "30s"},
	{"GEVENT_RESOLVER", "", "ares", "", anyText},
	{"STATIC_FOLDER", "public", "dist", "", anyText},
	{"CUSTOM_FRONTEND_DIRECTORY", "", "custom", "", anyText},
	{"METRICS_LISTEN", "", "127.0.0.1:9100", "", "9100"},

	{"USE_AUTH", "true", "false", "", anyText},
	{"USER_AUTH_MODULE", "local", "HEADER", "header", "ldap"},
	{"USER_EMAIL_SUFFIX", "", "@example.com", "", anyText},
	{"GOOGLE_AUTH_EMAIL_SUFFIX", "", "@example.com", "", anyText},
	{"USERS_FILE", "", "users.yaml", "", anyText},
	{"ADMIN_USERS", "", "a@example.com, b@example.com,", "a@example.com,b@example.com", anyText},
	{"HEADER_AUTH_USERNAME_HEADER", "", "X-User", "", anyText},
	{"HEADER_AUTH_EMAIL_HEADER", "", "X-Email", "", anyText},
	{"HEADER_AUTH_FIRST_NAME_HEADER", "", "X-First", "", anyText},
	{"HEADER_AUTH_LAST_NAME_HEADER", "", "X-Last", "", anyText},
	{"HEADER_AUTH_TRUSTED_PROXIES", "127.0.0.1", "*", "", "10.0.0.0/33"},
	{"GOOGLE_OAUTH_CLIENT_ID", "", "id", "", anyText},
	{"GOOGLE_OAUTH_CONSUMER_SECRET", "", "s3cret-value", masked, anyText},
	{"OIDC_ISSUER_URL", "https://accounts.google.com", "https://id.example.com", "", anyText},
	{"OIDC_CLIENT_ID", "", "id", "", anyText},
	{"OIDC_CLIENT_SECRET", "", "s3cret-value", masked, anyText},
	{"OIDC_SCOPES", "openid profile email", "openid", "", anyText},
	{"OIDC_TRUST_EMAIL", "false", "True", "true", anyText},
	{"OIDC_ALLOW_ANY", "false", "true", "", anyText},
	{"AUTHOMATIC_SALT", "", "s3cret-value", masked, anyText},
	{"ACL_MODULE", "confidant.authnz.rbac:default_acl", "confidant.authnz.rbac:no_acl", "", "my.acl:check"},

	{"SAML_CONFIDANT_URL_ROOT", "", "https://c.example.com", "", anyText},
	{"SAML_DEBUG", "false", "true", "", anyText},
	{"SAML_FAKE_HTTPS", "false", "true", "", anyText},
	{"SAML_SP_CERT", "", "MIIB", "", anyText},
	{"SAML_SP_CERT_FILE", "", "sp.pem", "", anyText},
	{"SAML_SP_KEY", "", "s3cret-value", masked, anyText},
	{"SAML_SP_KEY_FILE", "", "sp.key", "", anyText},
	{"SAML_SP_KEY_FILE_PASSWORD", "", "s3cret-value", masked, anyText},
	{"SAML_IDP_ENTITY_ID", "", "idp", "", anyText},
	{"SAML_IDP_SIGNON_URL", "", "https://idp/sso", "", anyText},
	{"SAML_IDP_LOGOUT_URL", "", "https://idp/slo", "", anyText},
	{"SAML_IDP_CERT", "", "MIIB", "", anyText},
	{"SAML_IDP_CERT_FILE", "", "idp.pem", "", anyText},
	{"SAML_SECURITY_SIG_ALGO", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "x", "", anyText},
	{"SAML_SECURITY_SLO_RESP_SIGNED", "true", "0", "false", anyText},
	{"SAML_SECURITY_MESSAGES_SIGNED", "true", "False", "false", anyText},
	{"SAML_SECURITY_ASSERTIONS_SIGNED", "false", "true", "", anyText},
	{"SAML_WANT_ATTRIBUTE_STATEMENT", "true", "", "false", anyText},
	{"SAML_RAW_JSON_SETTINGS", "null", `{"security":{}}`, "", "yes"},

	{"AUTH_CONTEXT", "", "confidant-production", "", anyText},
	{"AUTH_KEY", "", "alias/auth", "", anyText},
	{"USER_AUTH_KEY", "", "alias/user", "", anyText},
	{"SCOPED_AUTH_KEYS", "{}", `{"k":"sandbox"}`, "", `["k"]`},
	{"AUTH_TOKEN_MAX_LIFETIME", "60", "10", "", "0"},
	{"KMS_MINIMUM_TOKEN_VERSION", "1", "2", "", "3"},
	{"KMS_MAXIMUM_TOKEN_VERSION", "2", "1", "", "0"},
	{"KMS_AUTH_USER_TYPES", "service", "user,service", "", "robot"},
	{"KMS_AUTH_MANAGE_GRANTS", "true", "false", "", anyText},
	{"KMS_AUTH_TOKEN_CACHE_SIZE", "4096", "1", "", "many"},
	{"BACKGROUND_CACHE_IAM_ROLES", "true", "false", "", anyText},
	{"BACKGROUND_CACHE_IAM_ROLE_REFRESH_RATE", "600", "60", "", "59"},
	{"BACKGROUND_CACHE_IAM_ROLE_JITTER", "20", "0", "", "-1"},
	{"KMS_URL", "", "http://127.0.0.1:8080", "", anyText},
	{"KMS_CONNECTION_TIMEOUT", "1", "3", "", "1.5"},
	{"KMS_READ_TIMEOUT", "1", "3", "", ""},
	{"KMS_MAX_POOL_CONNECTIONS", "100", "3", "", "0"},

	{"SESSION_SECRET", "", "s3cret-value-long-enough", masked, "short"},
	{"SESSION_SECRET_PREVIOUS", "", "s3cret-value-long-enough", masked, "short"},
	{"SESSION_COOKIE_NAME", "confidant_session", "c", "", "a b"},
	{"XSRF_COOKIE_NAME", "XSRF-TOKEN", "X", "", ""},
	{"PERMANENT_SESSION_LIFETIME", "43200", "0", "", "-1"},
	{"MAX_PERMANENT_SESSION_LIFETIME", "86400", "43200", "", "43199"},
	{"API_TOKEN_SECRET", "", strings.Repeat("s3cret-value", 3), masked, "s3cret-value"},
	{"REDIS_URL_FLASK_SESSIONS", "", "redis://:s3cret-value@h", masked, anyText},
	{"SESSION_TYPE", "redis", "null", "", anyText},
	{"SESSION_KEY_PREFIX", "confidant:", "c:", "", anyText},
	{"SESSION_USE_SIGNER", "true", "false", "", anyText},
	{"REDIS_SOCKET_TIMEOUT", "2", "3", "", "x"},

	{"CONFIDANT_DATA_DIR", "confidant-data", "/srv/confidant", "", ""},
	{"DYNAMODB_TABLE", "", "", "", "confidant-production"},
	{"DYNAMODB_TABLE_ARCHIVE", "", "archive", "", anyText},
	{"DYNAMODB_URL", "", "http://127.0.0.1:8000", "", anyText},
	{"DYNAMODB_CREATE_TABLE", "false", "true", "", anyText},
	{"PYNAMO_CONNECTION_POOL_SIZE", "100", "10", "", "0"},
	{"PYNAMO_CONNECT_TIMEOUT_SECONDS", "1", "2", "", "0"},
	{"PYNAMO_READ_TIMEOUT_SECONDS", "1", "2", "", "0"},
	{"DYNAMODB_CACHE_TTL", "0s", "5s", "", "5"},
	{"AWS_DEFAULT_REGION", "us-east-1", "eu-central-1", "", anyText},

	{"ENCKEY_FILE", "confidant-data/enckey", "/etc/confidant/enckey", "", anyText},
	{"ENCKEY_PASSPHRASE", "", "s3cret-value", masked, anyText},
	{"USE_ENCRYPTION", "true", "false", "", anyText},
	{"DATA_KEY_CACHE_SIZE", "4096", "0", "", "-1"},
	{"DATA_KEY_CACHE_TTL", "5m0s", "1h0m0s", "", "-1s"},
	{"KMS_MASTER_KEY", "", "alias/confidant", "", anyText},
	{"SECRETS_BOOTSTRAP", "", `{"data_key":"s3cret-value"}`, masked, anyText},

	{"IGNORE_CONFLICTS", "false", "true", "", anyText},
	{"ENFORCE_DOCUMENTATION", "false", "true", "", anyText},
	{"MAINTENANCE_MODE", "false", "true", "", anyText},
	{"MAINTENANCE_MODE_TOUCH_FILE", "", "/run/confidant.off", "", anyText},
	{"MAXIMUM_ROTATION_DAYS", "0", "90", "", "-1"},
	{"TAGS_EXCLUDING_ROTATION", "[]", `["a","b"]`, "", "a,b"},
	{"ROTATION_DAYS_CONFIG", "{}", `{"a":30}`, "", `{"a":"30"}`},
	{"ENABLE_SAVE_LAST_DECRYPTION_TIME", "false", "true", "", anyText},
	{"HISTORY_PAGE_LIMIT", "0", "50", "", "none"},
	{"LIST_FILTER", "false", "true", "", anyText},
	{"STORE_KEY_NAMES", "true", "false", "", anyText},

	{"AUDIT_DIR", "confidant-data/audit", "/var/log/confidant", "", anyText},
	{"AUDIT_SYNC", "interval", "always", "", "never"},
	{"AUDIT_FAIL_OPEN", "false", "true", "", anyText},
	{"AUDIT_SEGMENT_SIZE", "67108864", "1 GiB", "1073741824", "64MB"},
	{"AUDIT_SIGNING_KEY_FILE", "", "audit.key", "", anyText},

	{"GRAPHITE_EVENT_URL", "", "https://g.example.com/events", "", "g.example.com"},
	{"GRAPHITE_USERNAME", "", "u", "", anyText},
	{"GRAPHITE_PASSWORD", "", "s3cret-value", masked, anyText},
	{"WEBHOOK_URL", "", "http://u:s3cret-value@h/x", "http://u:xxxxx@h/x", "ftp://h"},
	{"WEBHOOK_USERNAME", "", "u", "", anyText},
	{"WEBHOOK_PASSWORD", "", "s3cret-value", masked, anyText},
	{"STATSD_HOST", "", "localhost", "", anyText},
	{"STATSD_PORT", "8125", "8126", "", "0"},

	{"CA_TYPE", "aws_acm_pca", "custom", "", "vault"},
	{"ACM_PRIVATE_CAS", "", " one , two-x", "one,two-x", anyText},
	{"CERTIFICATE_SAN_CHECK", "strict", "cn-only", "", "off"},
	{"CUSTOM_CA_ENCRYPTED", "true", "false", "", anyText},
	{"CUSTOM_CERTIFICATE_AUTHORITIES", "", "e30=", masked, "s3cret-value"},
	{"CUSTOM_CA_ACTIVE_KEYS", "{}", `{"e":"k"}`, "", "null"},
	{"CUSTOM_CA_MAX_VALIDITY_DAYS", "120", "30", "", "0"},
	{"CUSTOM_CA_DOMAIN_REGEX", "", `(?P<service_name>[a-z]+)\.example\.com`, "", "(?=x)"},
	{"CUSTOM_CA_SAN_REGEX", "", ".*", "", "("},
	{"CUSTOM_CA_KEY_TYPE", "rsa2048", "p256", "", "rsa1024"},

	{"JWT_IS_CA_ENCRYPTED", "true", "false", "", anyText},
	{"JWT_CERTIFICATE_AUTHORITIES", "", "e30=", masked, "e30"},
	{"JWT_ACTIVE_SIGNING_KEYS", "{}", `{"e":"k"}`, "", "[]"},
	{"JWT_DEFAULT_JWT_EXPIRATION_SECONDS", "3600", "60", "", "0"},
	{"JWT_CACHING_ENABLED", "false", "true", "", anyText},
	{"JWT_CACHING_MAX_SIZE", "1000", "10", "", "0"},
	{"JWT_CACHING_TTL_SECONDS", "900", "10", "", "0"},
	{"JWT_CACHING_USE_REDIS", "false", "true", "", anyText},
	{"REDIS_URL_JWT_CACHE", "", "redis://s3cret-value", masked, anyText},
	{"JWT_OIDC_CLAIMS", "false", "true", "", anyText},

	{"SECRETS_MANAGER_ENABLED", "true", "false", "", anyText},
	{"SECRETS_MANAGER_REGION", "us-east-1", "eu-west-1", "", anyText},
	{"SECRETS_MANAGER_ACCOUNT_ID", "000000000000", "123456789012", "", anyText},
	{"SECRETS_MANAGER_STRICT_REGION", "false", "true", "", anyText},
	{"SECRETS_MANAGER_HOST_HEADER", "", "X-Forwarded-Host", "", anyText},
	{"SECRETS_MANAGER_DELETE_MODE", "archive", "purge", "", "keep"},

	{"CLEANUP_INTERVAL", "72h0m0s", "0s", "", "3 days"},
	{"CLEANUP_MAX_DURATION", "14m0s", "1h0m0s", "", "0s"},
	{"CLEANUP_MAX_DELETE_PERCENT", "20", "100", "", "101"},
	{"CLEANUP_SETTINGS", "{}", `{"a":{}}`, "", "x"},
	{"CLEANUP_LOG_SKIPPED", "true", "false", "", anyText},
	{"CLEANUP_ALLOWLIST_TTL_FACTOR", "1", "2", "", "0"},
	{"CLEANUP_ALLOWLIST_STRICT", "false", "true", "", anyText},
	{"CLEANUP_API_BASE", "", "/janitor", "", anyText},
	{"CLEANUP_ALLOWED_ORIGINS", "", "https://a,https://b", "", anyText},
	{"CLEANUP_SERVE_MANIFEST", "false", "true", "", anyText},

	{"BRAND_NAME", "", "Acme", "", anyText},
	{"BRAND_COLOR", "", "#aa0000", "", "red"},
	{"BRAND_LOGO_FILE", "", "logo.svg", "", anyText},
}

func TestLoad_EverySetting(t *testing.T) {
	t.Parallel()
	defaults, wrong := load(t, Everything)
	if len(wrong) > 0 {
		t.Fatalf("no settings at all: %v", wrong)
	}
	if len(defaults.Warnings) > 0 {
		t.Errorf("no settings at all warn: %v", defaults.Warnings)
	}
	var listed []string
	for _, tt := range settingsTable {
		listed = append(listed, tt.name)
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := value(t, defaults, tt.name); got != tt.initial {
				t.Errorf("default = %q, want %q", got, tt.initial)
			}
			if defaults.IsSet(tt.name) {
				t.Error("counts as set without having been set")
			}
			c, wrong := load(t, Everything, tt.name+"="+tt.valid)
			if contains(wrong, tt.name+":") {
				t.Errorf("%q is refused: %v", tt.valid, wrong)
			}
			want := tt.printed
			if want == "" {
				want = tt.valid
			}
			if got := value(t, c, tt.name); got != want || !c.IsSet(tt.name) {
				t.Errorf("%q reads as %q (set: %v), want %q", tt.valid, got, c.IsSet(tt.name), want)
			}
			if tt.invalid == anyText {
				return
			}
			c, wrong = load(t, Everything, tt.name+"="+tt.invalid)
			if !contains(wrong, tt.name) {
				t.Errorf("%q is accepted as %q, want a problem that names the setting; problems: %v", tt.invalid, value(t, c, tt.name), wrong)
			}
		})
	}
	var names []string
	for _, s := range defaults.Settings() {
		names = append(names, s.Name)
	}
	slices.Sort(listed)
	slices.Sort(names)
	if !slices.Equal(listed, names) {
		t.Errorf("the table and the settings differ:\ntable    %v\nsettings %v", listed, names)
	}
}
