package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// load reads settings from "NAME=value" texts as the environment.
func load(t *testing.T, use Use, environ ...string) (*Config, []string) {
	t.Helper()
	c, err := Load(Sources{Environ: environ}, use)
	return c, problems(t, err)
}

func problems(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("Load: %v is no *Error", err)
	}
	return e.Problems
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// value returns a setting's text as it is in force.
func value(t *testing.T, c *Config, name string) string {
	t.Helper()
	for _, s := range c.Settings() {
		if s.Name == name {
			return s.Value
		}
	}
	t.Fatalf("there is no setting %s", name)
	return ""
}

func contains(list []string, parts ...string) bool {
	return slices.ContainsFunc(list, func(s string) bool {
		for _, p := range parts {
			if !strings.Contains(s, p) {
				return false
			}
		}
		return true
	})
}

func TestLoad_SwitchSpellings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text      string
		want      bool
		surprises bool
	}{
		{"", false, false},
		{"False", false, false},
		{"false", false, false},
		{"0", false, false},
		{"true", true, false},
		{"True", true, false},
		{"1", true, false},
		{"no", true, true},
		{"off", true, true},
		{"FALSE", true, true},
		{" false", true, true},
		{"yes", true, true},
	}
	for _, tt := range tests {
		c, wrong := load(t, Everything, "IGNORE_CONFLICTS="+tt.text)
		if c.Behaviour.IgnoreConflicts != tt.want || len(wrong) > 0 {
			t.Errorf("%q reads as %v, want %v (problems %v)", tt.text, c.Behaviour.IgnoreConflicts, tt.want, wrong)
		}
		if got := contains(c.Warnings, "IGNORE_CONFLICTS", fmt.Sprintf("%q", tt.text), "true"); got != tt.surprises {
			t.Errorf("%q: warned %v, want %v: %v", tt.text, got, tt.surprises, c.Warnings)
		}
	}
}

func TestLoad_LaterSourcesWin(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "HOST=10.0.0.1\nPORT=1\nSSLIFY=false\nSTATSD_PORT=7\n")
	c, err := Load(Sources{
		Environ: []string{"CONFIDANT_CONFIGFILE=" + file, "PORT=2", "STATSD_PORT=8"},
		Flags:   map[string]string{"STATSD_PORT": "9"},
	}, Everything)
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Host != "10.0.0.1" || c.Server.Port != 2 || c.Events.StatsdPort != 9 {
		t.Errorf("HOST %s, PORT %d, STATSD_PORT %d; want those of file, environment and flag", c.Server.Host, c.Server.Port, c.Events.StatsdPort)
	}
	origins := map[string]Origin{"HOST": FromFile, "PORT": FromEnvironment, "STATSD_PORT": FromFlag, "STATSD_HOST": FromDefault}
	for _, s := range c.Settings() {
		if want, ok := origins[s.Name]; ok && s.Origin != want {
			t.Errorf("origin of %s = %s, want %s", s.Name, s.Origin, want)
		}
	}
	if c, err := Load(Sources{File: writeFile(t, "PORT=5"), Environ: []string{"CONFIDANT_CONFIGFILE=" + file}}, Everything); err != nil || c.Server.Port != 5 {
		t.Errorf("--config-file does not win over CONFIDANT_CONFIGFILE: PORT %d, %v", c.Server.Port, err)
	}
}

func TestLoad_ReportsEverythingAtOnceWithoutSecrets(t *testing.T) {
	t.Parallel()
	_, wrong := load(t, Everything,
		"PORT=x", "STATSD_PORT=99999", "ACL_MODULE=my:acl", "SESSION_SECRET=tiny-s3cret",
		"API_TOKEN_SECRET=tiny-s3cret", "CUSTOM_CERTIFICATE_AUTHORITIES=tiny-s3cret", "SECRETS_BOOTSTRAP=tiny-s3cret")
	if len(wrong) != 6 {
		t.Errorf("got %d problems, want 6: %q", len(wrong), wrong)
	}
	if contains(wrong, "tiny-s3cret") {
		t.Errorf("a secret is printed: %q", wrong)
	}
}

func TestLoad_ACommandDemandsOnlyWhatItUses(t *testing.T) {
	t.Parallel()
	environ := []string{"PORT=x", "DATA_KEY_CACHE_SIZE=x", "PYNAMO_CONNECTION_POOL_SIZE=0", "AUDIT_SYNC=x"}
	for use, want := range map[Use]string{ForServer: "PORT", ForKeys: "DATA_KEY_CACHE_SIZE", ForStore: "PYNAMO_CONNECTION_POOL_SIZE", ForAudit: "AUDIT_SYNC"} {
		_, wrong := load(t, use, environ...)
		if len(wrong) != 1 || !strings.HasPrefix(wrong[0], want) {
			t.Errorf("use %d: problems %q, want the one of %s", use, wrong, want)
		}
	}
}

func TestLoad_UnknownNames(t *testing.T) {
	t.Parallel()
	_, err := Load(Sources{File: writeFile(t, "AWS_PROFILE=x\nDYNAMO_DB_TABLE=t\nPATH=/bin\nCONFIDANT_CONFIGFILE=x\n")}, ForData)
	wrong := problems(t, err)
	if len(wrong) != 3 || !contains(wrong, "line 2: DYNAMO_DB_TABLE", "did you mean DYNAMODB_TABLE?") ||
		!contains(wrong, "line 3: PATH") || !contains(wrong, "line 4: CONFIDANT_CONFIGFILE") {
		t.Errorf("unknown names in the file: %q", wrong)
	}

	c, wrong := load(t, ForData, "SAML_SPKEY=x", "MAINTENANCE_MOD=1", "USEAUTH=0", "PATH=/bin", "USER=x", "HOSTNAME=x",
		"SESSION_MANAGER=x", "AWS_PROFILE=x", "CONFIDANT_ACCEPT_DYNAMODB_LOCAL=1", "SESSION_SECRET_FILE="+writeFile(t, strings.Repeat("x", 16)))
	if len(wrong) > 0 {
		t.Errorf("unknown names in the environment are problems: %q", wrong)
	}
	if !slices.Equal(c.Unknown, []string{"MAINTENANCE_MOD", "SAML_SPKEY"}) {
		t.Errorf("Unknown = %q", c.Unknown)
	}
	if len(c.Warnings) != 2 || !contains(c.Warnings, "SAML_SPKEY") || !contains(c.Warnings, "MAINTENANCE_MOD is set", "did you mean MAINTENANCE_MODE?") {
		t.Errorf("warnings %q, want one for SAML_SPKEY and one for MAINTENANCE_MOD", c.Warnings)
	}
}

func TestLoad_SecretsFromFiles(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 32)
	path := writeFile(t, secret+"\n")
	c, wrong := load(t, Everything, "API_TOKEN_SECRET_FILE="+path, "ENCKEY_PASSPHRASE_FILE="+writeFile(t, "two\nlines\n\n"))
	if len(wrong) > 0 || c.Session.APITokenSecret.Reveal() != secret {
		t.Errorf("API_TOKEN_SECRET_FILE reads as %q, problems %v", c.Session.APITokenSecret.Reveal(), wrong)
	}
	if got := c.Keys.Passphrase.Reveal(); got != "two\nlines\n" {
		t.Errorf("ENCKEY_PASSPHRASE_FILE reads as %q; want exactly one newline removed", got)
	}
	if _, wrong = load(t, Everything, "SESSION_SECRET_FILE=/nowhere"); !contains(wrong, "SESSION_SECRET_FILE", "/nowhere") {
		t.Errorf("a missing file: %q", wrong)
	}
	if _, wrong = load(t, Everything, "SESSION_SECRET_FILE="+path, "SESSION_SECRET="+secret); !contains(wrong, "SESSION_SECRET", "both") {
		t.Errorf("both forms: %q", wrong)
	}
	c, err := Load(Sources{File: writeFile(t, "API_TOKEN_SECRET_FILE=/nowhere\n"), Environ: []string{"API_TOKEN_SECRET=" + secret}}, Everything)
	if err != nil || c.Session.APITokenSecret.Reveal() != secret {
		t.Errorf("the environment does not win over the file's _FILE form: %v", err)
	}
	c, wrong = load(t, Everything, "SAML_SP_KEY_FILE=sp.key")
	if len(wrong) > 0 || c.SAML.SPKeyFile != "sp.key" || c.SAML.SPKey.IsSet() {
		t.Errorf("SAML_SP_KEY_FILE keeps its own meaning: %q, %v", c.SAML.SPKeyFile, wrong)
	}
}

func TestLoad_DefaultsThatFollowFromOthers(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, want, environ string }{
		{"SSLIFY", "false", "HOST=127.9.9.9"},
		{"SSLIFY", "false", "HOST=::1"},
		{"SSLIFY", "true", "HOST=0.0.0.0"},
		{"SSLIFY", "true", "HOST="},
		{"SSLIFY", "false", "HOST=0.0.0.0 SSLIFY=false"},
		{"USER_AUTH_MODULE", "google", "GOOGLE_OAUTH_CLIENT_ID=x"},
		{"ENCKEY_FILE", "/d/enckey", "CONFIDANT_DATA_DIR=/d"},
		{"AUDIT_DIR", "/d/audit", "CONFIDANT_DATA_DIR=/d"},
		{"AUDIT_DIR", "", "DYNAMODB_TABLE=t KMS_MASTER_KEY=alias/a"},
		{"AUDIT_DIR", "/a", "DYNAMODB_TABLE=t KMS_MASTER_KEY=alias/a AUDIT_DIR=/a"},
		{"PUBLIC_URL", "https://c", "SAML_CONFIDANT_URL_ROOT=https://c"},
		{"USER_EMAIL_SUFFIX", "@e", "GOOGLE_AUTH_EMAIL_SUFFIX=@e"},
		{"USER_EMAIL_SUFFIX", "@e", "USER_EMAIL_SUFFIX= GOOGLE_AUTH_EMAIL_SUFFIX=@e"},
		{"HEADER_AUTH_TRUSTED_PROXIES", "10.0.0.1", "FORWARDED_ALLOW_IPS=10.0.0.1"},
		{"HEADER_AUTH_TRUSTED_PROXIES", "10.0.0.2", "FORWARDED_ALLOW_IPS=10.0.0.1 HEADER_AUTH_TRUSTED_PROXIES=10.0.0.2"},
		{"OIDC_CLIENT_ID", "g", "GOOGLE_OAUTH_CLIENT_ID=g"},
		{"OIDC_CLIENT_SECRET", masked, "GOOGLE_OAUTH_CONSUMER_SECRET=g"},
		{"AWS_DEFAULT_REGION", "eu-west-3", "AWS_REGION=eu-west-3"},
		{"AWS_DEFAULT_REGION", "eu-west-1", "AWS_REGION=eu-west-3 AWS_DEFAULT_REGION=eu-west-1"},
		{"SECRETS_MANAGER_REGION", "eu-west-1", "AWS_DEFAULT_REGION=eu-west-1"},
		{"MAX_PERMANENT_SESSION_LIFETIME", "43200", "MAX_PERMANENT_SESSION_LIFETIME=0"},
	}
	for _, tt := range tests {
		c, wrong := load(t, Everything, strings.Split(tt.environ, " ")...)
		if got := value(t, c, tt.name); got != tt.want || len(wrong) > 0 {
			t.Errorf("%s: %s = %q, want %q (problems %v)", tt.environ, tt.name, got, tt.want, wrong)
		}
	}
}

func TestLoad_RulesAcrossSettings(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("x", 32)
	tests := []struct {
		name, environ string
		problem       string // part of the problem; empty: none
		warning       string // part of a warning
	}{
		{"certificate alone", "TLS_CERT_FILE=c.pem", "TLS_KEY_FILE", ""},
		{"auth off on loopback", "USE_AUTH=false", "", "USE_AUTH=false"},
		{"auth off beyond it", "USE_AUTH=false HOST=0.0.0.0 SSLIFY=false", "USE_AUTH=false", ""},
		{"auth off beyond it, debugging", "USE_AUTH=false HOST=0.0.0.0 SSLIFY=false DEBUG=true", "", "USE_AUTH=false"},
		{"in clear on loopback", "USE_ENCRYPTION=false", "", "USE_ENCRYPTION=false"},
		{"in clear beyond it", "USE_ENCRYPTION=false HOST=:: SSLIFY=false", "USE_ENCRYPTION=false", ""},
		{"beyond loopback without a choice", "HOST=0.0.0.0", "", "TLS_CERT_FILE"},
		{"policies off", "ACL_MODULE=confidant.authnz.rbac:no_acl", "", "every policy is off"},
		{"no record, go on", "AUDIT_FAIL_OPEN=true", "", "AUDIT_FAIL_OPEN"},
		{"module null", "USER_AUTH_MODULE=null", "USE_AUTH=false", ""},
		{"module null, auth off", "USER_AUTH_MODULE=null USE_AUTH=false", "", "USE_AUTH"},
		{"module without settings", "USER_AUTH_MODULE=header", "", "HEADER_AUTH_USERNAME_HEADER and HEADER_AUTH_EMAIL_HEADER"},
		{"SAML without settings", "USER_AUTH_MODULE=saml", "", "SAML_CONFIDANT_URL_ROOT and SAML_IDP_ENTITY_ID and SAML_IDP_SIGNON_URL and SAML_IDP_CERT"},
		{"SAML, its provider raw", `USER_AUTH_MODULE=saml SAML_CONFIDANT_URL_ROOT=https://c SAML_RAW_JSON_SETTINGS={"idp":{}}`, "", ""},
		{"OpenID Connect without settings", "USER_AUTH_MODULE=oidc", "", "OIDC_CLIENT_ID and OIDC_CLIENT_SECRET"},
		{"Google under its older names", "GOOGLE_OAUTH_CLIENT_ID=i GOOGLE_OAUTH_CONSUMER_SECRET=s", "", ""},
		{"a suffix without its at sign", "USER_EMAIL_SUFFIX=example.com", "", "has no @"},
		{"local accounts over KMS", "USER_AUTH_MODULE=local KMS_MASTER_KEY=alias/m", "", "SESSION_SECRET is not set"},
		{"SAML over KMS", `USER_AUTH_MODULE=saml SAML_CONFIDANT_URL_ROOT=https://c SAML_RAW_JSON_SETTINGS={"idp":{}} KMS_MASTER_KEY=alias/m`, "SESSION_SECRET", ""},
		{"identity from anywhere", "USER_AUTH_MODULE=header FORWARDED_ALLOW_IPS=*", "", "HEADER_AUTH_TRUSTED_PROXIES"},
		{"equal accounts", `SCOPED_AUTH_KEYS={"a":"x","b":"x"}`, `account "x"`, ""},
		{"token versions", "KMS_MINIMUM_TOKEN_VERSION=2 KMS_MAXIMUM_TOKEN_VERSION=1", "KMS_MINIMUM_TOKEN_VERSION", ""},
		{"tokens without a name of the server", "AUTH_KEY=alias/a", "AUTH_CONTEXT", ""},
		{"account names alone", `SCOPED_AUTH_KEYS={"a":"x"}`, "", ""},
		{"users without their key", "AUTH_KEY=alias/a AUTH_CONTEXT=c KMS_AUTH_USER_TYPES=user,service", "", "USER_AUTH_KEY"},
		{"one key for all", "AUTH_KEY=alias/a USER_AUTH_KEY=alias/a AUTH_CONTEXT=c KMS_AUTH_USER_TYPES=user,service", "", "pose as a user"},
		{"one key for all, version 2", "AUTH_KEY=alias/a USER_AUTH_KEY=alias/a AUTH_CONTEXT=c KMS_AUTH_USER_TYPES=user,service KMS_MINIMUM_TOKEN_VERSION=2", "", ""},
		{"the key file and KMS for tokens", "AUTH_KEY=local USER_AUTH_KEY=alias/a AUTH_CONTEXT=c", "AUTH_KEY=local", ""},
		{"the key file for tokens over KMS", "AUTH_KEY=local AUTH_CONTEXT=c KMS_MASTER_KEY=alias/a", "AUTH_KEY=local", ""},
		{"a table and a key file", "DYNAMODB_TABLE=t", "KMS_MASTER_KEY", ""},
		{"a table on this machine and a key file", "DYNAMODB_TABLE=t DYNAMODB_URL=http://127.0.0.1:8000", "", ""},
		{"a table and KMS", "DYNAMODB_TABLE=t DYNAMODB_TABLE_ARCHIVE=a KMS_MASTER_KEY=alias/a", "", ""},
		{"one table for both", "DYNAMODB_TABLE=t DYNAMODB_TABLE_ARCHIVE=t KMS_MASTER_KEY=alias/a", "DYNAMODB_TABLE_ARCHIVE", ""},
		{"settings of a table that is none", "DYNAMODB_TABLE_ARCHIVE=a DYNAMODB_CREATE_TABLE=true", "", "DYNAMODB_TABLE_ARCHIVE, DYNAMODB_CREATE_TABLE"},
		{"browsers over KMS", "KMS_MASTER_KEY=alias/a USER_AUTH_MODULE=header HEADER_AUTH_USERNAME_HEADER=u HEADER_AUTH_EMAIL_HEADER=e", "SESSION_SECRET", ""},
		{"machines alone over KMS", "KMS_MASTER_KEY=alias/a", "", ""},
		{"session lives longer than it may", "PERMANENT_SESSION_LIFETIME=100 MAX_PERMANENT_SESSION_LIFETIME=99", "MAX_PERMANENT_SESSION_LIFETIME", ""},
		{"short session secret", "SESSION_SECRET=short", "SESSION_SECRET", ""},
		{"short session secret, debugging", "SESSION_SECRET=short DEBUG=true", "", ""},
		{"long token secret", "API_TOKEN_SECRET=" + secret, "", ""},
		{"settings of what is not there", "JWT_CACHING_ENABLED=true JWT_OIDC_CLAIMS=1", "", "issues no JWTs: JWT_CACHING_ENABLED, JWT_OIDC_CLAIMS"},
		{"their defaults spelled out", "SAML_DEBUG=false JWT_CACHING_ENABLED=false", "", ""},
		{"accepted and unused", "AUTHOMATIC_SALT=x SESSION_TYPE=redis REDIS_URL_FLASK_SESSIONS=redis://h", "", ""},
		{"older front end", "STATIC_FOLDER=dist", "", "STATIC_FOLDER"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, wrong := load(t, Everything, strings.Split(tt.environ, " ")...)
			if tt.problem == "" && len(wrong) > 0 || tt.problem != "" && (len(wrong) != 1 || !contains(wrong, tt.problem)) {
				t.Errorf("problems %q, want %q", wrong, tt.problem)
			}
			if tt.warning == "" && tt.problem == "" && len(c.Warnings) > 0 || !contains(c.Warnings, tt.warning) && tt.warning != "" {
				t.Errorf("warnings %q, want %q", c.Warnings, tt.warning)
			}
		})
	}
}

func TestLoad_SingleAuthorities(t *testing.T) {
	t.Parallel()
	c, wrong := load(t, Everything,
		"ACM_PRIVATE_CAS= dev , my-ca.x ",
		"ACM_PRIVATE_CA_ARN_DEV=arn:1",
		"ACM_PRIVATE_CA_ARN_MY-CA.X=arn:2",
		"ACM_PRIVATE_CA_KEY_SIZE_MY_CA_X=4096",
		"ACM_PRIVATE_CA_SELF_SIGN_OTHER=true")
	if len(wrong) > 0 || len(c.Authorities.Private) != 2 {
		t.Fatalf("authorities %+v, problems %v", c.Authorities.Private, wrong)
	}
	dev, mine := c.Authorities.Private[0], c.Authorities.Private[1]
	if dev.Name != "dev" || dev.ARN != "arn:1" || dev.KeySize != 2048 || dev.MaxValidity != 120 || dev.CacheSize != 1028 || dev.Algorithm != "SHA256WITHRSA" {
		t.Errorf("dev = %+v", dev)
	}
	if mine.Name != "my-ca.x" || mine.ARN != "arn:2" || mine.KeySize != 4096 {
		t.Errorf("my-ca.x = %+v", mine)
	}
	if !contains(c.Warnings, "ACM_PRIVATE_CA_SELF_SIGN_OTHER") {
		t.Errorf("a variable of no authority does not warn: %q", c.Warnings)
	}
	_, wrong = load(t, Everything, "ACM_PRIVATE_CAS=dev", "ACM_PRIVATE_CA_KEY_PUBLIC_EXPONENT_SIZE_DEV=3", "ACM_PRIVATE_CA_DOMAIN_REGEX_DEV=(?<!x)")
	if len(wrong) != 2 || !contains(wrong, "ACM_PRIVATE_CA_DOMAIN_REGEX_DEV", "look-around") {
		t.Errorf("problems %q, want two", wrong)
	}
}

func TestReadFile_Forms(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "\ufeff# comment\r\n\n"+
		"  BRAND_NAME = plain # text \r\n"+
		`CUSTOM_FRONTEND_DIRECTORY="a \"b\" \\ c"`+"\n"+
		`BRAND_LOGO_FILE='it is "x" \n'`+"\n"+
		"STATSD_HOST=\n"+
		`CLIENT_CONFIG={"a": "b=c"}`)
	c, err := Load(Sources{File: path}, Everything)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"BRAND_NAME": "plain # text", "CUSTOM_FRONTEND_DIRECTORY": `a "b" \ c`, "BRAND_LOGO_FILE": `it is "x" \n`,
		"STATSD_HOST": "", "CLIENT_CONFIG": `{"a": "b=c"}`,
	} {
		if got := value(t, c, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for content, want := range map[string]string{
		"PORT":              "line 1",
		"\n=8080":           "line 2",
		"export PORT=8080":  "line 1",
		`BRAND_NAME="x`:     "BRAND_NAME",
		`BRAND_NAME='`:      "BRAND_NAME",
		"ENCKEY_PASSPHRASE": "line 1",
	} {
		if _, err := Load(Sources{File: writeFile(t, content)}, ForData); !contains(problems(t, err), want) {
			t.Errorf("%q: problems %v, want one with %q", content, err, want)
		}
	}
	c, err = Load(Sources{File: writeFile(t, "PORT=1\nPORT=2\n")}, Everything)
	if err != nil || c.Server.Port != 2 || !contains(c.Warnings, "line 2: PORT", "line 1") {
		t.Errorf("set twice: PORT %d, %v, warnings %q", c.Server.Port, err, c.Warnings)
	}
	if _, err := Load(Sources{File: "/nowhere/file"}, ForData); !contains(problems(t, err), "/nowhere/file") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestSecret_IsNeverPrinted(t *testing.T) {
	t.Parallel()
	c, _ := load(t, Everything, "ENCKEY_PASSPHRASE=s3cret-value", "WEBHOOK_URL=https://u:s3cret-value@h/")
	c.Events.WebhookURL = "" // a plain text setting; only check-config masks its password
	text := fmt.Sprintf("%v %+v %#v %s %x %q", c.Keys, c.Keys, c.Keys, c.Keys.Passphrase, c.Keys.Passphrase, c.Keys.Passphrase)
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", c.Keys.Passphrase, "keys", c.Keys)
	text += logged.String()
	if strings.Contains(text, "s3cret") || strings.Contains(text, fmt.Sprintf("%x", "s3cret")) {
		t.Errorf("a secret is printed: %s", text)
	}
}

func TestNetworks_Contains(t *testing.T) {
	t.Parallel()
	c, _ := load(t, Everything, "FORWARDED_ALLOW_IPS=10.0.0.0/8,::ffff:192.0.2.1,2001:db8::/32")
	tests := map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "192.0.2.1": true, "192.0.2.2": false, "2001:db8::1": true, "::1": false}
	for text, want := range tests {
		if got := c.Server.ForwardedAllow.Contains(mustAddr(t, text)); got != want {
			t.Errorf("Contains(%s) = %v, want %v", text, got, want)
		}
	}
	if !(Networks{Any: true}).Contains(mustAddr(t, "::1")) {
		t.Error("* does not contain ::1")
	}
}

func TestLoad_TheBootstrapBlobWins(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("b", 16)
	c, err := Load(Sources{
		Environ:   []string{"SESSION_SECRET=" + strings.Repeat("e", 16), "GRAPHITE_USERNAME=env"},
		Bootstrap: map[string]string{"SESSION_SECRET": secret, "PORT": "1", "NO_SUCH": "x"},
	}, Everything)
	if err != nil {
		t.Fatal(err)
	}
	if c.Session.Secret.Reveal() != secret || c.Events.GraphiteUsername != "env" || c.Server.Port != 8080 {
		t.Errorf("SESSION_SECRET %q, GRAPHITE_USERNAME %q, PORT %d", c.Session.Secret.Reveal(), c.Events.GraphiteUsername, c.Server.Port)
	}
	if len(c.Warnings) != 2 || !contains(c.Warnings, "PORT") || !contains(c.Warnings, "NO_SUCH") {
		t.Errorf("warnings %q, want one for PORT and one for NO_SUCH", c.Warnings)
	}
}
