package account_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/store"
)

func (d *documents) place(t *testing.T, kind, id, body string) {
	t.Helper()
	if _, err := d.Put(t.Context(), store.Document{Kind: kind, ID: id, Body: json.RawMessage(body)}, 0); err != nil {
		t.Fatal(err)
	}
}

func (d *documents) decoded(t *testing.T, kind, id string) map[string]any {
	t.Helper()
	doc, err := d.Get(t.Context(), kind, id)
	if err != nil {
		t.Fatal(err)
	}
	body := map[string]any{}
	if err := json.Unmarshal(doc.Body, &body); err != nil {
		t.Fatal(err)
	}
	return body
}

func TestRestored_KeepsTheLaterMomentsAndEndsSessions(t *testing.T) {
	t.Parallel()
	backup, present := newDocuments(), newDocuments()
	backup.place(t, "revocations", "current", `{"revocations": [
		{"username": "", "role": "", "before": "2026-01-01T00:00:00Z"},
		{"username": "ada", "role": "admin", "before": "2026-03-01T00:00:00Z"}]}`)
	present.place(t, "revocations", "current", `{"revocations": [
		{"username": "", "role": "", "before": "2026-02-01T00:00:00Z"},
		{"username": "ada", "role": "admin", "before": "2026-02-01T00:00:00Z"},
		{"username": "web", "role": "service", "before": "2026-02-01T00:00:00Z"}]}`)
	for name, after := range map[string][2]string{
		"ada":   {"2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"},
		"grace": {"2026-04-01T00:00:00Z", "2026-01-01T00:00:00Z"},
	} {
		for i, d := range []*documents{backup, present} {
			d.place(t, "account", name, `{"name": "`+name+`", "enabled": true, "tokens_valid_after": "`+after[i]+`", "generation": 7}`)
		}
	}
	present.place(t, "account", "later", `{"name": "later", "enabled": true}`)
	backup.place(t, "challenge", "x", `{}`)

	now := time.Date(2026, 11, 24, 12, 0, 0, 1, time.UTC)
	moment, err := account.Restored(t.Context(), backup, present, now)
	want := time.Date(2026, 11, 24, 12, 0, 1, 0, time.UTC)
	if err != nil || !moment.Equal(want) {
		t.Fatalf("Restored = %v, %v; want %v", moment, err, want)
	}
	if diff := cmp.Diff(map[string]any{
		"sessions": "2026-11-24T12:00:01Z",
		"revocations": []any{
			map[string]any{"username": "", "role": "", "before": "2026-02-01T00:00:00Z"},
			map[string]any{"username": "ada", "role": "admin", "before": "2026-03-01T00:00:00Z"},
			map[string]any{"username": "web", "role": "service", "before": "2026-02-01T00:00:00Z"},
		},
	}, backup.decoded(t, "revocations", "current")); diff != "" {
		t.Errorf("revocations (-want +got):\n%s", diff)
	}
	for _, name := range []string{"ada", "grace"} {
		if got := backup.decoded(t, "account", name)["tokens_valid_after"]; got != "2026-04-01T00:00:00Z" {
			t.Errorf("tokens of %s are valid after %v", name, got)
		}
	}
	if _, err := backup.Get(t.Context(), "account", "later"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an account of after the backup: %v, want none", err)
	}
	if _, err := backup.Get(t.Context(), "challenge", "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a log-in under way: %v, want none", err)
	}
}

func TestRestored_WithoutAnythingPresent(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	if got := r.SessionsSince(); !got.IsZero() {
		t.Errorf("sessions end before %v, want never", got)
	}
	moment, err := account.Restored(t.Context(), r.documents, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.SessionsSince(); !got.Equal(moment) {
		t.Errorf("sessions end before %v, want %v", got, moment)
	}
	// Another change keeps the moment.
	if _, err := r.RevokeBefore(t.Context(), operator(), account.Revocation{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.SessionsSince(); !got.Equal(moment) {
		t.Errorf("after a revocation sessions end before %v, want %v", got, moment)
	}
}
