package commands

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// capacityOf describes a table: "on demand", or its read and write units.
func capacityOf(t *testing.T, c *cloud.Cloud, table string) [2]int64 {
	t.Helper()
	out, err := c.Dynamo.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(table)})
	if err != nil {
		t.Fatal(err)
	}
	throughput := out.Table.ProvisionedThroughput
	return [2]int64{*throughput.ReadCapacityUnits, *throughput.WriteCapacityUnits}
}

func TestCreateDynamoTables_MakesWhatIsMissing(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	for _, command := range []string{"create-dynamodb-tables", "create_dynamodb_tables", "setup create-tables"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			c := cloud.New(t)
			s := server.NewPlain(t, c.Settings())
			delete(s.Settings, "DYNAMODB_CREATE_TABLE")
			made := "The table confidant was made.\nThe table confidant-archive was made.\n"
			for _, want := range []string{made, ""} {
				out := s.MustRun(strings.Fields(command)...)
				if got, _, _ := strings.Cut(out, "The database "); got != want || !strings.HasSuffix(out, " is ready.\n") {
					t.Errorf("it says %q, want %q first", out, want)
				}
			}
			for _, table := range []string{cloud.Table, cloud.Archive} {
				if got := capacityOf(t, c, table); got != [2]int64{} {
					t.Errorf("%s: capacity %v, want it paid per request", table, got)
				}
			}
			s.MustRun("check")
		})
	}
}

func TestCreateDynamoTables_ProvisionsCapacity(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	c := cloud.New(t)
	s := server.NewPlain(t, c.Settings())
	delete(s.Settings, "DYNAMODB_TABLE_ARCHIVE")
	s.MustRun("create-dynamodb-tables", "--provisioned", "7, 5")
	if got := capacityOf(t, c, cloud.Table); got != [2]int64{7, 5} {
		t.Errorf("capacity %v, want 7 and 5", got)
	}
	list, err := c.Dynamo.ListTables(t.Context(), &dynamodb.ListTablesInput{})
	if err != nil || len(list.TableNames) != 1 {
		t.Errorf("%v, %v; want the main table alone", list, err)
	}
}

// A table that does not fit is refused as it is, and what was made before it is
// said.
func TestCreateDynamoTables_RefusesATableThatDoesNotFit(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	c := cloud.New(t)
	s := server.NewPlain(t, c.Settings())
	_, err := c.Dynamo.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String(cloud.Archive), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Run("create-dynamodb-tables")
	if r.Code != 1 || !strings.Contains(r.Stderr, "table confidant-archive does not fit: it has no index data_type_date_index") ||
		!strings.Contains(r.Stderr, "The table confidant was made.") || r.Stdout != "" {
		t.Errorf("it ends with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := s.Run("serve"); r.Code != 3 {
		t.Errorf("the server ends with %d, want 3\n%s", r.Code, r.Stderr)
	}
}
