package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/store"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"done", t.Context(), nil, 0},
		{"done although interrupted", ended, nil, 0},
		{"bad news printed", t.Context(), errFound, 1},
		{"usage", t.Context(), usage("no"), 2},
		{"settings", t.Context(), &config.Error{Problems: []string{"x"}}, 3},
		{"start", t.Context(), &app.StartError{Message: "x"}, 3},
		{"file", t.Context(), fs.ErrPermission, 4},
		{"store", t.Context(), store.ErrUnavailable, 4},
		{"audit log", t.Context(), audit.ErrUnavailable, 4},
		{"unknown", t.Context(), errors.New("x"), 4},
		{"cancelled, but not by the user", t.Context(), context.Canceled, 4},
		{"locked", t.Context(), &maintenance.LockedError{PID: 1}, 5},
		{"another run", t.Context(), &maintenance.RunningError{}, 5},
		{"interrupted", ended, fmt.Errorf("listing: %w", context.Canceled), 130},
		{"failed before it was interrupted", ended, fs.ErrPermission, 4},
	}
	for _, tt := range tests {
		if got := exitCode(tt.ctx, tt.err); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
		if tt.err != nil {
			if got := exitCode(tt.ctx, errors.Join(fmt.Errorf("doing: %w", tt.err), nil)); got != tt.want {
				t.Errorf("%s, wrapped: exit code %d, want %d", tt.name, got, tt.want)
			}
		}
	}
}

func TestCodeOf_EveryKindOfFault(t *testing.T) {
	t.Parallel()
	want := map[fault.Kind]int{
		fault.Internal: 4, fault.Invalid: 2, fault.Unauthenticated: 1, fault.BadProof: 1, fault.Denied: 1,
		fault.ReadOnly: 1, fault.NotFound: 1, fault.Exists: 1, fault.Stale: 1, fault.TooLarge: 2,
		fault.RateLimited: 1, fault.Unavailable: 4,
	}
	for _, kind := range fault.Kinds() {
		code, ok := want[kind]
		if got := codeOf(kind); !ok || got != code {
			t.Errorf("%v: exit code %d, want %d (listed: %v)", kind, got, code, ok)
		}
	}
}

func TestParseAge(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"5d": "120h0m0s", "0d": "0s", "3h": "3h0m0s", "90m": "1h30m0s", "1h30m": "1h30m0s",
		"": "", "d": "", "-1d": "", "-3h": "", "5": "", "soon": "", "99999999999d": "",
	} {
		got, err := parseAge(text)
		if want == "" && !errors.As(err, new(usageError)) || want != "" && (err != nil || got.String() != want) {
			t.Errorf("parseAge(%q) = %v, %v; want %q", text, got, err, want)
		}
	}
}

func TestRewrite_SpellingsThatFlagParsingCannotKnow(t *testing.T) {
	t.Parallel()
	tests := []struct{ args, want []string }{
		{[]string{"setup", "-?"}, []string{"setup", "--help"}},
		{[]string{"admin", "change", "ada", "-p"}, []string{"admin", "change", "ada", "--set-password"}},
		{[]string{"admin", "change", "-p", "--json", "ada"}, []string{"admin", "change", "--set-password", "--json", "ada"}},
		{[]string{"admin", "change", "ada", "-p", "word"}, []string{"admin", "change", "ada", "-p", "word"}},
		{[]string{"admin", "add", "ada", "-p"}, []string{"admin", "add", "ada", "-p"}},
		{[]string{"admin", "add", "--", "-?"}, []string{"admin", "add", "--", "-?"}},
	}
	for _, tt := range tests {
		if got := rewrite(tt.args); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("rewrite(%q) = %q, want %q", tt.args, got, tt.want)
		}
	}
}
