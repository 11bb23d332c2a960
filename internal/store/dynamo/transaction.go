package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Limits of one transaction.
const (
	transactionActions = 100
	transactionBytes   = 3 << 20 // the service takes 4 MiB; names and expressions count too
)

// verb is what an action does with its item.
type verb int

const (
	put verb = iota
	update
	remove
	check
)

// action is one part of a transaction: what is done with one item, and under
// which condition. Every change that this package makes consists of actions, since
// a transaction alone carries a token that makes its repetition harmless when an
// answer is lost.
type action struct {
	expression
	verb   verb
	table  string
	key    string
	item   item   // to put
	change string // of an update
	when   string // condition; empty: none
	bytes  int    // about what it weighs in a transaction

	// refused says what it means that the condition does not hold. It gets the
	// item that stands there if told is set.
	refused func(old item) error
	told    bool
}

func (a *action) only(when string, refused func(old item) error) *action {
	a.when, a.refused = when, refused
	return a
}

func putItem(table string, it item) *action {
	id := &reader{item: it}
	return &action{verb: put, table: table, key: id.text(attrID), item: it, bytes: it.size()}
}

func removeItem(table, id string) *action { return &action{verb: remove, table: table, key: id} }

func checkItem(table, id string) *action { return &action{verb: check, table: table, key: id} }

// write is the action as the service takes it.
func (a *action) write() types.TransactWriteItem {
	var when *string
	if a.when != "" {
		when = aws.String(a.when)
	}
	tell := types.ReturnValuesOnConditionCheckFailureNone
	if a.told {
		tell = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	table := aws.String(a.table)
	switch a.verb {
	case put:
		return types.TransactWriteItem{Put: &types.Put{
			TableName: table, Item: a.item, ConditionExpression: when,
			ExpressionAttributeNames: a.names, ExpressionAttributeValues: a.values, ReturnValuesOnConditionCheckFailure: tell,
		}}
	case update:
		return types.TransactWriteItem{Update: &types.Update{
			TableName: table, Key: key(a.key), UpdateExpression: aws.String(a.change), ConditionExpression: when,
			ExpressionAttributeNames: a.names, ExpressionAttributeValues: a.values, ReturnValuesOnConditionCheckFailure: tell,
		}}
	case remove:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: table, Key: key(a.key), ConditionExpression: when,
			ExpressionAttributeNames: a.names, ExpressionAttributeValues: a.values, ReturnValuesOnConditionCheckFailure: tell,
		}}
	default:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: table, Key: key(a.key), ConditionExpression: when,
			ExpressionAttributeNames: a.names, ExpressionAttributeValues: a.values, ReturnValuesOnConditionCheckFailure: tell,
		}}
	}
}

// refusal is an action whose condition did not hold.
type refusal struct {
	index int
	old   item
}

// commit carries out all actions or none and returns those whose conditions did
// not hold; without any, all is done.
func (s *Store) commit(ctx context.Context, doing string, actions []*action) ([]refusal, error) {
	in := &dynamodb.TransactWriteItemsInput{
		TransactItems: make([]types.TransactWriteItem, len(actions)), ClientRequestToken: aws.String(rand.Text()),
	}
	for i, a := range actions {
		in.TransactItems[i] = a.write()
	}
	var refused []refusal
	err := s.try(ctx, doing, func() error {
		_, err := s.client.TransactWriteItems(ctx, in)
		canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
		if !ok {
			return err
		}
		// Had an earlier attempt under this token gone through, this one would
		// have succeeded. So none did, and the next may have a token of its own.
		in.ClientRequestToken = aws.String(rand.Text())
		for i, reason := range canceled.CancellationReasons {
			if deref(reason.Code) == conditionFailed && i < len(actions) {
				refused = append(refused, refusal{i, reason.Item})
			}
		}
		if len(refused) > 0 {
			return nil
		}
		return err
	})
	return refused, err
}

// transact carries out all actions or none. When conditions do not hold it
// returns the meaning of the first one in order: put the row itself before its
// guards.
func (s *Store) transact(ctx context.Context, doing string, actions []*action) error {
	refused, err := s.commit(ctx, doing, actions)
	if err != nil || len(refused) == 0 {
		return err
	}
	first := refused[0]
	return actions[first.index].refused(first.old)
}

// settle carries out many groups of actions, each group wholly or not at all,
// and returns the indexes of the groups whose conditions did not hold. It puts
// as many groups into one transaction as fit, and has several transactions under
// way at once. Checks of one item may stand in several groups if they are alike.
func (s *Store) settle(ctx context.Context, doing string, groups [][]*action) ([]int, error) {
	var (
		mu      sync.Mutex
		refused []int
	)
	parts := pack(groups)
	err := each(ctx, len(parts), func(ctx context.Context, i int) error {
		out, err := s.settlePart(ctx, doing, groups, parts[i])
		mu.Lock()
		defer mu.Unlock()
		refused = append(refused, out...)
		return err
	})
	return refused, err
}

// pack divides groups into transactions.
func pack(groups [][]*action) [][]int {
	var parts [][]int
	count, bytes := transactionActions, 0
	for i, group := range groups {
		weight := 0
		for _, a := range group {
			weight += a.bytes
		}
		if count+len(group) > transactionActions || bytes+weight > transactionBytes {
			parts = append(parts, nil)
			count, bytes = 0, 0
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], i)
		count, bytes = count+len(group), bytes+weight
	}
	return parts
}

// settlePart carries out the groups of one transaction. Those that are refused
// are taken out, and the rest is tried again.
func (s *Store) settlePart(ctx context.Context, doing string, groups [][]*action, part []int) (refused []int, err error) {
	for len(part) > 0 {
		var actions []*action
		owners := map[string][]int{} // key of an item -> groups that need it
		for _, g := range part {
			for _, a := range groups[g] {
				if owners[a.key] == nil {
					actions = append(actions, a)
				}
				owners[a.key] = append(owners[a.key], g)
			}
		}
		failed, err := s.commit(ctx, doing, actions)
		if err != nil || len(failed) == 0 {
			return refused, err
		}
		out := map[int]bool{}
		for _, f := range failed {
			for _, g := range owners[actions[f.index].key] {
				out[g] = true
			}
		}
		var rest []int
		for _, g := range part {
			if out[g] {
				refused = append(refused, g)
			} else {
				rest = append(rest, g)
			}
		}
		part = rest
	}
	return refused, nil
}
