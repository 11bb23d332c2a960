package dynamo

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// segments is in how many parts a table is scanned at once.
const segments = 4

// scan reads some attributes of all items of some data types, consistently, the
// whole table at once. found is never called twice at a time.
func (s *Store) scan(ctx context.Context, table string, dataTypes, attributes []string, found func(item)) error {
	var e expression
	filter, projection := e.oneOf(attrDataType, dataTypes...), e.list(attributes)
	var mu sync.Mutex
	return each(ctx, segments, func(ctx context.Context, segment int) error {
		in := &dynamodb.ScanInput{
			TableName: aws.String(table), ConsistentRead: aws.Bool(true),
			Segment: aws.Int32(int32(segment)), TotalSegments: aws.Int32(segments),
			FilterExpression: aws.String(filter), ProjectionExpression: aws.String(projection),
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		}
		for {
			var out *dynamodb.ScanOutput
			err := within(ctx, longPatience, func(ctx context.Context) error {
				return s.try(ctx, "scanning the table", func() (err error) {
					out, err = s.client.Scan(ctx, in)
					return err
				})
			})
			if err != nil {
				return err
			}
			mu.Lock()
			for _, it := range out.Items {
				found(it)
			}
			mu.Unlock()
			if out.LastEvaluatedKey == nil {
				return nil
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
	})
}
