package dynamo

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/revision"
)

// badRow says that a stored row cannot be read. Lists skip such a row, a direct
// read fails with it.
type badRow struct {
	key, attribute, problem string
}

func (e *badRow) Error() string {
	return fmt.Sprintf("row %q cannot be read: attribute %s %s", e.key, e.attribute, e.problem)
}

// reader takes attributes out of an item and remembers the first that is not
// what it should be. It reads the forms that older tables hold: booleans as
// numbers, set elements as JSON strings, binaries that were encoded once.
type reader struct {
	item item
	err  error
}

func (r *reader) fail(name, problem string) {
	if r.err == nil {
		key, _ := r.item[attrID].(*types.AttributeValueMemberS)
		if key == nil {
			key = &types.AttributeValueMemberS{}
		}
		r.err = &badRow{key.Value, name, problem}
	}
}

// get returns an attribute; NULL counts as absent.
func (r *reader) get(name string) types.AttributeValue {
	v := r.item[name]
	if _, null := v.(*types.AttributeValueMemberNULL); null {
		return nil
	}
	return v
}

func (r *reader) optional(name string) *string {
	switch v := r.get(name).(type) {
	case nil:
		return nil
	case *types.AttributeValueMemberS:
		return &v.Value
	default:
		r.fail(name, "is no text")
		return nil
	}
}

func (r *reader) text(name string) string {
	s := r.optional(name)
	if s == nil {
		r.fail(name, "is missing")
		return ""
	}
	return *s
}

func (r *reader) integer(name string, missing int) int {
	switch v := r.get(name).(type) {
	case nil:
		return missing
	case *types.AttributeValueMemberN:
		n, err := strconv.Atoi(v.Value)
		if err != nil {
			r.fail(name, "is no whole number")
		}
		return n
	default:
		r.fail(name, "is no number")
		return missing
	}
}

func (r *reader) boolean(name string, missing bool) bool {
	switch v := r.get(name).(type) {
	case nil:
		return missing
	case *types.AttributeValueMemberBOOL:
		return v.Value
	case *types.AttributeValueMemberN:
		if v.Value != "0" && v.Value != "1" {
			r.fail(name, "is no boolean")
		}
		return v.Value == "1"
	default:
		r.fail(name, "is no boolean")
		return missing
	}
}

func (r *reader) time(name string) time.Time {
	s := r.optional(name)
	if s == nil {
		return time.Time{}
	}
	t, err := revision.ParseDate(*s)
	if err != nil {
		r.fail(name, "is no date")
	}
	return t
}

// moment reads what micros wrote.
func (r *reader) moment(name string) time.Time {
	v, ok := r.get(name).(*types.AttributeValueMemberN)
	if !ok {
		return time.Time{}
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		r.fail(name, "is no moment")
	}
	return time.UnixMicro(n).UTC()
}

// json returns JSON text as it stands; nil where there is none.
func (r *reader) json(name string) json.RawMessage {
	s := r.optional(name)
	if s == nil {
		return nil
	}
	if !json.Valid([]byte(*s)) {
		r.fail(name, "is no JSON")
		return nil
	}
	return json.RawMessage(*s)
}

// set returns a string set, sorted; nil where there is none.
func (r *reader) set(name string) []string {
	switch v := r.get(name).(type) {
	case nil:
		return nil
	case *types.AttributeValueMemberSS:
		out := make([]string, len(v.Value))
		for i, s := range v.Value {
			out[i] = plain(s)
		}
		slices.Sort(out)
		return slices.Compact(out)
	default:
		r.fail(name, "is no string set")
		return nil
	}
}

// plain undoes the encoding of set elements as JSON strings.
func plain(s string) string {
	if len(s) < 2 || !strings.HasPrefix(s, `"`) || !strings.HasSuffix(s, `"`) {
		return s
	}
	var decoded string
	if json.Unmarshal([]byte(s), &decoded) != nil {
		return s
	}
	return decoded
}

func (r *reader) list(name string) []string {
	switch v := r.get(name).(type) {
	case nil:
		return nil
	case *types.AttributeValueMemberL:
		out := make([]string, 0, len(v.Value))
		for _, e := range v.Value {
			s, ok := e.(*types.AttributeValueMemberS)
			if !ok {
				r.fail(name, "holds something that is no text")
				return nil
			}
			out = append(out, s.Value)
		}
		return out
	default:
		r.fail(name, "is no list")
		return nil
	}
}

func (r *reader) binary(name string) []byte {
	switch v := r.get(name).(type) {
	case nil:
		return nil
	case *types.AttributeValueMemberB:
		if b, err := base64.StdEncoding.Strict().DecodeString(string(v.Value)); err == nil {
			return b
		}
		return v.Value
	default:
		r.fail(name, "is no binary")
		return nil
	}
}
