package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/portable"
)

// Simple is the simple form of a policy. It is translated into Cedar when the
// policy is made, and only that is kept. All members must match for the policy to
// apply.
type Simple struct {
	Name        string `json:"name"`
	Active      *bool  `json:"active"` // nil: yes
	Description string `json:"description"`

	Effect   string `json:"effect"`   // "allow" (also empty) or "deny"
	Scope    string `json:"scope"`    // a resource type, or "*"
	Action   texts  `json:"action"`   // names of actions, or "*"
	UserType string `json:"usertype"` // "user" or "service"; empty: both
	User     texts  `json:"user"`     // patterns of the principal's name; empty: any
	Resource texts  `json:"resource"` // patterns of the base id; empty: any
	Client   texts  `json:"client"`   // networks, "!" before one excludes it; empty: anywhere
	Time     string `json:"time"`     // for example "Mon-Fri: 9-18", UTC; empty: ever
	Priority *int   `json:"priority"` // decides nothing
}

// Read reads the simple form, JSON or YAML; what the text does not say stays.
// Invalid: it is no such form.
func (s *Simple) Read(text []byte) error {
	if err := portable.Unmarshal(text, s); err != nil {
		return fault.Wrap(fault.Invalid, "The policy cannot be read", err)
	}
	return nil
}

// Entry returns the policy. Invalid: a member breaks a rule. What the schema has
// against it shows when it is stored.
func (s Simple) Entry() (authz.Entry, error) {
	e := authz.Entry{Name: s.Name, Active: s.Active == nil || *s.Active, Description: s.Description}
	head, err := s.head()
	if err != nil {
		return e, err
	}
	conditions, err := s.conditions()
	if err != nil {
		return e, err
	}
	e.Cedar = head
	if len(conditions) > 0 {
		e.Cedar += "\nwhen {\n  " + strings.Join(conditions, " &&\n  ") + "\n}"
	}
	e.Cedar += ";\n"
	return e, nil
}

// head returns the policy up to its conditions.
func (s Simple) head() (string, error) {
	effects := map[string]string{"": "permit", "allow": "permit", "deny": "forbid"}
	effect, ok := effects[s.Effect]
	if !ok {
		return "", fault.Newf(fault.Invalid, `The effect is "allow" or "deny", not %q.`, s.Effect)
	}
	principals := map[string]string{"": "principal", "user": "principal is User", "service": "principal is Service"}
	principal, ok := principals[s.UserType]
	if !ok {
		return "", fault.Newf(fault.Invalid, `The user type is "user" or "service", not %q.`, s.UserType)
	}
	resource := "resource"
	switch {
	case s.Scope == "":
		return "", fault.New(fault.Invalid, "A scope is needed: a resource type, or * for all.")
	case s.Scope == "*":
	case slices.Contains(authz.ResourceTypes(), authz.ResourceType(s.Scope)):
		resource += " is " + s.Scope
	default:
		return "", fault.Newf(fault.Invalid, "There is no scope %q; there are * and %s.", s.Scope, join(authz.ResourceTypes()))
	}
	action, err := s.actions()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (%s, %s, %s)", effect, principal, action, resource), nil
}

func (s Simple) actions() (string, error) {
	if len(s.Action) == 0 {
		return "", fault.New(fault.Invalid, "An action is needed, or * for all.")
	}
	if slices.Contains(s.Action, "*") {
		return "action", nil
	}
	list := make([]string, len(s.Action))
	for i, name := range s.Action {
		if !slices.Contains(authz.Actions(), authz.Action(name)) {
			return "", fault.Newf(fault.Invalid, "There is no action %q; there are * and %s.", name, join(authz.Actions()))
		}
		list[i] = "Action::" + quote(name)
	}
	return "action in [" + strings.Join(list, ", ") + "]", nil
}

func (s Simple) conditions() ([]string, error) {
	var all []string
	if len(s.User) > 0 {
		all = append(all, matches("principal.name", s.User))
	}
	if len(s.Resource) > 0 {
		all = append(all, matches("resource.id", s.Resource))
	}
	clients, err := s.clients()
	if err != nil {
		return nil, err
	}
	all = append(all, clients...)
	if s.Time != "" {
		times, err := times(s.Time)
		if err != nil {
			return nil, err
		}
		all = append(all, times)
	}
	return all, nil
}

// matches is the condition that one of the patterns matches.
func matches(attribute string, patterns []string) string {
	list := make([]string, len(patterns))
	for i, p := range patterns {
		if !strings.Contains(p, "*") {
			list[i] = attribute + " == " + quote(p)
			continue
		}
		var parts []any
		for j, part := range strings.Split(p, "*") {
			if j > 0 {
				parts = append(parts, types.Wildcard{})
			}
			parts = append(parts, types.String(part))
		}
		list[i] = attribute + " like " + string(types.NewPattern(parts...).MarshalCedar())
	}
	return either(list)
}

// clients are the conditions on the client's address. Commands have none, so they
// match no network.
func (s Simple) clients() ([]string, error) {
	if len(s.Client) == 0 {
		return nil, nil
	}
	var in, out []string
	for _, text := range s.Client {
		network, excluded := strings.CutPrefix(text, "!")
		network = strings.TrimSpace(network)
		if _, err := netip.ParsePrefix(network); err != nil {
			if _, err := netip.ParseAddr(network); err != nil {
				return nil, fault.Newf(fault.Invalid, "%q is neither a network such as 10.0.0.0/8 nor an address.", text)
			}
		}
		condition := "context.client.isInRange(ip(" + quote(network) + "))"
		if excluded {
			out = append(out, "!"+condition)
		} else {
			in = append(in, condition)
		}
	}
	all := []string{"context has client"}
	if len(in) > 0 {
		all = append(all, either(in))
	}
	return append(all, out...), nil
}

// either joins conditions one of which must hold.
func either(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return "(" + strings.Join(list, " || ") + ")"
}

// quote returns a text as Cedar writes it.
func quote(text string) string { return string(types.String(text).MarshalCedar()) }

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// times is the condition of a list such as "Mon-Fri: 9-18, Sat: 10:30-13". A
// range holds from its beginning until just before its end.
func times(text string) (string, error) {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		days, hours, ok := strings.Cut(item, ":")
		wrong := fault.Newf(fault.Invalid, "%q is no time such as \"Mon-Fri: 9-18\".", strings.TrimSpace(item))
		if !ok {
			return "", wrong
		}
		first, last, ok := span(days, weekday)
		if !ok {
			return "", wrong
		}
		from, to, ok := span(hours, minutes)
		if !ok || from >= to {
			return "", wrong
		}
		dayRange := fmt.Sprintf("context.weekday >= %d && context.weekday <= %d", first, last)
		switch {
		case first == last:
			dayRange = fmt.Sprintf("context.weekday == %d", first)
		case first > last: // over the end of the week
			dayRange = fmt.Sprintf("(context.weekday >= %d || context.weekday <= %d)", first, last)
		}
		const minute = "context.hour * 60 + context.minute"
		list = append(list, fmt.Sprintf("(%s && %s >= %d && %s < %d)", dayRange, minute, from, minute, to))
	}
	return either(list), nil
}

// span reads "a-b", or "a" for "a-a".
func span(text string, read func(string) (int, bool)) (from, to int, ok bool) {
	a, b, isRange := strings.Cut(text, "-")
	if !isRange {
		b = a
	}
	from, ok = read(strings.TrimSpace(a))
	if !ok {
		return 0, 0, false
	}
	to, ok = read(strings.TrimSpace(b))
	return from, to, ok
}

func weekday(text string) (int, bool) {
	i := slices.Index(weekdays, strings.ToLower(text))
	return i + 1, i >= 0
}

// minutes reads a time of day, "9" or "9:30", up to "24".
func minutes(text string) (int, bool) {
	h, m, _ := strings.Cut(text, ":")
	hour, err := strconv.Atoi(h)
	if err != nil || hour < 0 || hour > 24 {
		return 0, false
	}
	minute := 0
	if m != "" {
		if minute, err = strconv.Atoi(m); err != nil || len(m) != 2 || minute < 0 || minute > 59 {
			return 0, false
		}
	}
	total := hour*60 + minute
	return total, total <= 24*60
}
