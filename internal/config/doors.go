package config

import "time"

// Authorities is certificate authorities, named in AWS or held here.
type Authorities struct {
	Type         string   `env:"CA_TYPE" default:"aws_acm_pca" enum:"aws_acm_pca|custom_ca|custom" doc:"Which kind wins when both have an authority of one name."`
	PrivateNames []string `env:"ACM_PRIVATE_CAS" doc:"Names of authorities in AWS Private CA, separated by commas. Each has settings of its own, see below."`
	SANCheck     string   `env:"CERTIFICATE_SAN_CHECK" default:"strict" enum:"strict|cn-only" doc:"strict: every alternative name must belong to the caller. cn-only: they are not judged."`

	CustomEncrypted bool              `env:"CUSTOM_CA_ENCRYPTED" default:"true" doc:"Take the next from the bootstrap blob only; false: from the environment only."`
	Custom          Secret            `env:"CUSTOM_CERTIFICATE_AUTHORITIES" form:"base64" is:"secret,bootstrap" doc:"Base64 of a JSON object from environment to a list of {key, crt, rootcrt, passphrase, kid}."`
	CustomActive    map[string]string `env:"CUSTOM_CA_ACTIVE_KEYS" default:"{}" doc:"JSON object from environment to the kid that signs."`
	CustomValidity  int               `env:"CUSTOM_CA_MAX_VALIDITY_DAYS" default:"120" min:"1" doc:"Longest validity of a certificate in days."`
	CustomDomain    string            `env:"CUSTOM_CA_DOMAIN_REGEX" form:"regexp" doc:"Names that may be certified; the group service_name is the service."`
	CustomSAN       string            `env:"CUSTOM_CA_SAN_REGEX" form:"regexp" doc:"Further alternative names allowed."`
	CustomKeyType   string            `env:"CUSTOM_CA_KEY_TYPE" default:"rsa2048" enum:"rsa2048|rsa3072|rsa4096|p256|p384" doc:"Keys made for certificates."`

	// Private holds the settings of each name in PrivateNames, in that order.
	Private []PrivateCA
}

// PrivateCA is one authority in AWS Private CA. Its variables end in the
// authority's name in capitals; a dash or dot in the name may be written as an
// underscore.
type PrivateCA struct {
	Name string

	ARN             string `env:"ACM_PRIVATE_CA_ARN_<CA>" doc:"ARN of the authority."`
	Algorithm       string `env:"ACM_PRIVATE_CA_SIGNING_ALGORITHM_<CA>" default:"SHA256WITHRSA" doc:"Signing algorithm."`
	Template        string `env:"ACM_PRIVATE_CA_TEMPLATE_ARN_<CA>" default:"arn:aws:acm-pca:::template/EndEntityCertificate/V1" doc:"Template ARN."`
	MaxValidity     int    `env:"ACM_PRIVATE_CA_MAX_VALIDITY_DAYS_<CA>" default:"120" min:"1" doc:"Longest validity in days."`
	Country         string `env:"ACM_PRIVATE_CA_CSR_COUNTRY_NAME_<CA>" doc:"Country in the requests made here."`
	State           string `env:"ACM_PRIVATE_CA_CSR_STATE_OR_PROVINCE_NAME_<CA>" doc:"State or province in them."`
	Locality        string `env:"ACM_PRIVATE_CA_CSR_LOCALITY_NAME_<CA>" doc:"Locality in them."`
	Organization    string `env:"ACM_PRIVATE_CA_CSR_ORGANIZATION_NAME_<CA>" doc:"Organization in them."`
	SelfSign        bool   `env:"ACM_PRIVATE_CA_SELF_SIGN_<CA>" default:"false" doc:"Sign here, for development."`
	KeySize         int    `env:"ACM_PRIVATE_CA_KEY_SIZE_<CA>" default:"2048" min:"2048" max:"8192" doc:"Bits of the RSA keys made here."`
	PublicExponent  int    `env:"ACM_PRIVATE_CA_KEY_PUBLIC_EXPONENT_SIZE_<CA>" default:"65537" min:"65537" max:"65537" doc:"Public exponent of those keys; only 65537."`
	UseCache        bool   `env:"ACM_PRIVATE_CA_CERTIFICATE_USE_CACHE_<CA>" default:"false" doc:"Keep issued certificates."`
	CacheSize       int    `env:"ACM_PRIVATE_CA_CERTIFICATE_CACHE_SIZE_<CA>" default:"1028" min:"1" doc:"How many."`
	DomainRegex     string `env:"ACM_PRIVATE_CA_DOMAIN_REGEX_<CA>" form:"regexp" doc:"Names that may be certified; the group service_name is the service."`
	AlternativeName string `env:"ACM_PRIVATE_CA_SAN_REGEX_<CA>" form:"regexp" doc:"Further alternative names allowed."`
}

// JWT is the issuing of JSON web tokens.
type JWT struct {
	Encrypted   bool              `env:"JWT_IS_CA_ENCRYPTED" default:"true" doc:"Take the next from the bootstrap blob only; false: from the environment only."`
	Authorities Secret            `env:"JWT_CERTIFICATE_AUTHORITIES" form:"base64" is:"secret,bootstrap" doc:"Base64 of a JSON object from environment to a list of {crt, key, passphrase, kid}."`
	ActiveKeys  map[string]string `env:"JWT_ACTIVE_SIGNING_KEYS" default:"{}" doc:"JSON object from environment to the kid that signs."`
	Expiration  int               `env:"JWT_DEFAULT_JWT_EXPIRATION_SECONDS" default:"3600" min:"1" doc:"Seconds a token lives."`
	Caching     bool              `env:"JWT_CACHING_ENABLED" default:"false" doc:"Hand the same token out again while it is fresh."`
	CacheSize   int               `env:"JWT_CACHING_MAX_SIZE" default:"1000" min:"1" doc:"Tokens kept."`
	CacheTTL    int               `env:"JWT_CACHING_TTL_SECONDS" default:"900" min:"1" doc:"Seconds a token is handed out again; below the expiry."`
	CacheRedis  bool              `env:"JWT_CACHING_USE_REDIS" default:"false" doc:"Share the tokens through Redis."`
	RedisURL    Secret            `env:"REDIS_URL_JWT_CACHE" is:"secret" doc:"Redis for it."`
	OIDCClaims  bool              `env:"JWT_OIDC_CLAIMS" default:"false" doc:"Add iss and sub and serve a discovery document; needs PUBLIC_URL."`
}

// SecretsManager is the API that speaks as AWS Secrets Manager does.
type SecretsManager struct {
	Enabled      bool   `env:"SECRETS_MANAGER_ENABLED" default:"true" doc:"Whether the API is served."`
	Region       string `env:"SECRETS_MANAGER_REGION" computed:"AWS_DEFAULT_REGION" doc:"Region in ARNs."`
	AccountID    string `env:"SECRETS_MANAGER_ACCOUNT_ID" default:"000000000000" doc:"Account in ARNs."`
	StrictRegion bool   `env:"SECRETS_MANAGER_STRICT_REGION" default:"false" doc:"true: signatures must name the region above."`
	HostHeader   string `env:"SECRETS_MANAGER_HOST_HEADER" doc:"Header in which a trusted proxy passes the original Host."`
	DeleteMode   string `env:"SECRETS_MANAGER_DELETE_MODE" default:"archive" enum:"archive|purge" doc:"What happens when a scheduled deletion is due."`
}

// Cleanup is the finding and removing of what is stale.
type Cleanup struct {
	Interval         time.Duration `env:"CLEANUP_INTERVAL" default:"72h" min:"0s" doc:"Time between scheduled runs; 0 runs none."`
	MaxDuration      time.Duration `env:"CLEANUP_MAX_DURATION" default:"14m" min:"1s" doc:"Longest run."`
	MaxDeletePercent int           `env:"CLEANUP_MAX_DELETE_PERCENT" default:"20" min:"0" max:"100" doc:"Most that one scheduled run may remove, beyond 10 credentials."`
	Settings         JSON          `env:"CLEANUP_SETTINGS" default:"{}" doc:"JSON object of settings per kind; it wins over stored ones."`
	LogSkipped       bool          `env:"CLEANUP_LOG_SKIPPED" default:"true" doc:"Log what a run passes over."`
	AllowTTLFactor   int           `env:"CLEANUP_ALLOWLIST_TTL_FACTOR" default:"1" min:"1" doc:"Multiplies the life of new allowlist entries."`
	AllowStrict      bool          `env:"CLEANUP_ALLOWLIST_STRICT" default:"false" doc:"true: entries also bind commands and archive routes."`
	APIBase          string        `env:"CLEANUP_API_BASE" doc:"Path before the routes."`
	AllowedOrigins   []string      `env:"CLEANUP_ALLOWED_ORIGINS" doc:"Origins allowed by CORS, separated by commas."`
	ServeManifest    bool          `env:"CLEANUP_SERVE_MANIFEST" default:"false" doc:"Serve the manifest."`
}

// Pages is what an installation may change about the look of the pages.
type Pages struct {
	BrandName  string `env:"BRAND_NAME" absent:"-" doc:"Name shown on the pages."`
	BrandColor string `env:"BRAND_COLOR" form:"color" doc:"Accent colour of the pages, as #rrggbb."`
	BrandLogo  string `env:"BRAND_LOGO_FILE" doc:"Logo of the pages, an .svg or .png file of at most 64 KiB."`
}
