package config

import "time"

// Storage is where data is kept.
type Storage struct {
	DataDir string `env:"CONFIDANT_DATA_DIR" default:"confidant-data" use:"data" doc:"Directory of the database, the key file, the lock and the audit log, made with mode 0700; relative to the current directory."`

	DynamoTable          string `env:"DYNAMODB_TABLE" doc:"DynamoDB table; empty keeps the data in SQLite under CONFIDANT_DATA_DIR."`
	DynamoArchive        string `env:"DYNAMODB_TABLE_ARCHIVE" doc:"DynamoDB table of archived credentials; empty: over DynamoDB nothing can be archived. SQLite always has an archive."`
	DynamoURL            string `env:"DYNAMODB_URL" form:"url" doc:"DynamoDB endpoint instead of Amazon's."`
	DynamoCreateTable    bool   `env:"DYNAMODB_CREATE_TABLE" default:"false" doc:"Create missing tables at the start."`
	DynamoPool           int    `env:"PYNAMO_CONNECTION_POOL_SIZE" default:"100" min:"1" doc:"Connections to DynamoDB, at most."`
	DynamoConnectTimeout int    `env:"PYNAMO_CONNECT_TIMEOUT_SECONDS" default:"1" min:"1" doc:"Seconds to connect to DynamoDB."`
	DynamoReadTimeout    int    `env:"PYNAMO_READ_TIMEOUT_SECONDS" default:"1" min:"1" doc:"Seconds to wait for an answer of DynamoDB."`

	DynamoCacheTTL time.Duration `env:"DYNAMODB_CACHE_TTL" default:"0" min:"0s" doc:"How long current rows may be served from memory over DynamoDB, so how late another machine's writes may show; 0 turns it off."`
	Region         string        `env:"AWS_DEFAULT_REGION" computed:"AWS_REGION, else us-east-1" use:"store" doc:"Region of every AWS client."`
}

// Embedded reports whether the data is kept in SQLite.
func (s Storage) Embedded() bool { return s.DynamoTable == "" }

// Keys is what credentials are sealed with.
type Keys struct {
	File          string `env:"ENCKEY_FILE" computed:"<CONFIDANT_DATA_DIR>/enckey" doc:"Key file, plain or protected by a passphrase."`
	Passphrase    Secret `env:"ENCKEY_PASSPHRASE" is:"secret" doc:"Passphrase of a protected key file; without it serve --ask-passphrase asks."`
	UseEncryption bool   `env:"USE_ENCRYPTION" default:"true" doc:"false stores credentials in clear. Allowed on a loopback listener only, unless DEBUG=true."`

	DataKeyCacheSize int           `env:"DATA_KEY_CACHE_SIZE" default:"4096" min:"0" doc:"Unwrapped data keys kept in memory; 0 keeps none."`
	DataKeyCacheTTL  time.Duration `env:"DATA_KEY_CACHE_TTL" default:"5m" min:"0s" doc:"How long an unwrapped data key is kept."`

	KMSMasterKey string `env:"KMS_MASTER_KEY" doc:"KMS key, alias/... or ARN, that seals in place of the key file; empty: the key file."`
	Bootstrap    Secret `env:"SECRETS_BOOTSTRAP" is:"secret" doc:"Encrypted blob of secret settings, inline or as file://path. What it holds wins over file and environment."`
}

// Behaviour is how the use cases decide where an installation may choose.
type Behaviour struct {
	IgnoreConflicts      bool           `env:"IGNORE_CONFLICTS" default:"false" doc:"Let two credentials of one service bear the same key."`
	EnforceDocumentation bool           `env:"ENFORCE_DOCUMENTATION" default:"false" doc:"A credential must say how it is rotated when it is created or changed."`
	MaintenanceMode      bool           `env:"MAINTENANCE_MODE" default:"false" doc:"Refuse every change over HTTP. Commands still work."`
	MaintenanceTouchFile string         `env:"MAINTENANCE_MODE_TOUCH_FILE" doc:"File whose existence switches maintenance mode on; looked up at each request."`
	MaximumRotationDays  int            `env:"MAXIMUM_ROTATION_DAYS" default:"0" min:"0" doc:"Days after which a credential should be rotated; 0 sets no general maximum."`
	RotationExemptTags   []string       `env:"TAGS_EXCLUDING_ROTATION" default:"[]" form:"json" doc:"JSON list of tags that exempt a credential from rotation."`
	RotationDaysPerTag   map[string]int `env:"ROTATION_DAYS_CONFIG" default:"{}" doc:"JSON object from tag to days."`
	SaveLastDecryption   bool           `env:"ENABLE_SAVE_LAST_DECRYPTION_TIME" default:"false" doc:"Note when a person last saw the pairs of a credential."`
	HistoryPageLimit     int            `env:"HISTORY_PAGE_LIMIT" default:"0" min:"0" max:"10000" doc:"Rows on a page of history lists when the request does not say; 0 does not page."`
	ListFilter           bool           `env:"LIST_FILTER" default:"false" doc:"true: lists show only what the caller may see one by one."`
	StoreKeyNames        bool           `env:"STORE_KEY_NAMES" default:"true" doc:"Keep the key names of a credential in clear beside the sealed pairs, for lists, conflicts and search."`
}

// Audit is how the log of all acts is kept.
type Audit struct {
	Dir            string `env:"AUDIT_DIR" computed:"<CONFIDANT_DATA_DIR>/audit; over DynamoDB empty" doc:"Directory of the chained log segments and their index. Empty, as by default over DynamoDB: the log goes to standard output as JSON lines, that of commands to standard error."`
	Sync           string `env:"AUDIT_SYNC" default:"interval" enum:"interval|always" doc:"interval: records reach the disk within 100 ms, and changes wait for theirs. always: every answer waits."`
	FailOpen       bool   `env:"AUDIT_FAIL_OPEN" default:"false" use:"vault" doc:"true: go on when no audit record can be made."`
	SegmentSize    int64  `env:"AUDIT_SEGMENT_SIZE" default:"64MiB" form:"size" min:"65536" doc:"Size at which the log begins a new file: bytes, or with KiB, MiB or GiB."`
	SigningKeyFile string `env:"AUDIT_SIGNING_KEY_FILE" doc:"Private key that signs the last record of each segment."`
}

// Events is who is told when something changed, and where measurements go.
type Events struct {
	GraphiteURL      string `env:"GRAPHITE_EVENT_URL" form:"url" doc:"Graphite events URL."`
	GraphiteUsername string `env:"GRAPHITE_USERNAME" is:"bootstrap" doc:"User name there; empty sends no authentication."`
	GraphitePassword Secret `env:"GRAPHITE_PASSWORD" is:"secret,bootstrap" doc:"Password there."`
	WebhookURL       string `env:"WEBHOOK_URL" form:"url" doc:"URL that is told of every change in JSON."`
	WebhookUsername  string `env:"WEBHOOK_USERNAME" is:"bootstrap" doc:"User name there; empty sends no authentication."`
	WebhookPassword  Secret `env:"WEBHOOK_PASSWORD" is:"secret,bootstrap" doc:"Password there."`
	StatsdHost       string `env:"STATSD_HOST" computed:"localhost, off unless set" doc:"Host of a statsd server; measurements are sent there only when this is set."`
	StatsdPort       int    `env:"STATSD_PORT" default:"8125" min:"1" max:"65535" doc:"Its UDP port."`
}
