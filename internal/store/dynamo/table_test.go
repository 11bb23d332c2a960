package dynamo_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/awstest/dynamolocal"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
)

// definition is a table as CreateTable takes it, right in every respect.
func definition() map[string]any {
	var in map[string]any
	err := json.Unmarshal([]byte(`{
		"TableName": "confidant", "BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": [
			{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "data_type", "AttributeType": "S"},
			{"AttributeName": "modified_date", "AttributeType": "S"}
		],
		"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
		"GlobalSecondaryIndexes": [{
			"IndexName": "data_type_date_index", "Projection": {"ProjectionType": "ALL"},
			"KeySchema": [{"AttributeName": "data_type", "KeyType": "HASH"}, {"AttributeName": "modified_date", "KeyType": "RANGE"}]
		}]
	}`), &in)
	if err != nil {
		panic(err)
	}
	return in
}

func member(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v
}

func set(v any, value any, path ...any) {
	member(v, path[:len(path)-1]...).(map[string]any)[path[len(path)-1].(string)] = value
}

func appendTo(v map[string]any, name string, elements ...any) {
	v[name] = append(v[name].([]any), elements...)
}

// TestCreateTables_ChecksWhatExists makes tables of every kind first.
func TestCreateTables_ChecksWhatExists(t *testing.T) {
	t.Parallel()
	if !dynamolocal.Wanted() {
		return
	}
	tests := map[string]struct {
		change  func(map[string]any)
		problem string // empty: the table will do
	}{
		"as it should be": {func(map[string]any) {}, ""},
		"provisioned": {func(in map[string]any) {
			capacity := map[string]any{"ReadCapacityUnits": 10, "WriteCapacityUnits": 10}
			in["BillingMode"], in["ProvisionedThroughput"] = "PROVISIONED", capacity
			set(in, capacity, "GlobalSecondaryIndexes", 0, "ProvisionedThroughput")
		}, ""},
		"with a further index": {func(in map[string]any) {
			appendTo(in, "AttributeDefinitions", map[string]any{"AttributeName": "revision", "AttributeType": "N"})
			appendTo(in, "GlobalSecondaryIndexes", map[string]any{
				"IndexName": "data_type_revision_index", "Projection": map[string]any{"ProjectionType": "ALL"},
				"KeySchema": []any{map[string]any{"AttributeName": "data_type", "KeyType": "HASH"}, map[string]any{"AttributeName": "revision", "KeyType": "RANGE"}},
			})
		}, ""},
		"without an index": {func(in map[string]any) {
			delete(in, "GlobalSecondaryIndexes")
			in["AttributeDefinitions"] = in["AttributeDefinitions"].([]any)[:1]
		}, "it has no index data_type_date_index"},
		"with another key": {func(in map[string]any) {
			set(in, "data_type", "KeySchema", 0, "AttributeName")
			in["AttributeDefinitions"] = in["AttributeDefinitions"].([]any)[1:]
		}, "its key is data_type HASH, not id HASH"},
		"with a sort key": {func(in map[string]any) {
			appendTo(in, "KeySchema", map[string]any{"AttributeName": "data_type", "KeyType": "RANGE"})
		}, "its key is id HASH, data_type RANGE, not id HASH"},
		"with a number for a key": {func(in map[string]any) {
			set(in, "N", "AttributeDefinitions", 0, "AttributeType")
		}, "id is N, not S"},
		"with another name of the index": {func(in map[string]any) {
			set(in, "data-type-date-index", "GlobalSecondaryIndexes", 0, "IndexName")
		}, "it has no index data_type_date_index"},
		"with another key of the index": {func(in map[string]any) {
			set(in, "id", "GlobalSecondaryIndexes", 0, "KeySchema", 1, "AttributeName")
			in["AttributeDefinitions"] = in["AttributeDefinitions"].([]any)[:2]
		}, "the key of data_type_date_index is data_type HASH, id RANGE, not data_type HASH, modified_date RANGE"},
		"with an index of keys alone": {func(in map[string]any) {
			set(in, "KEYS_ONLY", "GlobalSecondaryIndexes", 0, "Projection", "ProjectionType")
		}, "data_type_date_index does not project all attributes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBareWorld(t)
			in := definition()
			tt.change(in)
			w.call(t, "CreateTable", in)
			made, err := dynamo.CreateTables(t.Context(), w.client(nil), dynamo.Capacity{}, table, "")
			if len(made) != 0 {
				t.Errorf("made %v, want nothing", made)
			}
			misfit, ok := errors.AsType[*dynamo.SchemaError](err)
			switch {
			case tt.problem == "" && err != nil:
				t.Errorf("CreateTables: %v, want no error", err)
			case tt.problem != "" && (!ok || misfit.Table != table || misfit.Problem != tt.problem):
				t.Errorf("CreateTables: %v, want the problem %q", err, tt.problem)
			case tt.problem != "" && !strings.Contains(err.Error(), table):
				t.Errorf("error %q does not name the table", err)
			}
		})
	}
}

func TestCreateTables_MakesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if !dynamolocal.Wanted() {
		return
	}
	for name, tt := range map[string]struct {
		capacity dynamo.Capacity
		mode     types.BillingMode
	}{
		"paid per request": {dynamo.Capacity{}, types.BillingModePayPerRequest},
		"provisioned":      {dynamo.Capacity{Read: 7, Write: 5}, types.BillingModeProvisioned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBareWorld(t)
			client := w.client(nil)
			for _, want := range [][]string{{table, archive}, nil} {
				made, err := dynamo.CreateTables(t.Context(), client, tt.capacity, table, archive)
				if err != nil || !slices.Equal(made, want) {
					t.Errorf("CreateTables = %v, %v; want %v", made, err, want)
				}
			}
			for _, name := range []string{table, archive} {
				out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(name)})
				if err != nil {
					t.Fatal(err)
				}
				mode := types.BillingModeProvisioned
				if out.Table.BillingModeSummary != nil {
					mode = out.Table.BillingModeSummary.BillingMode
				}
				if mode != tt.mode || len(out.Table.GlobalSecondaryIndexes) != 1 || len(out.Table.AttributeDefinitions) != 3 {
					t.Errorf("table %s: %v, %d indexes, %d attributes", name, mode, len(out.Table.GlobalSecondaryIndexes), len(out.Table.AttributeDefinitions))
				}
				if tt.capacity.Read > 0 {
					for _, got := range []*types.ProvisionedThroughputDescription{out.Table.ProvisionedThroughput, out.Table.GlobalSecondaryIndexes[0].ProvisionedThroughput} {
						if *got.ReadCapacityUnits != 7 || *got.WriteCapacityUnits != 5 {
							t.Errorf("table %s: capacity %d and %d, want 7 and 5", name, *got.ReadCapacityUnits, *got.WriteCapacityUnits)
						}
					}
				}
			}
		})
	}
}

// A table that does not become active is given up after five minutes, one that
// takes a while is waited for.
func TestCreateTables_WaitsForFiveMinutes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		active time.Duration // after the table was made
		waited bool
	}{
		"late":     {4 * time.Minute, true},
		"too late": {time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				made := time.Time{}
				client := dynamodb.New(dynamodb.Options{
					Region: "x", Credentials: credentials.NewStaticCredentialsProvider("x", "y", ""),
					HTTPClient: &http.Client{Transport: intercept(func(e *exchange) (*http.Response, error) {
						time.Sleep(10 * time.Millisecond)
						status, body := http.StatusOK, `{"Table": {"TableStatus": "CREATING"}}`
						switch {
						case e.operation == "CreateTable":
							made = time.Now()
						case made.IsZero():
							status, body = http.StatusBadRequest, `{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}`
						case time.Since(made) >= tt.active:
							in := definition()
							in["TableStatus"] = "ACTIVE"
							text, _ := json.Marshal(map[string]any{"Table": in})
							body = string(text)
						}
						return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
					})(nil)},
				})
				began := time.Now()
				tables, err := dynamo.CreateTables(t.Context(), client, dynamo.Capacity{}, table)
				took := time.Since(began)
				if !slices.Equal(tables, []string{table}) || (err == nil) != tt.waited {
					t.Errorf("CreateTables = %v, %v", tables, err)
				}
				want := min(tt.active, 5*time.Minute)
				if took < want-time.Second || took > want+5*time.Second {
					t.Errorf("it took %v, want about %v", took, want)
				}
				if !tt.waited && !strings.Contains(err.Error(), "waiting for table "+table) {
					t.Errorf("it says %q", err)
				}
			})
		})
	}
}

func TestOpen_RefusesTablesThatAreNotThere(t *testing.T) {
	t.Parallel()
	if !dynamolocal.Wanted() {
		return
	}
	w := newBareWorld(t)
	if _, err := dynamo.Open(t.Context(), dynamo.Options{Client: w.client(nil), Table: table, Log: discard}); err == nil {
		t.Error("Open without a table: no error")
	}
	for name, o := range map[string]dynamo.Options{
		"no client":          {Table: table, Log: discard},
		"no table":           {Client: w.client(nil), Log: discard},
		"no log":             {Client: w.client(nil), Table: table},
		"one table for both": {Client: w.client(nil), Table: table, ArchiveTable: table, Log: discard},
	} {
		if _, err := dynamo.Open(t.Context(), o); err == nil {
			t.Errorf("Open with %s: no error", name)
		}
	}
}

func TestStore_WithoutAnArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil), func(o *dynamo.Options) { o.ArchiveTable = "" })
	if s.ArchivedCredentials() != nil {
		t.Error("there is an archive, want nil")
	}
}
