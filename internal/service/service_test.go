package service_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
)

func TestValidID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"": false, "foo": true, "foo-production": true, "foo-1": true, "a/b": false, "a b": false, "a\tb": false,
		"a\u00a0b": false, "a\x00b": false, "a\xffb": false, "\u200b": false, "größe": true,
		strings.Repeat("x", 255): true, strings.Repeat("x", 256): false, strings.Repeat("ß", 255): true,
	} {
		if got := service.ValidID(id); got != want {
			t.Errorf("ValidID(%q) = %v", id, got)
		}
	}
}

func TestConflictsAmong(t *testing.T) {
	t.Parallel()
	if got := service.ConflictsAmong([]service.Holder{
		{ID: "a", KeyNames: []string{"x", "y"}}, {ID: "b", KeyNames: []string{"z"}}, {ID: "c", Blind: true, KeyNames: []string{"X"}},
	}); got != nil {
		t.Errorf("conflicts found where there are none: %v", got)
	}
	got := service.ConflictsAmong([]service.Holder{
		{ID: "c", KeyNames: []string{"x"}},
		{ID: "a", KeyNames: []string{"x", "y"}},
		{ID: "b", KeyNames: []string{"x"}},
		{ID: "e", Blind: true, KeyNames: []string{"y"}},
		{ID: "d", Blind: true, KeyNames: []string{"z"}},
	})
	body, err := json.Marshal(got)
	const want = `{"x":{"credentials":["a","b","c"],"blind_credentials":[]},"y":{"credentials":["a"],"blind_credentials":["e"]}}`
	if err != nil || string(body) != want {
		t.Errorf("got %s, %v, want %s", body, err, want)
	}
}

func TestConflictsWith(t *testing.T) {
	t.Parallel()
	services := []*service.Service{
		{Meta: revision.Meta{ID: "s2"}, Credentials: []string{"a", "me"}, BlindCredentials: []string{"b"}},
		{Meta: revision.Meta{ID: "s1"}, Credentials: []string{"a", "me", "gone"}},
		{Meta: revision.Meta{ID: "s3"}, Credentials: []string{"me", "other"}},
	}
	holders := []service.Holder{
		{ID: "a", KeyNames: []string{"x"}},
		{ID: "b", Blind: true, KeyNames: []string{"x", "y"}},
		{ID: "other", KeyNames: []string{"q"}},
		{ID: "me", KeyNames: []string{"x", "y", "z"}},
	}
	got := service.ConflictsWith("me", []string{"x", "y", "z"}, services, holders)
	want := service.Conflicts{
		"x": {Services: []string{"s1", "s2"}, Credentials: []string{"a"}, BlindCredentials: []string{"b"}},
		"y": {Services: []string{"s2"}, Credentials: []string{}, BlindCredentials: []string{"b"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := service.ConflictsWith("me", []string{"z"}, services, holders); got != nil {
		t.Errorf("conflicts found where there are none: %v", got)
	}
}

func TestDiff_WireForm(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	older := &service.Service{
		Meta: revision.Meta{ID: "s", Revision: 1, ModifiedBy: "ann", ModifiedDate: noon}, Enabled: true,
		Credentials: []string{"a", "b"}, BlindCredentials: []string{"x"},
	}
	newer := &service.Service{
		Meta:        revision.Meta{ID: "s", Revision: 3, ModifiedBy: "bob", ModifiedDate: noon.Add(time.Second)},
		Credentials: []string{"b", "c"}, BlindCredentials: []string{"x"}, Account: "sandbox",
	}
	const want = `{"credentials":{"added":["c"],"removed":["a"]},"enabled":{"added":false,"removed":true},` +
		`"account":{"added":"sandbox","removed":null},"modified_by":{"added":"bob","removed":"ann"},` +
		`"modified_date":{"added":"2026-01-02T12:00:01.000000+00:00","removed":"2026-01-02T12:00:00.000000+00:00"}}`
	for _, d := range []service.Difference{service.Diff(older, newer), service.Diff(newer, older)} {
		if got, err := json.Marshal(d); err != nil || string(got) != want {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
	}
	if got, err := json.Marshal(service.Diff(older, older)); err != nil || string(got) != "{}" {
		t.Errorf("the same revision: %s, %v", got, err)
	}
}

func TestEqual_CountsEnabled(t *testing.T) {
	t.Parallel()
	a := &service.Service{Enabled: true, Credentials: []string{}}
	if b := (&service.Service{Enabled: true, Meta: revision.Meta{Revision: 2}}); !service.Equal(a, b) {
		t.Error("revision or an empty list counts")
	}
	for name, b := range map[string]*service.Service{
		"state":   {Credentials: []string{}},
		"account": {Enabled: true, Account: "x"},
		"mapping": {Enabled: true, Credentials: []string{"c"}},
		"blind":   {Enabled: true, BlindCredentials: []string{"c"}},
	} {
		if service.Equal(a, b) {
			t.Errorf("another %s does not count", name)
		}
	}
}

func TestMapping_IsASet(t *testing.T) {
	t.Parallel()
	if got, want := service.Mapping([]string{"b", "a", "b"}), []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("Mapping = %q, want %q", got, want)
	}
}

func TestClone_SharesNothing(t *testing.T) {
	t.Parallel()
	a := &service.Service{Credentials: []string{"a"}, BlindCredentials: []string{"b"}, Memo: new(revision.Memo)}
	b := a.Clone()
	b.Credentials[0], b.BlindCredentials[0] = "x", "x"
	if a.Credentials[0] != "a" || a.BlindCredentials[0] != "b" || b.Memo != nil {
		t.Errorf("original %+v, clone %+v", a, b)
	}
}
