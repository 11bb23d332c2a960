package vault

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// PairValue is the value of one key in clear. Every form that could reach a log
// or a body by accident is redacted; Text alone gives it out.
type PairValue struct {
	Key      string
	Revision int
	text     string
}

// Text returns the value as people see it: the characters of a JSON string, the
// JSON text of any other scalar.
func (p PairValue) Text() string { return p.text }

const redacted = "[redacted]"

// String hides the value.
func (p PairValue) String() string { return redacted }

// Format hides the value from every verb of package fmt.
func (p PairValue) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue hides the value.
func (p PairValue) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides the value.
func (p PairValue) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// RevealPair returns one value of a current credential. The record names the key
// and the revision.
func (v *Vault) RevealPair(ctx context.Context, c authz.Caller, id, key string) (PairValue, error) {
	k := v.begin(c, authz.Get, authz.Credential)
	return perform(ctx, k, func() (none PairValue, _ error) {
		n := v.credentials()
		p, err := locate(ctx, k, n, id)
		if err != nil {
			return none, err
		}
		key := strings.ToLower(key)
		k.note("key", key)
		if err := k.require(ctx, authz.Get, p.resource, "get credential "+id, id); err != nil {
			return none, err
		}
		if p.taken || p.current == nil {
			return none, n.words.missing()
		}
		k.entry.Revision = p.current.Revision
		if names := p.current.KeyNames; names != nil && !slices.Contains(names, key) {
			return none, errNoKey
		}
		views, err := k.views(ctx, []*credential.Credential{p.current}, true)
		if err != nil {
			return none, err
		}
		text, ok := views[0].Pairs.Get(key)
		if !ok {
			return none, errNoKey
		}
		if v.rules.SaveLastDecrypted && !v.readOnly() {
			k.seen(&views[0])
		}
		return PairValue{key, p.current.Revision, text}, nil
	})
}

var errNoKey = fault.New(fault.NotFound, "The credential has no such key.")
