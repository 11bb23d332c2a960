package commands

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
)

type items map[string]map[string]types.AttributeValue

// scan reads the items of a table that are rows, by id.
func scan(t *testing.T, c *cloud.Cloud, table string) items {
	t.Helper()
	out, err := c.Dynamo.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(table), ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	found := items{}
	for _, item := range out.Items {
		if id := item["id"].(*types.AttributeValueMemberS).Value; !strings.HasPrefix(id, "doc/") {
			found[id] = item
		}
	}
	return found
}

func kindOf(item map[string]types.AttributeValue) string {
	return item["data_type"].(*types.AttributeValueMemberS).Value
}

// older puts the rows that the older service wrote into the main table, the
// credentials disabled and mapped by no service, and returns their ids.
func older(t *testing.T, c *cloud.Cloud) (ids []string) {
	t.Helper()
	text, err := os.ReadFile("../../store/dynamo/testdata/rows.json")
	if err != nil {
		t.Fatal(err)
	}
	var recording struct {
		Items []struct {
			Table string
			Item  json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &recording); err != nil {
		t.Fatal(err)
	}
	for _, r := range recording.Items {
		if r.Table == "primary" {
			c.PutItem(t, cloud.Table, r.Item)
		}
	}
	for id, item := range scan(t, c, cloud.Table) {
		switch kindOf(item) {
		case "service":
			delete(item, "credentials")
		case "credential":
			item["enabled"] = &types.AttributeValueMemberBOOL{}
			ids = append(ids, id)
		default:
			continue
		}
		if _, err := c.Dynamo.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(cloud.Table), Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) < 2 {
		t.Fatalf("only %d credentials are recorded", len(ids))
	}
	return ids
}

// Rows of the older service go to the archive and come back with every attribute
// as it was. What it leaves behind when it is cut short is removed by --repair.
func TestOlderRows_GoThereAndBackAndAreRepaired(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	s, c := inCloud(t)
	ids := older(t, c)
	before := scan(t, c, cloud.Table)
	named := strings.Join(ids, ",")
	s.MustRun("archive-credentials", "--ids", named, "--force")
	archived := scan(t, c, cloud.Archive)
	left := scan(t, c, cloud.Table)
	moved := 0
	for id, item := range before {
		if kind := kindOf(item); kind != "credential" && kind != "archive-credential" {
			continue
		}
		moved++
		got := maps.Clone(archived[id])
		if got["archive_date"] == nil || left[id] != nil {
			t.Errorf("%s: archived as %v, left behind: %v", id, got, left[id] != nil)
		}
		delete(got, "archive_date")
		if !reflect.DeepEqual(got, item) {
			t.Errorf("%s is archived as\n%v\nwant\n%v", id, got, item)
		}
	}
	if len(archived) != moved {
		t.Errorf("%d items are archived, want %d", len(archived), moved)
	}

	// A deletion that removed the current rows first.
	for _, item := range before {
		if kindOf(item) != "archive-credential" {
			continue
		}
		if _, err := c.Dynamo.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(cloud.Table), Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	s.MustRun("archive-credentials", "--repair")
	if got := scan(t, c, cloud.Table); reflect.DeepEqual(got, left) {
		t.Error("a dry run repairs")
	}
	s.MustRun("archive-credentials", "--repair", "--force")
	if got := scan(t, c, cloud.Table); !reflect.DeepEqual(got, left) {
		t.Errorf("after the repair %d items stand, want %d", len(got), len(left))
	}

	s.MustRun("restore-credentials", "--all", "--force")
	if got := scan(t, c, cloud.Table); !reflect.DeepEqual(got, before) {
		for id, item := range before {
			if !reflect.DeepEqual(got[id], item) {
				t.Errorf("%s is restored as\n%v\nwant\n%v", id, got[id], item)
			}
		}
	}
	if got := scan(t, c, cloud.Archive); !reflect.DeepEqual(got, archived) {
		t.Error("restoring changed the archive")
	}
	// Again, over the copies that stand.
	s.MustRun("archive-credentials", "--ids", named, "--force")
	if got := scan(t, c, cloud.Archive); !reflect.DeepEqual(got, archived) {
		t.Error("archiving again changed what was archived")
	}
}
