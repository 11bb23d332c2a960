package dynamo_test

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/awsclient"
	"github.com/confidant-secrets/confidant/internal/awstest/dynamolocal"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
	"github.com/confidant-secrets/confidant/internal/store/storetest"
)

// Names of the tables; each test has a database of its own.
const (
	table   = "confidant"
	archive = "confidant-archive"
)

var discard = slog.New(slog.DiscardHandler)

var (
	large = flag.Bool("large", false, "also fill a table of 20,000 credentials and 2,000 services, and measure")
	soak  = flag.Duration("soak", 0, "how long two stores fight over one table; 0: a bounded number of writes")
)

// TestMain says so where the terms of DynamoDB Local are not accepted and the tests
// that need it are therefore passed over.
func TestMain(m *testing.M) {
	if !dynamolocal.Wanted() {
		_, _ = os.Stderr.WriteString("DynamoDB Local is not opted in to; run make test-dynamodb. Only tests without it run.\n")
	}
	os.Exit(m.Run())
}

// world is a database of its own with the tables in it.
type world struct {
	config aws.Config
	// behind reaches the tables behind the back of any store.
	behind *dynamodb.Client
}

// newBareWorld makes a database without tables.
func newBareWorld(t *testing.T) *world {
	t.Helper()
	w := &world{config: dynamolocal.Start(t).Config()}
	w.behind = dynamodb.NewFromConfig(w.config)
	return w
}

// newWorld makes fresh tables; nil where DynamoDB Local is not wanted.
func newWorld(t *testing.T) *world {
	t.Helper()
	if !dynamolocal.Wanted() {
		return nil
	}
	w := newBareWorld(t)
	w.makeTables(t, table, archive)
	return w
}

// makeTables makes tables for the time of a test. DynamoDB Local keeps all in
// memory, so they are given back.
func (w *world) makeTables(t *testing.T, names ...string) {
	t.Helper()
	made, err := dynamo.CreateTables(t.Context(), w.behind, dynamo.Capacity{}, names...)
	if err != nil || len(made) != len(names) {
		t.Fatalf("CreateTables = %v, %v", made, err)
	}
	t.Cleanup(func() {
		for _, name := range names {
			_, _ = w.behind.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String(name)})
		}
	})
}

// client is a client as servers have it, seen by trace, if not nil. It is more
// patient, since DynamoDB Local and many tests share one small machine.
func (w *world) client(trace func(http.RoundTripper) http.RoundTripper) *dynamodb.Client {
	return awsclient.DynamoDB(w.config, awsclient.Options{
		Endpoint: *w.config.BaseEndpoint, ConnectTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, Connections: 100, Trace: trace,
	})
}

// open makes a store over a client, with change applied to its options.
func (w *world) open(t *testing.T, client *dynamodb.Client, change ...func(*dynamo.Options)) *dynamo.Store {
	t.Helper()
	o := dynamo.Options{Client: client, Table: table, ArchiveTable: archive, Log: discard}
	for _, c := range change {
		c(&o)
	}
	s, err := dynamo.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// indexed makes a store whose marker stands.
func (w *world) indexed(t *testing.T, client *dynamodb.Client, change ...func(*dynamo.Options)) *dynamo.Store {
	t.Helper()
	s := w.open(t, client, change...)
	reindex(t, s)
	return s
}

func reindex(t *testing.T, s *dynamo.Store) store.ReindexReport {
	t.Helper()
	report, err := s.Reindex(t.Context(), nil)
	if err != nil {
		t.Fatalf("Reindex: %v", err)
	}
	return report
}

// TestStore_KeepsItsPromises runs the suite of all stores in each way that a
// store may be set up.
func TestStore_KeepsItsPromises(t *testing.T) {
	if !dynamolocal.Wanted() {
		return
	}
	run := func(t *testing.T, open func(t *testing.T, w *world) *dynamo.Store) {
		var damaged sync.Map // store -> its world
		storetest.Run(t, func(t *testing.T) store.Store {
			w := newWorld(t)
			s := open(t, w)
			damaged.Store(s, w)
			return s
		}, storetest.Options{EventualLists: true, Damage: func(t *testing.T, s store.Store, kind, id string, body json.RawMessage) {
			w, _ := damaged.Load(s)
			w.(*world).damage(t, kind, id, body)
		}})
	}
	t.Run("plain", func(t *testing.T) {
		run(t, func(t *testing.T, w *world) *dynamo.Store { return w.indexed(t, w.client(nil)) })
	})
	t.Run("behind a lagging index, with cached rows", func(t *testing.T) {
		run(t, func(t *testing.T, w *world) *dynamo.Store {
			return w.indexed(t, w.client(newLag(t, w).trace), func(o *dynamo.Options) { o.CacheTTL = time.Minute })
		})
	})
}

// damage writes a claim or mapping document behind the back of the store.
func (w *world) damage(t *testing.T, kind, id string, body json.RawMessage) {
	t.Helper()
	key := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "doc/" + kind + "/" + id}}
	if body == nil {
		if _, err := w.behind.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(table), Key: key}); err != nil {
			t.Fatal(err)
		}
		return
	}
	in := &dynamodb.UpdateItemInput{
		TableName: aws.String(table), Key: key,
		ExpressionAttributeNames: map[string]string{"#kind": "data_type", "#version": "version", "#content": "body"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":kind": &types.AttributeValueMemberS{Value: "doc-" + kind}, ":one": &types.AttributeValueMemberN{Value: "1"},
			":zero": &types.AttributeValueMemberN{Value: "0"}, ":content": &types.AttributeValueMemberS{Value: string(body)},
		},
		UpdateExpression: aws.String("SET #kind = :kind, #version = if_not_exists(#version, :zero) + :one, #content = :content"),
	}
	if kind == store.KindMapping {
		var m store.Mapping
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		in.ExpressionAttributeNames["#content"] = "services"
		in.ExpressionAttributeValues[":content"] = &types.AttributeValueMemberSS{Value: m.Services}
	}
	if _, err := w.behind.UpdateItem(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}
