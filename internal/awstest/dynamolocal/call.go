package dynamolocal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Call sends a request as it is, past the SDK, to the database that c leads to, and
// returns the answer as it is. The test fails if it is refused.
func Call(tb testing.TB, c aws.Config, operation string, in any) []byte {
	tb.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, *c.BaseEndpoint, bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	who, err := c.Credentials.Retrieve(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	// DynamoDB Local looks whose database is meant, and at nothing else.
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/%s/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
		who.AccessKeyID, c.Region))
	out, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = out.Body.Close() }()
	answer, err := io.ReadAll(out.Body)
	if err != nil || out.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %s %s %v", operation, out.Status, answer, err)
	}
	return answer
}
