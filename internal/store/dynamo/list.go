package dynamo

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// indexName is the one index of the table, named as the older service's mapper
// named it.
const indexName = "data_type_date_index"

// queryRows is the most that one request asks for; the service ends a page at
// 1 MB anyway.
const queryRows = 1000

// List pages through current rows without their sealed values.
func (r *revisions[T]) List(ctx context.Context, page revision.Page) (revision.Slice[*T], error) {
	return list(ctx, r.store, r.table, r.noun.current(), r.noun.without(r.noun.heavy...), page, r.noun.read)
}

// History pages through historic rows.
func (r *revisions[T]) History(ctx context.Context, id string, page revision.Page) (revision.Slice[*T], error) {
	if id == "" {
		return list(ctx, r.store, r.table, r.noun.history(), nil, page, r.noun.read)
	}
	return r.historyOf(ctx, id, page)
}

// without names the attributes of a noun but some. DynamoDB only knows how to
// name what is wanted.
func (n *noun[T]) without(names ...string) []string {
	return slices.DeleteFunc(n.attributes(), func(name string) bool { return slices.Contains(names, name) })
}

// list reads a partition of the index, newest first, whole or a page of it. Rows
// that cannot be read are skipped and logged, so that one bad row does not hide
// the others; those that read makes nil are left out.
func list[V any](
	ctx context.Context, s *Store, table, kind string, attributes []string, page revision.Page, read func(item) (*V, error),
) (out revision.Slice[*V], err error) {
	var e expression
	in := s.queryInput(table, kind, &e)
	if len(attributes) > 0 {
		in.ProjectionExpression = aws.String(e.list(attributes))
	}
	if page.After != nil {
		if !validKey(page.After.ID) {
			return out, revision.ErrCursor
		}
		in.ExclusiveStartKey = map[string]types.AttributeValue{
			attrID:           text(page.After.ID),
			attrDataType:     text(kind),
			attrModifiedDate: text(revision.FormatDate(page.After.ModifiedDate)),
		}
	}
	for {
		if page.Limit > 0 {
			in.Limit = aws.Int32(int32(min(page.Limit-len(out.Items), queryRows)))
		}
		got, err := s.query(ctx, in, &e)
		if err != nil {
			return revision.Slice[*V]{}, err
		}
		for _, it := range got.Items {
			v, err := read(it)
			if err != nil {
				s.log.ErrorContext(ctx, "a row is left out of a list", "error", err)
			} else if v != nil {
				out.Items = append(out.Items, v)
			}
		}
		if got.LastEvaluatedKey == nil {
			return out, nil
		}
		in.ExclusiveStartKey = got.LastEvaluatedKey
		if page.Limit > 0 && len(out.Items) >= page.Limit {
			last := &reader{item: got.LastEvaluatedKey}
			out.Next = &revision.Cursor{List: kind, ModifiedDate: last.time(attrModifiedDate), ID: last.text(attrID)}
			return out, last.err
		}
	}
}

// queryInput asks for a partition of the index, newest first.
func (s *Store) queryInput(table, kind string, e *expression) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName:              aws.String(table),
		IndexName:              aws.String(indexName),
		KeyConditionExpression: aws.String(e.is(attrDataType, text(kind))),
		ScanIndexForward:       aws.Bool(false),
	}
}

// query reads one page of an index.
func (s *Store) query(ctx context.Context, in *dynamodb.QueryInput, e *expression) (out *dynamodb.QueryOutput, err error) {
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = e.names, e.values
	err = s.try(ctx, "reading a list", func() (err error) {
		out, err = s.client.Query(ctx, in)
		return err
	})
	return out, err
}

// pages calls f for each page of an index. It waits for each as long as patience
// says, or with 0 as the context does.
func (s *Store) pages(
	ctx context.Context, in *dynamodb.QueryInput, e *expression, patience time.Duration, f func([]map[string]types.AttributeValue) error,
) error {
	for {
		var out *dynamodb.QueryOutput
		err := within(ctx, patience, func(ctx context.Context) (err error) {
			out, err = s.query(ctx, in, e)
			return err
		})
		if err != nil {
			return err
		}
		if err := f(out.Items); err != nil || out.LastEvaluatedKey == nil {
			return err
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// historyOf reads the history of one thing by its keys, consistently. Its
// cursors name the row before, as those of lists do.
func (r *revisions[T]) historyOf(ctx context.Context, id string, page revision.Page) (out revision.Slice[*T], err error) {
	it, err := r.store.item(ctx, r.table, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return out, err
	}
	if !r.noun.isCurrent(it) {
		return out, nil
	}
	newest := (&reader{item: it}).integer(attrRevision, 0)
	if page.After != nil {
		base, n, ok := revision.Split(page.After.ID)
		if !ok || base != id {
			return out, revision.ErrCursor
		}
		newest = min(newest, n-1)
	}
	for newest > 0 {
		oldest := 1
		if page.Limit > 0 {
			oldest = max(1, newest-min(batchSize, page.Limit-len(out.Items))+1)
		}
		keys := make([]string, 0, newest-oldest+1)
		for n := newest; n >= oldest; n-- {
			keys = append(keys, revision.Key(id, n))
		}
		rows, err := r.historic(ctx, keys)
		if err != nil {
			return revision.Slice[*T]{}, err
		}
		out.Items = append(out.Items, rows...)
		newest = oldest - 1
		if page.Limit > 0 && len(out.Items) >= page.Limit {
			break
		}
	}
	if newest > 0 && len(out.Items) > 0 {
		last := r.noun.meta(out.Items[len(out.Items)-1])
		out.Next = &revision.Cursor{List: r.noun.history(), ModifiedDate: last.ModifiedDate, ID: revision.Key(id, last.Revision)}
	}
	return out, nil
}

// historic reads historic rows by key, in the order asked; what is missing or
// belongs to something else is passed over.
func (r *revisions[T]) historic(ctx context.Context, keys []string) ([]*T, error) {
	items, err := r.store.batch(ctx, r.table, keys)
	if err != nil {
		return nil, err
	}
	rows := make([]*T, 0, len(items))
	for _, key := range keys {
		it := items[key]
		if !r.noun.isHistory(it) {
			continue
		}
		v, err := r.noun.read(it)
		if err != nil {
			r.store.log.ErrorContext(ctx, "a row is left out of a history", "error", err)
			continue
		}
		rows = append(rows, v)
	}
	return rows, nil
}
