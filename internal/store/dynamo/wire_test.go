package dynamo_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
)

// wireItem is an item as it goes over the wire: attribute -> type -> value.
type wireItem map[string]map[string]any

func (it wireItem) text(attribute string) string {
	s, _ := it[attribute]["S"].(string)
	return s
}

// call sends a request as it is and returns the answer as it is.
func (w *world) call(t *testing.T, operation string, in any) []byte {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, *w.config.BaseEndpoint, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	who, err := w.config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	// DynamoDB Local looks whose database is meant, and at nothing else.
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/%s/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
		who.AccessKeyID, w.config.Region))
	out, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Body.Close() }()
	answer, err := io.ReadAll(out.Body)
	if err != nil || out.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", operation, out.Status, answer, err)
	}
	return answer
}

// items reads a whole table as it goes over the wire, by id. Sets, which have no
// order, are sorted.
func (w *world) items(t *testing.T, name string) map[string]wireItem {
	t.Helper()
	all := map[string]wireItem{}
	in := map[string]any{"TableName": name, "ConsistentRead": true}
	for {
		var out struct {
			Items            []wireItem
			LastEvaluatedKey any
		}
		if err := json.Unmarshal(w.call(t, "Scan", in), &out); err != nil {
			t.Fatal(err)
		}
		for _, it := range out.Items {
			for _, typed := range it {
				if set, ok := typed["SS"].([]any); ok {
					slices.SortFunc(set, func(a, b any) int { return bytes.Compare([]byte(a.(string)), []byte(b.(string))) })
				}
			}
			all[it.text("id")] = it
		}
		if out.LastEvaluatedKey == nil {
			return all
		}
		in["ExclusiveStartKey"] = out.LastEvaluatedKey
	}
}

// put writes an item as it is.
func (w *world) put(t *testing.T, name string, it any) {
	t.Helper()
	w.call(t, "PutItem", map[string]any{"TableName": name, "Item": it})
}
