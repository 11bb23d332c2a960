package dynamo

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// batchSize is how many keys one BatchGetItem takes.
const batchSize = 100

// revisions is one noun in one table.
type revisions[T any] struct {
	store   *Store
	table   string
	noun    *noun[T]
	archive bool // no claims, no mappings, rows carry archive_date
	cache   *cache[T]
}

func newRevisions[T any](s *Store, table string, n *noun[T], ttl time.Duration) *revisions[T] {
	return &revisions[T]{store: s, table: table, noun: n, cache: newCache[T](ttl)}
}

// Get returns the current row.
func (r *revisions[T]) Get(ctx context.Context, id string) (*T, error) {
	if err := ctx.Err(); err != nil {
		return nil, wrap(ctx, "reading a row", err)
	}
	if v := r.cache.get(id, r.store.now()); v != nil {
		return v, nil
	}
	started := r.store.now()
	it, err := r.store.item(ctx, r.table, id)
	if err != nil {
		return nil, err
	}
	v, err := r.current(it, id)
	if err != nil {
		return nil, err
	}
	r.cache.put(id, v, started)
	return v, nil
}

// current decodes an item that should be a current row of the noun.
func (r *revisions[T]) current(it item, id string) (*T, error) {
	if !r.noun.isCurrent(it) {
		return nil, &store.TakenError{Key: id, Holder: id, Noun: nounOf(dataType(it))}
	}
	return r.noun.read(it)
}

func dataType(it item) string {
	if s, ok := it[attrDataType].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// nounOf is the noun of a current or historic row; empty for a document.
func nounOf(dataType string) store.Noun {
	for _, n := range []store.Noun{store.Credential, store.BlindCredential, store.Service} {
		if dataType == string(n) || dataType == "archive-"+string(n) {
			return n
		}
	}
	return ""
}

// BatchGet returns current rows in the order asked.
func (r *revisions[T]) BatchGet(ctx context.Context, ids []string) ([]*T, error) {
	if err := ctx.Err(); err != nil {
		return nil, wrap(ctx, "reading rows", err)
	}
	found := make(map[string]*T, len(ids))
	missing := make([]string, 0, len(ids))
	for _, id := range ids {
		if _, seen := found[id]; seen {
			continue
		}
		found[id] = r.cache.get(id, r.store.now())
		if found[id] == nil {
			missing = append(missing, id)
		}
	}
	started := r.store.now()
	items, err := r.store.batch(ctx, r.table, missing)
	if err != nil {
		return nil, err
	}
	for id, it := range items {
		if !r.noun.isCurrent(it) {
			continue
		}
		v, err := r.noun.read(it)
		if err != nil {
			return nil, err
		}
		found[id] = v
		r.cache.put(id, v, started)
	}
	rows := make([]*T, 0, len(ids))
	for _, id := range ids {
		if v := found[id]; v != nil {
			rows = append(rows, v)
			delete(found, id)
		}
	}
	return rows, nil
}

// Revision returns one historic row.
func (r *revisions[T]) Revision(ctx context.Context, id string, n int) (*T, error) {
	if n < 1 {
		return nil, store.ErrNotFound
	}
	it, err := r.store.item(ctx, r.table, revision.Key(id, n))
	if err != nil {
		return nil, err
	}
	if !r.noun.isHistory(it) {
		return nil, store.ErrNotFound
	}
	return r.noun.read(it)
}

// maxKeyBytes is how long a key may be.
const maxKeyBytes = 2048

// validKey reports whether something could stand under a key. DynamoDB refuses
// to look for what could not.
func validKey(id string) bool { return id != "" && len(id) <= maxKeyBytes }

// item reads one item, consistently.
func (s *Store) item(ctx context.Context, table, id string) (item, error) {
	if !validKey(id) {
		return nil, store.ErrNotFound
	}
	var out *dynamodb.GetItemOutput
	err := s.try(ctx, "reading a row", func() (err error) {
		out, err = s.client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: aws.String(table), Key: key(id), ConsistentRead: aws.Bool(true),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	if out.Item == nil {
		return nil, store.ErrNotFound
	}
	return out.Item, nil
}

// batch reads any number of different keys, consistently, several batches at
// once, and returns what stands there by key. With attributes it reads those
// alone, the id among them.
func (s *Store) batch(ctx context.Context, table string, ids []string, attributes ...string) (map[string]item, error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !validKey(id) })
	var (
		mu  sync.Mutex
		all = make(map[string]item, len(ids))
	)
	parts := slices.Collect(slices.Chunk(ids, batchSize))
	err := each(ctx, len(parts), func(ctx context.Context, i int) error {
		return s.batchPart(ctx, table, parts[i], attributes, func(it item) {
			id := &reader{item: it}
			mu.Lock()
			defer mu.Unlock()
			all[id.text(attrID)] = it
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

var errUnprocessed = errors.New("the table leaves reads unprocessed")

// batchPart reads at most batchSize keys. What the service leaves over, since an
// answer holds 16 MB at most and reads may be throttled, is asked for again.
func (s *Store) batchPart(ctx context.Context, table string, ids, attributes []string, found func(item)) error {
	ask := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for _, id := range ids {
		ask.Keys = append(ask.Keys, key(id))
	}
	if len(attributes) > 0 {
		var e expression
		ask.ProjectionExpression = aws.String(e.list(attributes))
		ask.ExpressionAttributeNames = e.names
	}
	wait := newBackoff(ctx)
	for {
		var out *dynamodb.BatchGetItemOutput
		err := s.try(ctx, "reading rows", func() (err error) {
			out, err = s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
				RequestItems: map[string]types.KeysAndAttributes{table: ask},
			})
			return err
		})
		if err != nil {
			return err
		}
		for _, it := range out.Responses[table] {
			found(it)
		}
		left := out.UnprocessedKeys[table].Keys
		if len(left) == 0 {
			return nil
		}
		if len(left) < len(ask.Keys) {
			wait = newBackoff(ctx)
		}
		ask.Keys = left
		if !wait.wait(ctx) {
			return wrap(ctx, "reading rows", errUnprocessed)
		}
	}
}
