package dynamo

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// expression collects the attribute names and values that the expressions of
// one request refer to. DynamoDB reserves hundreds of words, "name" and "value"
// among them, so nothing stands in an expression by its own name.
type expression struct {
	names  map[string]string
	values map[string]types.AttributeValue
}

// name returns what stands for an attribute.
func (e *expression) name(attribute string) string {
	for alias, known := range e.names {
		if known == attribute {
			return alias
		}
	}
	if e.names == nil {
		e.names = map[string]string{}
	}
	alias := "#a" + strconv.Itoa(len(e.names))
	e.names[alias] = attribute
	return alias
}

// value returns what stands for a value.
func (e *expression) value(v types.AttributeValue) string {
	if e.values == nil {
		e.values = map[string]types.AttributeValue{}
	}
	alias := ":v" + strconv.Itoa(len(e.values))
	e.values[alias] = v
	return alias
}

// is demands that an attribute has a value, or with nil that it is absent.
func (e *expression) is(attribute string, v types.AttributeValue) string {
	if v == nil {
		return "attribute_not_exists(" + e.name(attribute) + ")"
	}
	return e.name(attribute) + " = " + e.value(v)
}

// compare demands that an attribute is there and stands in a relation to a
// value.
func (e *expression) compare(attribute, relation string, v types.AttributeValue) string {
	return e.name(attribute) + " " + relation + " " + e.value(v)
}

// oneOf demands that an attribute is one of some texts.
func (e *expression) oneOf(attribute string, texts ...string) string {
	values := make([]string, len(texts))
	for i, t := range texts {
		values[i] = e.value(text(t))
	}
	return e.name(attribute) + " IN (" + strings.Join(values, ", ") + ")"
}

// list names attributes, for a projection.
func (e *expression) list(attributes []string) string {
	names := make([]string, len(attributes))
	for i, a := range attributes {
		names[i] = e.name(a)
	}
	return strings.Join(names, ", ")
}

func all(conditions ...string) string { return joined(" AND ", conditions) }

func either(conditions ...string) string { return joined(" OR ", conditions) }

// joined puts parentheses around several conditions; around a single one DynamoDB
// refuses them.
func joined(operator string, conditions []string) string {
	if len(conditions) == 1 {
		return conditions[0]
	}
	return "(" + strings.Join(conditions, operator) + ")"
}
