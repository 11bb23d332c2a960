package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// tableWait is how long a new table may take to become active.
const tableWait = 5 * time.Minute

// Capacity is provisioned throughput of a table and its index; the zero value
// means to pay per request.
type Capacity struct{ Read, Write int64 }

// SchemaError says that an existing table is not laid out as it must be.
type SchemaError struct{ Table, Problem string }

// Error names the table and what is wrong with it.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("table %s does not fit: %s", e.Table, e.Problem)
}

// CreateTables makes the tables that do not exist, waits until they are active,
// and checks those that do: a SchemaError says what does not fit. An empty name
// is passed over. It returns the names of the tables that it made.
func CreateTables(ctx context.Context, client *dynamodb.Client, c Capacity, names ...string) ([]string, error) {
	var made []string
	for _, name := range names {
		if name == "" {
			continue
		}
		created, err := createTable(ctx, client, c, name)
		if err != nil {
			return made, err
		}
		if created {
			made = append(made, name)
		}
		waiter := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
			o.MinDelay, o.MaxDelay = 200*time.Millisecond, 5*time.Second
		})
		out, err := waiter.WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)}, tableWait)
		if err != nil {
			return made, fmt.Errorf("waiting for table %s: %w", name, err)
		}
		if problem := misfit(out.Table); problem != "" {
			return made, &SchemaError{name, problem}
		}
	}
	return made, nil
}

// createTable makes a table unless it exists, which is looked up first: who runs
// on existing tables need not be allowed to make any.
func createTable(ctx context.Context, client *dynamodb.Client, c Capacity, name string) (made bool, err error) {
	_, err = client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); !missing {
		if err != nil {
			err = fmt.Errorf("looking for table %s: %w", name, err)
		}
		return false, err
	}
	in := &dynamodb.CreateTableInput{
		TableName:   aws.String(name),
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(attrID), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrDataType), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrModifiedDate), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String(attrID), KeyType: types.KeyTypeHash}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(indexName),
			KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String(attrDataType), KeyType: types.KeyTypeHash},
				{AttributeName: aws.String(attrModifiedDate), KeyType: types.KeyTypeRange},
			},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	}
	if c != (Capacity{}) {
		throughput := &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(c.Read), WriteCapacityUnits: aws.Int64(c.Write)}
		in.BillingMode = types.BillingModeProvisioned
		in.ProvisionedThroughput = throughput
		in.GlobalSecondaryIndexes[0].ProvisionedThroughput = throughput
	}
	_, err = client.CreateTable(ctx, in)
	if _, exists := errors.AsType[*types.ResourceInUseException](err); exists {
		return false, nil // somebody else was quicker
	}
	if err != nil {
		return false, fmt.Errorf("creating table %s: %w", name, err)
	}
	return true, nil
}

// misfit says what is wrong with a table. Any with the right key and index will
// do, however it is paid for and whatever further indexes it has.
func misfit(t *types.TableDescription) string {
	for _, a := range t.AttributeDefinitions {
		switch name := deref(a.AttributeName); name {
		case attrID, attrDataType, attrModifiedDate:
			if a.AttributeType != types.ScalarAttributeTypeS {
				return fmt.Sprintf("%s is %s, not S", name, a.AttributeType)
			}
		}
	}
	if got := keys(t.KeySchema); got != "id HASH" {
		return "its key is " + got + ", not id HASH"
	}
	for _, index := range t.GlobalSecondaryIndexes {
		if deref(index.IndexName) != indexName {
			continue
		}
		got := keys(index.KeySchema)
		switch {
		case got != "data_type HASH, modified_date RANGE":
			return "the key of " + indexName + " is " + got + ", not data_type HASH, modified_date RANGE"
		case index.Projection == nil || index.Projection.ProjectionType != types.ProjectionTypeAll:
			return indexName + " does not project all attributes"
		case index.IndexStatus == types.IndexStatusCreating || index.IndexStatus == types.IndexStatusDeleting:
			return indexName + " is " + strings.ToLower(string(index.IndexStatus)) + ", wait for it"
		}
		return ""
	}
	return "it has no index " + indexName
}

// keys writes a key in words.
func keys(schema []types.KeySchemaElement) string {
	var parts []string
	for _, e := range schema {
		parts = append(parts, deref(e.AttributeName)+" "+string(e.KeyType))
	}
	return strings.Join(parts, ", ")
}
