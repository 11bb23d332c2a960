package dynamo

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// errRewrapping ends a walk whose rows others write all the time.
var errRewrapping = errors.New("data keys change while they are re-wrapped; stop the servers")

// rewrapRounds bounds how often the tables are walked through because of rows
// that others wrote meanwhile.
const rewrapRounds = 5

// RewrapDataKeys scans the tables consistently, a page at a time, so that rows
// that the index does not show are visited too. Both copies of a current row are
// rows of the table, each replaced for itself.
func (s *Store) RewrapDataKeys(ctx context.Context, change func(store.WrappedKey) []byte, done func(visited, total int)) (store.RewrapReport, error) {
	var report store.RewrapReport
	for range rewrapRounds {
		round := store.RewrapReport{Changed: report.Changed}
		refused := 0
		for _, r := range []*revisions[credential.Credential]{s.credentials, s.archived} {
			if r == nil {
				continue
			}
			err := r.rewrap(ctx, change, func(visited, changed, moved int) {
				round.Visited += visited
				round.Changed += changed
				refused += moved
				done(round.Visited, 0)
			})
			if err != nil {
				return round, err
			}
		}
		if report = round; refused == 0 {
			return report, nil
		}
	}
	return report, errors.Join(store.ErrUnavailable, errRewrapping)
}

// rewrap walks through one table. page is told of each page how many keys were
// visited, replaced, and found to have moved meanwhile.
func (r *revisions[T]) rewrap(ctx context.Context, change func(store.WrappedKey) []byte, page func(visited, changed, moved int)) error {
	const doing = "re-wrapping data keys"
	s := r.store
	var e expression
	in := &dynamodb.ScanInput{
		TableName: aws.String(r.table), ConsistentRead: aws.Bool(true),
		FilterExpression:     aws.String(e.oneOf(attrDataType, r.noun.current(), r.noun.history())),
		ProjectionExpression: aws.String(e.list([]string{attrID, attrDataType, attrDataKey})),
	}
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = e.names, e.values
	for {
		if err := ctx.Err(); err != nil {
			return wrap(ctx, doing, err)
		}
		// A page that is begun is finished.
		whole := context.WithoutCancel(ctx)
		var out *dynamodb.ScanOutput
		err := within(whole, longPatience, func(ctx context.Context) error {
			return s.try(ctx, doing, func() (err error) {
				out, err = s.client.Scan(ctx, in)
				return err
			})
		})
		if err != nil {
			return err
		}
		visited := 0
		var groups [][]*action
		var ids []string
		for _, it := range out.Items {
			k, ok := r.wrappedKey(it)
			if !ok {
				continue
			}
			visited++
			if again := change(k); again != nil {
				groups = append(groups, []*action{r.replaceKey(it, again)})
				ids = append(ids, k.ID)
			}
		}
		changed, moved := 0, 0
		// One transaction at a time: there is nobody to be quick for, and a table of
		// little capacity is not asked too much.
		for part := range slices.Chunk(groups, transactionActions) {
			err = within(whole, longPatience, func(ctx context.Context) error {
				refused, err := s.settle(ctx, doing, part)
				if err == nil {
					changed, moved = changed+len(part)-len(refused), moved+len(refused)
				}
				return err
			})
			if err != nil {
				break
			}
		}
		for _, id := range ids {
			r.cache.drop(id, s.now())
		}
		if err != nil {
			return err
		}
		page(visited, changed, moved)
		if out.LastEvaluatedKey == nil {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// wrappedKey reads the data key of a row; there may be none.
func (r *revisions[T]) wrappedKey(it item) (store.WrappedKey, bool) {
	row := &reader{item: it}
	k := store.WrappedKey{Key: row.text(attrID), Wrapped: row.binary(attrDataKey), Archived: r.archive}
	k.ID = k.Key
	if base, _, ok := revision.Split(k.Key); ok && r.noun.isHistory(it) {
		k.ID = base
	}
	return k, row.err == nil && len(k.Wrapped) > 0
}

// replaceKey replaces the data key of a row if it is still the one that was read.
func (r *revisions[T]) replaceKey(stored item, again []byte) *action {
	after := item{}
	after.setBinary(attrDataKey, again)
	id := &reader{item: stored}
	a := &action{verb: update, table: r.table, key: id.text(attrID), bytes: 2 * after.size()}
	a.change = "SET " + a.is(attrDataKey, after[attrDataKey])
	return a.only(a.is(attrDataKey, stored[attrDataKey]), func(item) error { return errAmended })
}
