package dynamo_test

import (
	"encoding/json"
	"hash/fnv"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// lag makes the index show a past state, as the service's own does and DynamoDB
// Local does not. Queries of the index go to a second table, into which writes
// are copied late: each key has a delay of its own, so that later writes may show
// before earlier ones, and a row that moved is absent for a while before it is
// there in its new form.
type lag struct {
	t     *testing.T
	world *world
	mu    sync.Mutex // keeps the copies of one key in their order
	lanes []chan image
}

// image is what stands under a key at some moment; nil: nothing.
type image struct {
	table string
	key   map[string]types.AttributeValue
	item  map[string]types.AttributeValue
	due   time.Time // to be shown; shortly before, the old form vanishes
}

// delays are how late writes show.
var delays = []time.Duration{100 * time.Millisecond, 250 * time.Millisecond, 400 * time.Millisecond, 600 * time.Millisecond}

// vanished is how long a row that moves is absent.
const vanished = 50 * time.Millisecond

func shadow(name string) string { return name + "-index" }

func newLag(t *testing.T, w *world) *lag {
	t.Helper()
	w.makeTables(t, shadow(table), shadow(archive))
	l := &lag{t: t, world: w}
	var wg sync.WaitGroup
	for range delays {
		lane := make(chan image, 100_000)
		l.lanes = append(l.lanes, lane)
		wg.Go(func() { l.copy(lane) })
	}
	t.Cleanup(func() {
		for _, lane := range l.lanes {
			close(lane)
		}
		wg.Wait()
	})
	return l
}

func (l *lag) trace(next http.RoundTripper) http.RoundTripper {
	return intercept(func(e *exchange) (*http.Response, error) {
		switch e.operation {
		case "Query":
			var in map[string]any
			if err := json.Unmarshal(e.body, &in); err != nil {
				return nil, err
			}
			if in["IndexName"] != nil {
				in["TableName"] = shadow(in["TableName"].(string))
				body, err := json.Marshal(in)
				if err != nil {
					return nil, err
				}
				e.body = body
			}
		case "TransactWriteItems":
			out, err := e.send()
			if err == nil && out.StatusCode == http.StatusOK {
				l.written(e.body)
			}
			return out, err
		case "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem":
			l.t.Errorf("%s is not seen by the lagging index", e.operation)
		}
		return e.send()
	})(next)
}

// written notes what stands now under the keys that a transaction wrote.
func (l *lag) written(body []byte) {
	type target struct {
		TableName string
		Key, Item struct {
			ID struct{ S string } `json:"id"`
		}
	}
	var in struct{ TransactItems []map[string]target }
	if err := json.Unmarshal(body, &in); err != nil {
		l.t.Errorf("a transaction: %v", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, action := range in.TransactItems {
		for verb, at := range action {
			id := at.Key.ID.S
			if verb == "Put" {
				id = at.Item.ID.S
			}
			if verb != "ConditionCheck" {
				l.note(at.TableName, id)
			}
		}
	}
}

func (l *lag) note(name, id string) {
	key := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}}
	out, err := l.world.behind.GetItem(l.t.Context(), &dynamodb.GetItemInput{TableName: aws.String(name), Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		if l.t.Context().Err() == nil {
			l.t.Errorf("noting %s: %v", id, err)
		}
		return
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	i := h.Sum32() % uint32(len(delays))
	l.lanes[i] <- image{shadow(name), key, out.Item, time.Now().Add(delays[i])}
}

// copy shows what was noted when its time has come.
func (l *lag) copy(lane chan image) {
	for m := range lane {
		time.Sleep(time.Until(m.due.Add(-vanished)))
		ctx := l.t.Context()
		_, err := l.world.behind.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String(m.table), Key: m.key})
		if m.item != nil && err == nil {
			time.Sleep(time.Until(m.due))
			_, err = l.world.behind.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(m.table), Item: m.item})
		}
		if err != nil && ctx.Err() == nil {
			l.t.Errorf("copying into the lagging index: %v", err)
		}
	}
}
