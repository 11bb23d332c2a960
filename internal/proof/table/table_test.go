package table_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
)

func TestMain(m *testing.M) {
	cloud.PassOver()
	os.Exit(m.Run())
}

// recording is a table as the older service left it.
type recording struct {
	Items []struct {
		Table  string
		Item   json.RawMessage // in wire form
		Crypto *struct {
			Plaintext string `json:"fernet_plaintext"`
		}
	}
}

func rows(t *testing.T) recording {
	t.Helper()
	text, err := os.ReadFile("../../store/dynamo/testdata/rows.json")
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Items) < 14 {
		t.Fatalf("%d rows, want at least 14", len(r.Items))
	}
	return r
}

// load makes the tables and puts the recorded rows into them.
func load(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	if _, err := dynamo.CreateTables(t.Context(), c.Dynamo, dynamo.Capacity{}, cloud.Table, cloud.Archive); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows(t).Items {
		c.PutItem(t, map[string]string{"primary": cloud.Table, "archive": cloud.Archive}[r.Table], r.Item)
	}
}

// scan reads all rows of a table but our documents, by id.
func scan(t *testing.T, c *cloud.Cloud, table string) map[string]map[string]types.AttributeValue {
	t.Helper()
	out, err := c.Dynamo.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(table), ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]types.AttributeValue{}
	for _, item := range out.Items {
		id := item["id"].(*types.AttributeValueMemberS).Value
		if !strings.HasPrefix(id, "doc/") {
			found[id] = item
		}
	}
	return found
}

// client sends requests as users and services.
type client struct {
	t     *testing.T
	cloud *cloud.Cloud
	base  string
}

func (c client) do(kind, name, method, path string, body any) (int, map[string]any) {
	c.t.Helper()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, content)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	c.cloud.As(c.t, r, kind, name)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	decoder := json.NewDecoder(resp.Body)
	if err := decoder.Decode(&answer); err != nil {
		c.t.Fatalf("%s %s: %d, %v", method, path, resp.StatusCode, err)
	}
	return resp.StatusCode, answer
}

func (c client) must(kind, name, method, path string, body any) map[string]any {
	c.t.Helper()
	status, answer := c.do(kind, name, method, path, body)
	if status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

func TestOlderTable_IsServedAsRecordedAndLeftAsItWas(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	c := cloud.New(t)
	load(t, c)
	before := scan(t, c, cloud.Table)
	s := server.New(t, c.Settings()).Start()
	api := client{t, c, s.BaseURL}

	served := 0
	for _, r := range rows(t).Items {
		if r.Table != "primary" || r.Crypto == nil {
			continue
		}
		var row struct {
			ID   struct{ S string } `json:"id"`
			Kind struct{ S string } `json:"data_type"`
		}
		if err := json.Unmarshal(r.Item, &row); err != nil {
			t.Fatal(err)
		}
		id := row.ID.S
		if row.Kind.S != "credential" {
			continue
		}
		served++
		var want map[string]any
		if err := json.Unmarshal([]byte(r.Crypto.Plaintext), &want); err != nil {
			t.Fatal(err)
		}
		got := api.must("user", "ann", http.MethodGet, "/v1/credentials/"+id, nil)
		if !reflect.DeepEqual(got["credential_pairs"], any(want)) {
			t.Errorf("pairs of %s = %v, want %v", id, got["credential_pairs"], want)
		}
	}
	if served == 0 {
		t.Error("no recorded credential was compared")
	}
	svc := api.must("service", "svc-a", http.MethodGet, "/v1/services/svc-a", nil)
	if n := len(svc["credentials"].([]any)); n == 0 {
		t.Error("svc-a receives nothing")
	}
	blind := api.must("service", "svc-b", http.MethodGet, "/v1/services/svc-b", nil)
	if n := len(blind["blind_credentials"].([]any)); n == 0 {
		t.Error("svc-b receives nothing")
	}
	for _, path := range []string{
		"/v1/credentials", "/v1/services", "/v1/blind_credentials", "/v1/archive/credentials", "/v1/archive/services",
		"/v1/archive/blind_credentials", "/v1/credentials/5ea644b1bb56424d86da3e1b13fd064c/1/2",
		"/v1/archive/credentials/5ea644b1bb56424d86da3e1b13fd064c", "/v1/credentials/5ea644b1bb56424d86da3e1b13fd064c/services",
	} {
		api.must("user", "ann", http.MethodGet, path, nil)
	}
	if status, _ := api.do("service", "svc-b", http.MethodGet, "/v1/services/svc-a", nil); status != http.StatusForbidden {
		t.Errorf("another service: %d, want 403", status)
	}
	after := scan(t, c, cloud.Table)
	for id, row := range before {
		// Key names are filled into rows that were opened, and nothing else.
		delete(after[id], "credential_keys")
		original := map[string]types.AttributeValue{}
		for name, v := range row {
			if name != "credential_keys" {
				original[name] = v
			}
		}
		if !reflect.DeepEqual(original, after[id]) {
			t.Errorf("reading changed %s:\n%v\n%v", id, original, after[id])
		}
	}
}

func TestOlderTable_WritesAreRowsOfTheOlderForm(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	c := cloud.New(t)
	load(t, c)
	s := server.New(t, c.Settings()).Start()
	api := client{t, c, s.BaseURL}

	made := api.must("user", "ann", http.MethodPost, "/v1/credentials", map[string]any{
		"name": "made here", "credential_pairs": map[string]any{"key": "value"}, "tags": []string{"a"},
		"documentation": "d", "metadata": map[string]any{"team": "x"},
	})
	id := made["id"].(string)
	api.must("user", "ann", http.MethodPut, "/v1/credentials/"+id, map[string]any{"enabled": false})
	api.must("user", "ann", http.MethodPut, "/v1/credentials/"+id+"/1", nil)
	blind := api.must("user", "ann", http.MethodPost, "/v1/blind_credentials", map[string]any{
		"name": "blind here", "credential_pairs": map[string]any{"us-east-1": "X"}, "data_key": map[string]any{"us-east-1": "K"},
		"cipher_type": "fernet", "cipher_version": "2", "credential_keys": []string{"other"},
	})
	api.must("user", "ann", http.MethodPut, "/v1/services/made-here", map[string]any{
		"credentials": []string{id}, "blind_credentials": []string{blind["id"].(string)}, "account": "sandbox",
	})

	table := scan(t, c, cloud.Table)
	// What a row of each kind may hold, and how.
	allowed := map[string]map[string]string{
		"credential": {
			"id": "S", "data_type": "S", "revision": "N", "name": "S", "credential_pairs": "S", "enabled": "BOOL", "data_key": "B",
			"cipher_version": "N", "metadata": "S", "modified_date": "S", "modified_by": "S", "documentation": "S", "tags": "L",
			"last_decrypted_date": "S", "last_rotation_date": "S", "credential_keys": "SS",
		},
		"blind-credential": {
			"id": "S", "data_type": "S", "revision": "N", "name": "S", "credential_pairs": "S", "enabled": "BOOL", "data_key": "S",
			"cipher_type": "S", "cipher_version": "N", "metadata": "S", "modified_date": "S", "modified_by": "S",
			"documentation": "S", "credential_keys": "SS",
		},
		"service": {
			"id": "S", "data_type": "S", "revision": "N", "enabled": "BOOL", "credentials": "SS", "blind_credentials": "SS",
			"account": "S", "modified_date": "S", "modified_by": "S",
		},
	}
	for _, key := range []string{id, id + "-1", id + "-2", id + "-3", blind["id"].(string), blind["id"].(string) + "-1", "made-here", "made-here-1"} {
		row := table[key]
		if row == nil {
			t.Errorf("there is no row %s", key)
			continue
		}
		kind := strings.TrimPrefix(row["data_type"].(*types.AttributeValueMemberS).Value, "archive-")
		for name, v := range row {
			got := strings.TrimPrefix(fmt.Sprintf("%T", v), "*types.AttributeValueMember")
			if want := allowed[kind][name]; got != want {
				t.Errorf("%s: attribute %s has type %s, want %q", key, name, got, want)
			}
		}
	}
	if a, b := table[id]["credential_pairs"], table[id+"-1"]["credential_pairs"]; !reflect.DeepEqual(a, b) {
		t.Error("a revert seals anew")
	}
	if a, b := table[id]["data_key"], table[id+"-2"]["data_key"]; !reflect.DeepEqual(a, b) {
		t.Error("an update without pairs changes the data key")
	}
	if got := c.AWS.Calls("kms", "GenerateDataKey"); got != 0 {
		t.Errorf("%d calls of GenerateDataKey, want none", got)
	}
}

func TestOlderTable_ArchivesAndTellsHealth(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	c := cloud.New(t)
	load(t, c)
	s := server.New(t, c.Settings()).Start()
	api := client{t, c, s.BaseURL}
	const id = "b9e51a2bd10b42d9b3a0be9e3a16cc0f"
	if status, answer := api.do("user", "ann", http.MethodPost, "/v1/credentials/"+id+"/archive", map[string]any{"force": true}); status != http.StatusBadRequest {
		t.Errorf("archiving what is enabled or mapped: %d %v", status, answer)
	}
	made := api.must("user", "ann", http.MethodPost, "/v1/credentials", map[string]any{
		"name": "short-lived", "credential_pairs": map[string]any{"k": "v"}, "enabled": false,
	})
	short := made["id"].(string)
	api.must("user", "ann", http.MethodPost, "/v1/credentials/"+short+"/archive", map[string]any{"force": true})
	if _, still := scan(t, c, cloud.Table)[short]; still {
		t.Error("the row is still in the main table")
	}
	archive := scan(t, c, cloud.Archive)
	for _, key := range []string{short, short + "-1"} {
		if archive[key]["archive_date"] == nil {
			t.Errorf("row %s of the archive has no archive_date", key)
		}
	}
	if status, _ := api.do("user", "ann", http.MethodGet, "/v1/credentials/"+short, nil); status != http.StatusNotFound {
		t.Errorf("an archived credential: %d, want 404", status)
	}
}
