package dynamo

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/store"
)

// legacy finds one older form in one table. Its writes alone are no transactions:
// they may be repeated, and cost half of one.
type legacy struct {
	store      *Store
	table      string
	form       store.LegacyForm
	attributes []string
}

// Legacy returns what finds an older form, in the main table and, if archive is
// set and there is one, in the archive table.
func (s *Store) Legacy(form store.LegacyForm, archive bool) []store.Legacy {
	attributes := []string{attrEnabled}
	switch form {
	case store.QuotedBlindSets:
		attributes = []string{attrKeyNames}
	case store.QuotedServiceSets:
		attributes = s.services.noun.maps
	}
	all := []store.Legacy{&legacy{s, s.table, form, attributes}}
	if archive && s.archived != nil {
		all = append(all, &legacy{s, s.archived.table, form, attributes})
	}
	return all
}

// Size implements store.Legacy. DynamoDB counts every six hours, and tells whoever
// may describe the table.
func (l *legacy) Size(ctx context.Context) int {
	out, err := l.store.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(l.table)})
	if err != nil || out.Table == nil || out.Table.ItemCount == nil {
		return 0
	}
	return int(*out.Table.ItemCount)
}

// Page implements store.Legacy.
func (l *legacy) Page(ctx context.Context, after store.LegacyCursor, limit int) (page store.LegacyPage, err error) {
	in := l.scanInput()
	if after != "" {
		in.ExclusiveStartKey = key(string(after))
	}
	if limit > 0 {
		in.Limit = aws.Int32(int32(limit))
	}
	var out *dynamodb.ScanOutput
	err = within(ctx, longPatience, func(ctx context.Context) error {
		return l.store.try(ctx, "scanning the table", func() (err error) {
			out, err = l.store.client.Scan(ctx, in)
			return err
		})
	})
	if err != nil {
		return page, err
	}
	page.Seen = int(out.ScannedCount)
	if c := out.ConsumedCapacity; c != nil && c.CapacityUnits != nil {
		page.Units = *c.CapacityUnits
	}
	for _, it := range out.Items {
		if row, is := l.row(it); is {
			page.Rows = append(page.Rows, row)
		}
	}
	if out.LastEvaluatedKey != nil {
		last := &reader{item: out.LastEvaluatedKey}
		page.Next, err = store.LegacyCursor(last.text(attrID)), last.err
	}
	return page, err
}

// scanInput asks for what may stand in the form. Quotes within sets cannot be
// asked for.
func (l *legacy) scanInput() *dynamodb.ScanInput {
	var e expression
	var kinds []string
	for _, n := range l.form.Nouns() {
		kinds = append(kinds, string(n), "archive-"+string(n))
	}
	wanted := "SS"
	if l.form == store.NumberForBoolean {
		wanted = "N"
	}
	old := make([]string, len(l.attributes))
	for i, name := range l.attributes {
		old[i] = "attribute_type(" + e.name(name) + ", " + e.value(text(wanted)) + ")"
	}
	return &dynamodb.ScanInput{
		TableName: aws.String(l.table), ConsistentRead: aws.Bool(true),
		FilterExpression:         aws.String(all(e.oneOf(attrDataType, kinds...), either(old...))),
		ProjectionExpression:     aws.String(e.list(append([]string{attrID, attrDataType}, l.attributes...))),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
}

// row tells how an item is rewritten, if it stands in the form.
func (l *legacy) row(it item) (row store.LegacyRow, is bool) {
	kind := dataType(it)
	row = store.LegacyRow{Table: l.table, Key: (&reader{item: it}).text(attrID), Noun: nounOf(kind), Historic: kind != string(nounOf(kind))}
	after := item{}
	for _, name := range l.attributes {
		v, problem := modern(it[name])
		if problem != "" {
			row.Problem = name + " " + problem
			return row, true
		}
		if v != nil {
			after[name] = v
		}
	}
	row.Rewrite = func(ctx context.Context) error { return l.rewrite(ctx, row.Key, it, after) }
	return row, len(after) > 0
}

// modern returns what replaces a value that stands in an older form, a set
// sorted; nil if it does not.
func modern(v types.AttributeValue) (after types.AttributeValue, problem string) {
	switch v := v.(type) {
	case *types.AttributeValueMemberN:
		if v.Value != "0" && v.Value != "1" {
			return nil, "is " + v.Value + ", neither 0 nor 1"
		}
		return &types.AttributeValueMemberBOOL{Value: v.Value == "1"}, ""
	case *types.AttributeValueMemberSS:
		var elements []string
		quoted := false
		for _, s := range v.Value {
			decoded := plain(s)
			if decoded == "" || plain(decoded) != decoded {
				return nil, "holds an element that would be read in another way once it is rewritten"
			}
			elements, quoted = append(elements, decoded), quoted || decoded != s
		}
		if !quoted {
			return nil, ""
		}
		slices.Sort(elements)
		return &types.AttributeValueMemberSS{Value: slices.Compact(elements)}, ""
	}
	return nil, ""
}

// rewrite replaces attributes of an item, all of them or none, if they still are
// what was read.
func (l *legacy) rewrite(ctx context.Context, id string, read, after item) error {
	var e expression
	conditions := []string{e.is(attrDataType, read[attrDataType])}
	var set []string
	for name, v := range after {
		conditions = append(conditions, e.is(name, read[name]))
		set = append(set, e.is(name, v))
	}
	_, err := l.store.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(l.table), Key: key(id),
		ConditionExpression: aws.String(all(conditions...)), UpdateExpression: aws.String("SET " + strings.Join(set, ", ")),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if lost, is := errors.AsType[*types.ConditionalCheckFailedException](err); is {
		if rewritten(lost.Item, read, after) {
			return nil // by an attempt whose answer was lost
		}
		return &store.StaleError{Own: true, What: id}
	}
	if err != nil && contended(err) {
		return fmt.Errorf("%w: %w", store.ErrThrottled, err)
	}
	return wrap(ctx, "rewriting a row", err)
}

// rewritten reports whether an item stands as it was to be written.
func rewritten(it, read, after item) bool {
	for name, want := range after {
		got := it[name]
		if set, is := got.(*types.AttributeValueMemberSS); is {
			got = &types.AttributeValueMemberSS{Value: slices.Sorted(slices.Values(set.Value))}
		}
		if !reflect.DeepEqual(got, want) {
			return false
		}
	}
	return dataType(it) == dataType(read)
}
