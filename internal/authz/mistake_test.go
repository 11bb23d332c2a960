package authz_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/authz"
)

func TestCheck_NamesLineAndColumnOfTheMistake(t *testing.T) {
	t.Parallel()
	const ok = "permit (principal, action, resource);\n\n"
	e := newEngine(t)
	for name, tt := range map[string]struct {
		cedar        string
		line, column int
		want         string // part of the message
	}{
		"no effect":              {"allow everybody", 1, 1, "permit or forbid"},
		"cut off":                {"permit", 1, 7, "not the end"},
		"wrong operator":         {"permit (principal, action, resource)\nwhen { resource.id = \"x\" };", 2, 20, "not ="},
		"missing comma":          {ok + "permit (principal action, resource);", 3, 19, ", is expected"},
		"open string":            {"permit (principal, action, resource) when { \"abc };", 1, 45, "not terminated"},
		"after letters of two":   {"permit (principal, action, resource) when { \"äöü\" = 1 };", 1, 51, "not ="},
		"unknown attribute":      {ok + "permit (principal, action, resource is credential)\n  when { resource.owner == \"x\" };", 4, 19, "owner"},
		"unknown action":         {"permit (principal, action == Action::\"read\", resource);", 1, 30, "read"},
		"unknown resource":       {"permit (principal, action, resource is secret);", 1, 40, "secret"},
		"network":                {"permit (principal, action, resource)\nwhen { context has client && context.client.isInRange(ip(\"10.0.0.0/33\")) };", 2, 58, "IP address"},
		"optional":               {"permit (principal, action, resource) when { context.client.isLoopback() };", 1, 53, "optional attribute"},
		"stands twice":           {ok + "permit (principal, action, resource is ca) when { resource.a == resource.a };", 3, 1, "`a`"},
		"no place but the whole": {ok + "permit (principal, action, resource) when { context.hour == \"9\" };", 3, 1, "not compatible"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := e.Check(authz.Entry{Name: "p", Cedar: tt.cedar})
			var mistake *authz.MistakeError
			if !errors.As(err, &mistake) {
				t.Fatalf("Check = %v, want a mistake", err)
			}
			if mistake.Line != tt.line || mistake.Column != tt.column || !strings.Contains(mistake.Message, tt.want) {
				t.Errorf("Check = %v, want line %d, column %d, %q", err, tt.line, tt.column, tt.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("Check = %q, want one line", err)
			}
		})
	}
}

func TestCheck_JudgesOneEntryAlone(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for name, tt := range map[string]struct {
		entry authz.Entry
		want  string // part of the error; empty: none
	}{
		"holds":               {authz.Entry{Name: "p", Cedar: `permit (principal, action, resource);`}, ""},
		"shipped, its state":  {authz.Entry{Name: "default-users"}, ""},
		"shipped, its text":   {authz.Entry{Name: "default-users", Cedar: `permit (principal, action, resource);`}, "shipped"},
		"bad name":            {authz.Entry{Name: "a/b", Cedar: `permit (principal, action, resource);`}, "characters"},
		"inactive and broken": {authz.Entry{Name: "p", Cedar: `permit`}, "line 1"},
		"nothing in it":       {authz.Entry{Name: "p"}, "no policy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := e.Check(tt.entry)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check = %v, want %q", err, tt.want)
			}
		})
	}
}

// TestNewEngine_LeavesInactiveEntriesAlone keeps a program startable over an
// entry that an older one stored: disabling it is enough.
func TestNewEngine_LeavesInactiveEntriesAlone(t *testing.T) {
	t.Parallel()
	if _, err := authz.NewEngine([]authz.Entry{{Name: "p", Cedar: "permit"}}); err != nil {
		t.Error(err)
	}
}

func TestEffects(t *testing.T) {
	t.Parallel()
	const permit, forbid = `permit (principal, action, resource);`, `forbid (principal, action, resource);`
	for text, want := range map[string][]string{
		permit: {"permit"}, forbid + forbid: {"forbid"}, permit + forbid + permit: {"permit", "forbid"}, "x": nil,
	} {
		if diff := cmp.Diff(want, authz.Effects(text)); diff != "" {
			t.Errorf("Effects(%q) (-want +got):\n%s", text, diff)
		}
	}
}
