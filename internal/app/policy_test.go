package app

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/policy"
	"github.com/confidant-secrets/confidant/internal/store"
)

// storeUnknown stores a policy that looks at what this version does not know.
func storeUnknown(t *testing.T, a *App) {
	t.Helper()
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	entries := []authz.Entry{{Name: "moon", Active: true, Cedar: "forbid (principal is User, action, resource) when { context.moon };"}}
	if err := errors.Join(json.NewEncoder(z).Encode(entries), z.Close()); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string][]byte{"gzip": compressed.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.store.Documents().Put(t.Context(), store.Document{Kind: "policies", ID: "current", Body: body}, 0); err != nil {
		t.Fatal(err)
	}
}

// TestOpen_StoredPoliciesThatDoNotHold end the start, unless they are to be mended
// or no policy is asked anyway.
func TestOpen_StoredPoliciesThatDoNotHold(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	a := open(t, cfg, firstStart())
	storeUnknown(t, a)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	var start *StartError
	if _, err := Open(t.Context(), cfg, allRooms, firstStart()); !errors.As(err, &start) || !errors.Is(err, policy.ErrBroken) {
		t.Errorf("Open = %v, want a StartError about the policies", err)
	}
	off := *cfg
	off.Login.ACLModule = noACL
	open(t, &off, firstStart())

	mending := firstStart()
	mending.MendPolicies = true
	a = open(t, cfg, mending)
	if changed, err := a.Policies.SetActive(t.Context(), a.Operator, "moon", false); !changed || err != nil {
		t.Fatalf("SetActive = %v, %v", changed, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, cfg, firstStart())
}

func TestPolicies_KnowAdministrators(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t, "ADMIN_USERS=chief@example.com"), firstStart())
	for name, want := range map[string]bool{"chief@example.com": true, "ada@example.com": false} {
		d, err := a.Policies.Explain(t.Context(), a.Operator, policy.Question{User: name, Action: authz.List, Type: authz.Audit})
		if err != nil || d.Allowed != want {
			t.Errorf("%s: %+v, %v, want allowed %v", name, d, err, want)
		}
	}
}
