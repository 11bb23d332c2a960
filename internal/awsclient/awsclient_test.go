package awsclient_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/awsclient"
)

func config() aws.Config {
	return aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("KEY", "secret", "")}
}

const patience = 200 * time.Millisecond

func options(url string) awsclient.Options {
	return awsclient.Options{Endpoint: url, ConnectTimeout: patience, ReadTimeout: patience, Connections: 4}
}

// answer writes a whole answer of DynamoDB.
func answer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = io.WriteString(w, body)
}

// hang holds a request until its client goes away.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// TestDynamoDB_TriesAgainUnderOneToken lets the first answers go wrong: each call
// must succeed in the end, within bounds, and each attempt bear the same token.
func TestDynamoDB_TriesAgainUnderOneToken(t *testing.T) {
	t.Parallel()
	tests := map[string]http.HandlerFunc{
		"no answer":               hang,
		"an error of the service": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"a throttled request": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow"}`)
		},
		"an empty answer":           func(w http.ResponseWriter, _ *http.Request) { answer(w, "") },
		"an answer that is no JSON": func(w http.ResponseWriter, _ *http.Request) { answer(w, `<html>`) },
		"half of an answer":         func(w http.ResponseWriter, _ *http.Request) { answer(w, `{"ConsumedCapacity":[`) },
		"an answer that is cut off": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "100"); answer(w, `{`) },
		"an answer that does not go on": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			answer(w, `{`)
			_ = http.NewResponseController(w).Flush()
			hang(w, r)
		},
		"a connection that is cut": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_ = c.Close()
		},
	}
	for name, wrong := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var (
				mu     sync.Mutex
				tokens []string
			)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var in struct{ ClientRequestToken string }
				body, _ := io.ReadAll(r.Body)
				if err := json.Unmarshal(body, &in); err != nil {
					t.Errorf("request: %v", err)
				}
				mu.Lock()
				tokens = append(tokens, in.ClientRequestToken)
				first := len(tokens) < 3
				mu.Unlock()
				if first {
					wrong(w, r)
					return
				}
				answer(w, `{}`)
			}))
			t.Cleanup(server.Close)
			started := time.Now()
			_, err := awsclient.DynamoDB(config(), options(server.URL)).TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
				TransactItems: []types.TransactWriteItem{{Delete: &types.Delete{
					TableName: aws.String("t"), Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "x"}},
				}}},
			})
			if err != nil {
				t.Fatalf("TransactWriteItems: %v, want the third attempt to succeed", err)
			}
			if took := time.Since(started); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if len(tokens) != 3 || tokens[0] == "" || tokens[1] != tokens[0] || tokens[2] != tokens[0] {
				t.Errorf("tokens %q, want the same one three times", tokens)
			}
		})
	}
}

// TestDynamoDB_GivesUpInTime has nothing but bad luck.
func TestDynamoDB_GivesUpInTime(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(hang))
	t.Cleanup(silent.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = deaf.Close() })
	for name, url := range map[string]string{
		"a server without answers":      silent.URL,
		"nobody who listens":            "http://" + closed.Addr().String(),
		"a listener that reads nothing": "http://" + deaf.Addr().String(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, started := awsclient.DynamoDB(config(), options(url)), time.Now()
			_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{
				TableName: aws.String("t"),
				// More than the buffers between the two ends take.
				Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberB{Value: make([]byte, 16<<20)}},
			})
			if err == nil || time.Since(started) > 10*time.Second {
				t.Errorf("PutItem: %v after %v, want an error in time", err, time.Since(started))
			}
		})
	}
}

func TestDynamoDB_SlowButSteadyAnswersArrive(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body := `{"Item":{"id":{"S":"x"}}}`
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		for i := range len(body) {
			answer(w, body[i:i+1])
			_ = http.NewResponseController(w).Flush()
			time.Sleep(patience / 10)
		}
	}))
	t.Cleanup(server.Close)
	out, err := awsclient.DynamoDB(config(), options(server.URL)).GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String("t"), Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "x"}},
	})
	if err != nil || len(out.Item) != 1 {
		t.Errorf("GetItem = %+v, %v; want an item", out, err)
	}
}

// TestDynamoDB_KeepsToItsPool counts connections under load, and the trace sees
// every exchange.
func TestDynamoDB_KeepsToItsPool(t *testing.T) {
	t.Parallel()
	var connections, seen atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(5 * time.Millisecond)
		answer(w, `{}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	o := options(server.URL)
	o.Trace = func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) { seen.Add(1); return next.RoundTrip(r) })
	}
	client := awsclient.DynamoDB(config(), o)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, err := client.ListTables(context.Background(), &dynamodb.ListTablesInput{}); err != nil {
				t.Errorf("ListTables: %v", err)
			}
		})
	}
	wg.Wait()
	if n := connections.Load(); n > 4 {
		t.Errorf("%d connections, want at most 4", n)
	}
	if n := seen.Load(); n != 40 {
		t.Errorf("the trace saw %d exchanges, want 40", n)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestDynamoDB_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	if _, err := awsclient.DynamoDB(config(), options(server.URL)).ListTables(t.Context(), &dynamodb.ListTablesInput{}); err == nil {
		t.Error("ListTables: no error")
	}
}

func TestConfig_TakesTheRegionGiven(t *testing.T) {
	t.Setenv("AWS_REGION", "us-west-2")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	c, err := awsclient.Config(t.Context(), "eu-north-1")
	if err != nil || c.Region != "eu-north-1" {
		t.Errorf("Config = region %q, %v; want eu-north-1", c.Region, err)
	}
}
