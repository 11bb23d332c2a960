package dynamo_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/confidant-secrets/confidant/internal/awstest/dynamolocal"
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
	return dynamolocal.Call(t, w.config, operation, in)
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
