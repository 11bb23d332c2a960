package dynamo

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// item is a row as DynamoDB holds it.
type item map[string]types.AttributeValue

// Attributes that every row has.
const (
	attrID           = "id"
	attrDataType     = "data_type"
	attrRevision     = "revision"
	attrModifiedDate = "modified_date"
	attrModifiedBy   = "modified_by"
	attrEnabled      = "enabled"
)

func (it item) setText(name, value string) { it[name] = &types.AttributeValueMemberS{Value: value} }

func (it item) setNumber(name string, n int) { it[name] = number(n) }

func (it item) setBool(name string, b bool) { it[name] = &types.AttributeValueMemberBOOL{Value: b} }

// setTime writes the 31-character form; a zero time is absent.
func (it item) setTime(name string, t time.Time) {
	if !t.IsZero() {
		it.setText(name, revision.FormatDate(t))
	}
}

// setSet writes a string set. DynamoDB has no empty sets, and refuses repeated
// and empty elements: what is left empty is absent.
func (it item) setSet(name string, values []string) {
	set := slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
	if len(set) == 0 {
		return
	}
	slices.Sort(set)
	it[name] = &types.AttributeValueMemberSS{Value: slices.Compact(set)}
}

// setBinary writes bytes the way the older service's mapper left them in the
// table: as their base64 text, which the transport then encodes once more.
func (it item) setBinary(name string, b []byte) {
	if len(b) > 0 {
		it[name] = &types.AttributeValueMemberB{Value: []byte(base64.StdEncoding.EncodeToString(b))}
	}
}

func (it item) setOptional(name string, text *string) {
	if text != nil {
		it.setText(name, *text)
	}
}

func (it item) setJSON(name string, raw json.RawMessage) {
	if raw != nil {
		it.setText(name, string(raw))
	}
}

func number(n int) *types.AttributeValueMemberN {
	return &types.AttributeValueMemberN{Value: strconv.Itoa(n)}
}

func text(s string) *types.AttributeValueMemberS { return &types.AttributeValueMemberS{Value: s} }

// micros is a moment that DynamoDB compares: microseconds since the epoch.
func micros(t time.Time) *types.AttributeValueMemberN {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(t.UnixMicro(), 10)}
}

// fits refuses a row over the limit.
func fits(it item) error {
	if size := it.size(); size > store.MaxRowBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", store.ErrTooLarge, size, store.MaxRowBytes)
	}
	return nil
}

// size is what DynamoDB counts towards its item limit, near enough: names and
// values in bytes, three for every list.
func (it item) size() int {
	n := 0
	for name, v := range it {
		n += len(name) + valueSize(v)
	}
	return n
}

func valueSize(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return len(v.Value)/2 + 1
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberSS:
		n := 0
		for _, s := range v.Value {
			n += len(s)
		}
		return n
	case *types.AttributeValueMemberL:
		n := 3
		for _, e := range v.Value {
			n += 1 + valueSize(e)
		}
		return n
	default:
		return 1
	}
}

func textList(values []string) *types.AttributeValueMemberL {
	list := &types.AttributeValueMemberL{Value: make([]types.AttributeValue, len(values))}
	for i, s := range values {
		list.Value[i] = text(s)
	}
	return list
}
