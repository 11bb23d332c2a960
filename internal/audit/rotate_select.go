package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Selection says which entries a rotation removes. It is made by Watermarks,
// OlderThan or ParseRules.
type Selection struct {
	mode      string
	high, low int
	age       time.Duration
	rules     []rule
	fields    []string // that occur in rules
}

// The modes.
const (
	byWatermarks = "watermarks"
	byAge        = "age"
	byRules      = "config"
)

// Mode returns the kind of selection in one word: watermarks, age or config.
func (s Selection) Mode() string { return s.mode }

// Watermarks removes the oldest entries so that low ones remain, if there are
// more than high. Entries are counted; what was removed before is not.
func Watermarks(high, low int) (Selection, error) {
	switch {
	case low < 0:
		return Selection{}, errors.New("the low watermark must not be negative")
	case low > high:
		return Selection{}, fmt.Errorf("the low watermark %d is above the high one, %d", low, high)
	}
	return Selection{mode: byWatermarks, high: high, low: low}, nil
}

// day is what a rotation takes for a day, whatever the calendar says.
const day = 24 * time.Hour

// maxDays keeps an age in days within time.Duration.
const maxDays = 100_000

// OlderThan removes what is strictly older than so many days of 24 hours.
func OlderThan(days int) (Selection, error) {
	if days < 1 || days > maxDays {
		return Selection{}, fmt.Errorf("the age must be 1 to %d days, not %d", maxDays, days)
	}
	return Selection{mode: byAge, age: time.Duration(days) * day}, nil
}

// rule decides about the entries that match all of its conditions.
type rule struct {
	days       int
	conditions []condition
}

type condition struct {
	field int // in Selection.fields
	match *regexp.Regexp
}

// RuleCount says what a rule of a selection removed.
type RuleCount struct {
	Fields  []string // it looks at; empty: it matches everything
	Days    int
	Deleted int
}

// ParseRules reads a rule file: a YAML or JSON list of mappings, each with
// "rotate", a number of days, and any number of columns of the log with regular
// expressions (RE2) that occur in the column's text.
//
//   - rotate: 10
//     user: ^nagios$
//     action: get
//   - rotate: 0
//     resource_type: jwt
//
// The first rule whose expressions all match decides about an entry: it is
// removed if it is older than so many days, with 0 in any case, else kept. An
// entry that no rule matches is kept. The error names the line.
func ParseRules(text []byte) (Selection, error) {
	s := Selection{mode: byRules}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF) || err == nil && len(document.Content) == 0:
		return s, errors.New("it is empty; a list of rules is wanted")
	case err != nil:
		return s, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return s, errors.New("there is more than one document in it")
	}
	list := document.Content[0]
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return s, fmt.Errorf("line %d: a list of rules is wanted", list.Line)
	}
	for _, node := range list.Content {
		r, err := s.parseRule(node)
		if err != nil {
			return s, err
		}
		s.rules = append(s.rules, r)
	}
	return s, nil
}

func (s *Selection) parseRule(node *yaml.Node) (rule, error) {
	r := rule{days: -1}
	if node.Kind != yaml.MappingNode {
		return r, fmt.Errorf("line %d: a rule is a mapping of names to values", node.Line)
	}
	var seen []string
	for pair := range slices.Chunk(node.Content, 2) {
		name, value := pair[0].Value, pair[1]
		if value.Kind != yaml.ScalarNode {
			return r, fmt.Errorf("line %d: the value of %q is not a text", value.Line, name)
		}
		if slices.Contains(seen, name) {
			return r, fmt.Errorf("line %d: %q stands twice in a rule", pair[0].Line, name)
		}
		seen = append(seen, name)
		if name == "rotate" {
			days, err := strconv.Atoi(value.Value)
			if err != nil || days < 0 || days > maxDays {
				return r, fmt.Errorf("line %d: rotate is a number of days from 0 to %d, not %q", value.Line, maxDays, value.Value)
			}
			r.days = days
			continue
		}
		if !slices.Contains(selectable(), name) {
			return r, fmt.Errorf("line %d: there is no field %q; the fields are %s", pair[0].Line, name, strings.Join(selectable(), ", "))
		}
		expression, err := regexp.Compile(value.Value)
		if err != nil {
			return r, fmt.Errorf("line %d: %w", value.Line, err)
		}
		r.conditions = append(r.conditions, condition{s.field(name), expression})
	}
	if r.days < 0 {
		return r, fmt.Errorf("line %d: the rule does not say rotate", node.Line)
	}
	return r, nil
}

// field returns the place of a name in s.fields.
func (s *Selection) field(name string) int {
	if i := slices.Index(s.fields, name); i >= 0 {
		return i
	}
	s.fields = append(s.fields, name)
	return len(s.fields) - 1
}

// selectable are the columns that rules can look at: all but the hashes.
func selectable() []string {
	all := columns()
	return all[:len(all)-2]
}

// counts returns the counters of the rules.
func (s Selection) counts() []RuleCount {
	var all []RuleCount
	for _, r := range s.rules {
		c := RuleCount{Fields: []string{}, Days: r.days}
		for _, condition := range r.conditions {
			c.Fields = append(c.Fields, s.fields[condition.field])
		}
		all = append(all, c)
	}
	return all
}

// judge decides about entries, at one moment.
type judge struct {
	Selection
	cutoffs []string // dates as lines spell them: of each rule, or the one of an age
	through uint64   // with watermarks: the last number to remove, once it is known
	values  [][]byte // of fields
}

func (s Selection) judge(now time.Time) *judge {
	j := &judge{Selection: s, values: make([][]byte, len(s.fields))}
	before := func(age time.Duration) {
		j.cutoffs = append(j.cutoffs, string(appendDate(nil, now.Add(-age))))
	}
	if s.mode == byAge {
		before(s.age)
	}
	for _, r := range s.rules {
		before(time.Duration(r.days) * day)
	}
	return j
}

// removes reports whether an entry is to be removed, and by which rule.
func (j *judge) removes(f frame) (rule int, yes bool) {
	switch {
	case j.mode == byAge:
		return 0, string(f.date) < j.cutoffs[0]
	case j.mode == byWatermarks:
		return 0, f.number <= j.through
	case !j.read(f):
		return 0, false // whoever wrote it, no rule was made for it
	}
	for i, r := range j.rules {
		if j.matches(r) {
			return i, r.days == 0 || string(f.date) < j.cutoffs[i]
		}
	}
	return 0, false
}

func (j *judge) matches(r rule) bool {
	return !slices.ContainsFunc(r.conditions, func(c condition) bool { return !c.match.Match(j.values[c.field]) })
}

// read takes the values of the fields from an entry. One that it does not have
// is an empty text.
func (j *judge) read(f frame) bool {
	for i, name := range j.fields {
		switch name {
		case "id":
			j.values[i] = strconv.AppendUint(nil, f.number, 10)
		case "date":
			j.values[i] = f.date
		default:
			j.values[i] = nil
		}
	}
	return members(f.body, func(name, value []byte) bool {
		if i := slices.Index(j.fields, string(name)); i >= 0 {
			j.values[i] = text(value)
		}
		return true
	})
}

// excess returns how many entries watermarks remove of so many; 0 for other
// selections.
func (s Selection) excess(total int) int {
	if s.mode != byWatermarks || total <= s.high {
		return 0
	}
	return total - s.low
}
