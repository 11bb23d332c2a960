package service_test

import (
	"fmt"
	"testing"

	"github.com/confidant-secrets/confidant/internal/service"
)

func TestChanges_NamesTheMembersThatDiffer(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*service.Service){
		"[]":                  func(s *service.Service) { s.ModifiedBy = "bob" },
		"[credentials]":       func(s *service.Service) { s.Credentials = nil },
		"[blind_credentials]": func(s *service.Service) { s.BlindCredentials = []string{"c"} },
		"[account]":           func(s *service.Service) { s.Account = "x" },
		"[enabled]":           func(s *service.Service) { s.Enabled = true },
	} {
		a := &service.Service{Credentials: []string{"a"}, BlindCredentials: []string{"b"}}
		b := a.Clone()
		change(b)
		if got := fmt.Sprint(service.Changes(a, b)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestReceives_OnlyFromWhatIsMapped(t *testing.T) {
	t.Parallel()
	s := &service.Service{Credentials: []string{"a", "b"}, BlindCredentials: []string{"c"}}
	got := service.Receives(s, []service.Holder{
		{ID: "b", KeyNames: []string{"k", "z"}},
		{ID: "a", KeyNames: []string{"k"}},
		{ID: "c", Blind: true, KeyNames: []string{"l"}},
		{ID: "stranger", KeyNames: []string{"k", "x"}},
	})
	const want = "[{k [{b false [k z]} {a false [k]}]} {l [{c true [l]}]} {z [{b false [k z]}]}]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
