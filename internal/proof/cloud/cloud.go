// Package cloud is what stands in for AWS where the whole program is tested over
// DynamoDB and KMS: DynamoDB Local and the double of KMS, with the keys that the
// recordings of the older service speak of.
package cloud

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/confidant-secrets/confidant/internal/awstest"
	"github.com/confidant-secrets/confidant/internal/awstest/dynamolocal"
)

// Names that the settings use.
const (
	Table   = "confidant"
	Archive = "confidant-archive"
	Name    = "confidant-production" // AUTH_CONTEXT
)

// recorded are the keys that sealed the recorded rows.
var recorded = map[string]struct{ id, backing string }{
	"alias/confidant": {"11111111-1111-4111-8111-111111111111", "5cdaead27fe7da2de47945d73cd6d79e36494e73802f3cd3869f1d2cb0b5d7a9"},
	"alias/authnz":    {"22222222-2222-4222-8222-222222222222", "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"},
	"alias/userauth":  {"33333333-3333-4333-8333-333333333333", "a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0"},
	"alias/scoped":    {},
	"alias/blind":     {},
}

// Wanted reports whether tests on DynamoDB Local shall run here.
func Wanted() bool { return dynamolocal.Wanted() }

// PassOver says on standard error that tests do not run here. It is what a
// package's TestMain calls first.
func PassOver() {
	if !Wanted() {
		_, _ = os.Stderr.WriteString("DynamoDB Local is not opted in to; run make test-dynamodb. Tests over it do not run.\n")
	}
}

// Cloud is one AWS of the test's own.
type Cloud struct {
	AWS    *awstest.Server
	Dynamo *dynamodb.Client
	KMS    *kms.Client

	local  string // URL of DynamoDB Local
	tables string // URL that programs reach it under, which is watched
	access awstest.AccessKey

	mu   sync.Mutex
	used map[string]bool
}

// New starts it for the time of the test, KMS and DynamoDB, without tables.
func New(tb testing.TB) *Cloud {
	tb.Helper()
	c := NewKMS(tb)
	c.local = dynamolocal.Start(tb).URL
	c.Dynamo = dynamodb.NewFromConfig(c.config(c.local))
	c.tables = c.watch(tb, c.local)
	return c
}

// PutItem puts an item in its wire form into a table, as it is.
func (c *Cloud) PutItem(tb testing.TB, table string, item json.RawMessage) {
	tb.Helper()
	dynamolocal.Call(tb, c.config(c.local), "PutItem", map[string]any{"TableName": table, "Item": item})
}

// watch puts a proxy before DynamoDB Local that notes what a program asks for.
func (c *Cloud) watch(tb testing.TB, local string) string {
	tb.Helper()
	to, err := url.Parse(local)
	if err != nil {
		tb.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
			body, err := io.ReadAll(r.Out.Body)
			if err != nil {
				tb.Error(err)
			}
			r.Out.Body = io.NopCloser(bytes.NewReader(body))
			c.note(r.In.Header.Get("X-Amz-Target"), body)
		},
	})
	tb.Cleanup(proxy.Close)
	return proxy.URL
}

// note remembers which permissions a request needs. A transaction needs those of
// its parts.
func (c *Cloud) note(target string, body []byte) {
	_, operation, _ := strings.Cut(target, ".")
	operations := []string{operation}
	if operation == "TransactWriteItems" {
		operations = nil
		var in struct{ TransactItems []map[string]json.RawMessage }
		_ = json.Unmarshal(body, &in) // what is no JSON has no parts
		for _, part := range in.TransactItems {
			for kind := range part {
				operations = append(operations, map[string]string{
					"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
				}[kind])
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range operations {
		c.used["dynamodb:"+o] = true
	}
}

// Used returns the permissions that programs have needed so far, sorted, as IAM
// names them.
func (c *Cloud) Used() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	used := maps.Clone(c.used)
	for _, o := range c.AWS.Operations() {
		used[o] = true
	}
	return slices.Sorted(maps.Keys(used))
}

// NewKMS starts KMS alone, which needs nothing of Amazon's.
func NewKMS(tb testing.TB) *Cloud {
	tb.Helper()
	c := &Cloud{AWS: awstest.New(tb), used: map[string]bool{}}
	c.access = c.AWS.RootKey()
	for alias, k := range recorded {
		var backing []byte
		if k.backing != "" {
			var err error
			if backing, err = hex.DecodeString(k.backing); err != nil {
				tb.Fatal(err)
			}
		}
		c.AWS.Key(alias, k.id, backing)
	}
	c.KMS = kms.NewFromConfig(c.config(c.AWS.URL))
	return c
}

func (c *Cloud) config(endpoint string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(c.access.ID, c.access.Secret, ""),
	}
}

// Access are the settings that let a program into this cloud.
func (c *Cloud) Access() map[string]string {
	settings := map[string]string{
		"KMS_URL": c.AWS.URL, "AWS_ACCESS_KEY_ID": c.access.ID, "AWS_SECRET_ACCESS_KEY": c.access.Secret,
		"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent",
	}
	if c.tables != "" {
		settings["DYNAMODB_URL"] = c.tables
	}
	return settings
}

// Settings are those of a program that keeps everything in this cloud.
func (c *Cloud) Settings() map[string]string {
	settings := map[string]string{
		"DYNAMODB_TABLE": Table, "DYNAMODB_TABLE_ARCHIVE": Archive, "DYNAMODB_CREATE_TABLE": "true",
		"KMS_MASTER_KEY": "alias/confidant", "AUTH_KEY": "alias/authnz", "USER_AUTH_KEY": "alias/userauth",
		"SCOPED_AUTH_KEYS": `{"alias/scoped":"sandbox"}`, "AUTH_CONTEXT": Name, "KMS_AUTH_USER_TYPES": "user,service",
		"SESSION_SECRET": "a secret of sessions for tests", "API_TOKEN_SECRET": strings.Repeat("t", 32),
	}
	maps.Copy(settings, c.Access())
	return settings
}

// Token makes a token as the older service's clients do: KMS encrypts when it is
// valid, bound to from, to and kind.
func (c *Cloud) Token(tb testing.TB, alias string, context map[string]string) string {
	tb.Helper()
	now := time.Now().UTC()
	payload, err := json.Marshal(map[string]string{
		"not_before": now.Add(-3 * time.Minute).Format("20060102T150405Z"),
		"not_after":  now.Add(7 * time.Minute).Format("20060102T150405Z"),
	})
	if err != nil {
		tb.Fatal(err)
	}
	out, err := c.KMS.Encrypt(tb.Context(), &kms.EncryptInput{KeyId: aws.String(alias), Plaintext: payload, EncryptionContext: context})
	if err != nil {
		tb.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(out.CiphertextBlob)
}

// As lets a request come from a user or a service, by a token of version 2.
func (c *Cloud) As(tb testing.TB, r *http.Request, kind, name string) {
	tb.Helper()
	alias := "alias/authnz"
	if kind == "user" {
		alias = "alias/userauth"
	}
	r.SetBasicAuth("2/"+kind+"/"+name, c.Token(tb, alias, map[string]string{"from": name, "to": Name, "user_type": kind}))
}
