package dynamo_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// TestAppend_GuardsMeetWhatElseItDoes has guards on items that the transaction
// touches anyway, and on those that only look like what is guarded.
func TestAppend_GuardsMeetWhatElseItDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	ctx := t.Context()
	row := prepareCredential(t, s, faultID, "guarded")
	put := func(id string, expires time.Time) {
		d := store.Document{Kind: "lock", ID: id, Body: json.RawMessage(`1`), Expires: expires}
		if _, err := s.Documents().Put(ctx, d, 0); err != nil {
			t.Fatal(err)
		}
	}
	put("past", time.Now().Add(-time.Minute))
	put("to come", time.Now().Add(time.Hour))
	appendService(t, s, "mapped", nil, sampleService("c1"))

	create := func(id, name string, guards ...store.Guard) error {
		_, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: id, Rows: []*credential.Credential{sampleCredential(name)}, Guards: guards})
		return err
	}
	update := func(guards ...store.Guard) error {
		rows, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{
			ID: faultID, Previous: row, Rows: []*credential.Credential{sampleCredential("guarded")}, Guards: guards,
		})
		if err == nil {
			row = rows[0]
		}
		return err
	}
	claim := func(name string, version int) store.Guard {
		return store.DocumentGuard(store.KindCredentialName, store.NameID(name), version)
	}
	for _, tt := range []struct {
		what string
		err  error
		want error
	}{
		{"an expired document counts as absent", create("d1", "d1", store.DocumentGuard("lock", "past", 0)), nil},
		{"an expired document has lost its version", create("d2", "d2", store.DocumentGuard("lock", "past", 1)), store.ErrStale},
		{"a document that will expire has its version", create("d3", "d3", store.DocumentGuard("lock", "to come", 1)), nil},
		{"a document that will expire is not absent", create("d4", "d4", store.DocumentGuard("lock", "to come", 0)), store.ErrStale},
		{"a history key is no current row", create("r1", "r1", store.RowGuard(faultID+"-1", 1)), store.ErrStale},
		{"nothing current stands on a history key", create("r2", "r2", store.RowGuard(faultID+"-1", 0)), nil},
		{"a document is no current row", create("r3", "r3", store.RowGuard("doc/lock/to come", 1)), store.ErrStale},
		{"the row itself, at the revision it is at", update(store.RowGuard(faultID, 1)), nil},
		{"the row itself, at another revision", update(store.RowGuard(faultID, 1)), store.ErrStale},
		{"the row itself, that it is not there", create("own", "own", store.RowGuard("own", 0)), nil},
		{"the claim it takes, that it is free", create("n1", "n1", claim("n1", 0)), nil},
		{"the claim it takes, that somebody holds it", create("n2", "n2", claim("n2", 1)), store.ErrStale},
		{"the claim it takes, held by another", create("n3", "n1", claim("n1", 1)), store.ErrTaken},
		{"one guard twice", create("t1", "t1", store.RowGuard(faultID, 2), store.RowGuard(faultID, 2)), nil},
		{"two guards on one row that cannot both hold", create("t2", "t2", store.RowGuard(faultID, 2), store.RowGuard(faultID, 1)), store.ErrStale},
	} {
		if tt.want == nil && tt.err != nil || tt.want != nil && !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.what, tt.err, tt.want)
		}
		if stale, ok := errors.AsType[*store.StaleError](tt.err); ok && stale.Own {
			t.Errorf("%s: it is the guard that does not hold, not the row: %v", tt.what, tt.err)
		}
	}

	// A service "<credential>-7" looks at the credential, and guards it too.
	mapping := func(id string, guards ...store.Guard) error {
		_, err := s.Services().Append(ctx, store.Write[service.Service]{ID: id, Rows: []*service.Service{sampleService(faultID)}, Guards: guards})
		return err
	}
	if err := mapping(faultID+"-7", store.RowGuard(faultID, 2)); err != nil {
		t.Errorf("a service named like a revision of a credential that it guards: %v", err)
	}
	if err := mapping(faultID+"-8", store.RowGuard(faultID, 1)); !errors.Is(err, store.ErrStale) {
		t.Errorf("the same under a guard that does not hold: %v, want %v", err, store.ErrStale)
	}
	err := mapping("mapped-9", store.RowGuard("mapped", 1))
	if taken, ok := errors.AsType[*store.TakenError](err); !ok || taken.Holder != "mapped" {
		t.Errorf("a service named like a revision of a service that it guards: %v, want it taken", err)
	}
}
