package archtest

// tier says how far from the leaves a package stands. A package imports
// packages of lower tiers only, but for what its room lists beyond that.
type tier int

const (
	leaf      tier = iota // vocabulary that knows nothing of ours
	base                  // sealing and policy
	noun                  // credentials, blind credentials, services
	promise               // what a store, an audit log and an event queue promise
	useCase               // rooms that decide
	transport             // rooms that speak to the outside
	wiring                // configuration, composition, commands
	adapter               // one outside thing each, behind a promise
	proof                 // tests and what they need
)

// room is the place of one package in the tree.
type room struct {
	tier tier
	// only, if not nil, lists all packages of ours that may be imported.
	only []string
	// also lists packages of ours that may be imported beyond the tier's rule.
	also []string
	// outside lists the modules that may be imported.
	outside []string
	// http, sql and aws permit net/http, database/sql and the AWS SDK.
	http, sql, aws bool
}

// modules that only tests use.
var testModules = []string{
	"github.com/getkin/kin-openapi",
	"github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal",
}

// rooms is the table of all packages, by their path below internal/ (or below
// the module, where they stand elsewhere). A new package gets its place here
// first.
var rooms = map[string]room{
	// leaves
	"fault":     {tier: leaf},
	"revision":  {tier: leaf},
	"sealed":    {tier: leaf},
	"keyring":   {tier: leaf},
	"telemetry": {tier: leaf, outside: []string{"github.com/prometheus/client_golang"}, http: true},

	// base
	"envelope": {tier: base},
	"portable": {tier: base, outside: []string{"go.yaml.in/yaml/v3"}},
	"authz":    {tier: base, outside: []string{"github.com/cedar-policy/cedar-go"}},

	// nouns
	"credential": {tier: noun, only: []string{"fault", "revision", "sealed"}},
	"blind":      {tier: noun, only: []string{"fault", "revision", "sealed"}},
	"service":    {tier: noun, only: []string{"fault", "revision", "sealed", "credential", "blind"}},

	// promises
	"store": {tier: promise},
	"audit": {tier: promise, outside: []string{"go.yaml.in/yaml/v3", "golang.org/x/sys", "modernc.org/sqlite"}, sql: true},
	"event": {tier: promise, http: true},

	// use cases
	"vault":              {tier: useCase, outside: []string{"golang.org/x/sync"}},
	"account":            {tier: useCase, outside: []string{"github.com/golang-jwt/jwt/v5", "github.com/hashicorp/golang-lru/v2", "github.com/pquerna/otp", "golang.org/x/crypto"}},
	"policy":             {tier: useCase, outside: []string{"github.com/cedar-policy/cedar-go"}},
	"maintenance":        {tier: useCase, also: []string{"vault"}, outside: []string{"golang.org/x/sync", "golang.org/x/sys"}},
	"maintenance/backup": {tier: useCase, also: []string{"maintenance"}, outside: []string{"golang.org/x/sys"}},

	// transports
	"authn": {
		tier: transport, http: true,
		outside: []string{"github.com/go-chi/chi/v5", "github.com/hashicorp/golang-lru/v2", "go.yaml.in/yaml/v3", "golang.org/x/crypto"},
	},
	"httpapi": {tier: transport, also: []string{"authn"}, outside: []string{"github.com/go-chi/chi/v5"}, http: true},
	"webui":   {tier: transport, also: []string{"authn", "web"}, outside: []string{"github.com/yuin/goldmark"}, http: true},

	// adapters
	"store/sqlite":  {tier: adapter, also: []string{"store", "migrations"}, outside: []string{"modernc.org/sqlite"}, sql: true},
	"keyring/local": {tier: adapter, also: []string{"keyring"}, outside: []string{"filippo.io/age"}},
	"store/dynamo": {
		tier: adapter, also: []string{"store"},
		outside: []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go", "golang.org/x/sync"}, aws: true,
	},
	"keyring/awskms": {
		tier: adapter, also: []string{"keyring"},
		outside: []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go"}, aws: true,
	},
	"authn/kmsauth": {
		tier: adapter, also: []string{"authn"}, http: true,
		outside: []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go", "github.com/hashicorp/golang-lru/v2", "golang.org/x/sync"}, aws: true,
	},
	"authn/apitoken": {tier: adapter, also: []string{"authn", "account"}, http: true},
	"authn/header":   {tier: adapter, also: []string{"authn"}, outside: []string{"github.com/go-chi/chi/v5"}, http: true},
	"authn/local":    {tier: adapter, also: []string{"authn", "account"}, outside: []string{"github.com/go-chi/chi/v5"}, http: true},
	"authn/oidc": {
		tier: adapter, also: []string{"authn"}, http: true,
		outside: []string{"github.com/coreos/go-oidc/v3", "github.com/go-chi/chi/v5", "golang.org/x/oauth2", "golang.org/x/sync"},
	},
	"authn/saml": {
		tier: adapter, also: []string{"authn"}, http: true,
		outside: []string{"github.com/beevik/etree", "github.com/crewjam/saml", "github.com/go-chi/chi/v5", "github.com/russellhaering/goxmldsig"},
	},

	// wiring
	"config":    {tier: wiring, only: []string{}},
	"awsclient": {tier: wiring, only: []string{}, outside: []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go"}, http: true, aws: true},
	"app": {
		tier: wiring, also: []string{"config", "awsclient"}, http: true, aws: true,
		outside: []string{"github.com/aws/aws-sdk-go-v2", "github.com/prometheus/client_golang", "go.yaml.in/yaml/v3", "golang.org/x/sys"},
	},
	"cli":           {tier: wiring, also: []string{"config", "app"}, outside: []string{"github.com/boombuler/barcode", "github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term"}},
	"cmd/confidant": {tier: wiring, only: []string{"cli"}},

	// what stands beside the code
	"migrations": {tier: leaf},
	"web":        {tier: leaf},

	// proof
	"archtest":             {tier: proof},
	"awstest":              {tier: proof},
	"awstest/dynamolocal":  {tier: proof},
	"audit/audittest":      {tier: proof},
	"keyring/keyringtest":  {tier: proof},
	"store/storetest":      {tier: proof},
	"proof/backup":         {tier: proof},
	"proof/access":         {tier: proof},
	"proof/bench":          {tier: proof},
	"proof/bench/bare":     {tier: proof},
	"proof/browser":        {tier: proof},
	"proof/cloud":          {tier: proof},
	"proof/commands":       {tier: proof},
	"proof/contract":       {tier: proof},
	"proof/crash":          {tier: proof},
	"proof/login":          {tier: proof},
	"proof/login/provider": {tier: proof},
	"proof/outage":         {tier: proof},
	"proof/operations":     {tier: proof},
	"proof/pages":          {tier: proof},
	"proof/part":           {tier: proof},
	"proof/server":         {tier: proof},
	"proof/table":          {tier: proof},
}
