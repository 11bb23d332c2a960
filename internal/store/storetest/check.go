package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

var checkTests = []test{
	{"of a sound store finds nothing", checkSound},
	{"finds equal names, orphaned history and mappings of nothing", checkUnsound},
}

func (s suite) wantCheck(t *testing.T, st store.Store, want store.CheckReport) {
	t.Helper()
	s.eventually(t, func() string {
		got, err := st.Check(t.Context())
		if err != nil {
			return fmt.Sprintf("Check: %v", err)
		}
		return diff(want, got)
	})
}

func checkSound(t *testing.T, s suite, st store.Store) {
	c1 := put(t, st.Credentials(), hexID(0xc0, 1), nil, credentials().full(1))
	put(t, st.Credentials(), c1.ID, c1, credentials().full(2))
	b := blindCredentials().full(2)
	b.Name = c1.Name // a name of another noun is another name
	put(t, st.BlindCredentials(), hexID(0xb0, 1), nil, b)
	put(t, st.Services(), "one", nil, mapped(1, []string{c1.ID}, []string{hexID(0xb0, 1)}))
	s.wantCheck(t, st, store.CheckReport{})
}

func checkUnsound(t *testing.T, s suite, st store.Store) {
	c, b := credentials(), blindCredentials()
	for i, id := range []string{"c1", "c2", "c3"} {
		row := c.numbered(c.named(i, "Same"), id, 1)
		importing(t, st.Credentials(), row, []*credential.Credential{c.historic(row)})
	}
	for i, id := range []string{"b1", "b2"} {
		row := b.numbered(b.named(i, "Same"), id, 1)
		importing(t, st.BlindCredentials(), row, []*blind.Credential{row})
	}
	importing(t, st.Credentials(), c.numbered(c.full(11), "c4", 1), c.history("c4", 11, 3))
	importing(t, st.Services(), services().numbered(mapped(2, nil, nil), "one", 2), []*service.Service{
		services().numbered(mapped(2, nil, nil), "one", 2), services().numbered(mapped(3, nil, nil), "one", 3),
	})
	put(t, st.Services(), "two", nil, mapped(1, []string{"c1", "gone"}, []string{"b2", "lost"}))
	s.wantCheck(t, st, store.CheckReport{
		EqualNames: []store.EqualNames{
			{Noun: store.Credential, Name: "Same", IDs: []string{"c1", "c2", "c3"}},
			{Noun: store.BlindCredential, Name: "Same", IDs: []string{"b1", "b2"}},
		},
		Orphans:  []string{"c4-2", "c4-3", "one-3"},
		Unmapped: []string{"two gone", "two lost"},
	})
}

var reindexTests = []test{
	{"of a sound store changes nothing", reindexSound},
	{"mends claims", reindexClaims},
	{"mends mappings", reindexMappings},
	{"gives a name that several bear to one of them", reindexEqualNames},
}

// reindex runs Reindex until it finds what is wanted and checks its report.
func (s suite) reindex(t *testing.T, st store.Store) store.ReindexReport {
	t.Helper()
	report, err := st.Reindex(t.Context(), func(done, total int) {
		if done < 0 || done > total {
			t.Errorf("progress: %d of %d", done, total)
		}
	})
	if err != nil {
		t.Fatalf("Reindex: %v", err)
	}
	return report
}

// damage puts a document in place of another.
func (s suite) damage(t *testing.T, st store.Store, kind, id string, body any) {
	t.Helper()
	var raw json.RawMessage
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	s.options.Damage(t, st, kind, id, raw)
}

func reindexSound(t *testing.T, s suite, st store.Store) {
	stock(t, st)
	s.eventually(t, func() string {
		report, err := st.Reindex(t.Context(), nil)
		if err != nil {
			return fmt.Sprintf("Reindex: %v", err)
		}
		return diff(store.ReindexReport{Credentials: 3, BlindCredentials: 1, Services: 2, Claims: 4, Mappings: 3}, report)
	})
	s.wantMended(t, st)
}

// wantMended checks the claims and mappings of the stock.
func (s suite) wantMended(t *testing.T, st store.Store) {
	t.Helper()
	credentials().wantHolders(t, st, map[string]string{"Payments API": api, "payments db": db, "Überweisung": transfer, "ghost": ""})
	blindCredentials().wantHolders(t, st, map[string]string{"Blind payments": blindOne})
	wantMapping(t, st, map[string][]string{api: {zahlung, production}, db: {production}, blindOne: {production}, transfer: nil})
}

func reindexClaims(t *testing.T, s suite, st store.Store) {
	stock(t, st)
	s.damage(t, st, store.KindCredentialName, store.NameID("Payments API"), nil)
	s.damage(t, st, store.KindCredentialName, store.NameID("payments db"), store.Claim{ID: transfer})
	s.damage(t, st, store.KindBlindName, store.NameID("Blind payments"), nil)
	credentials().wantHolders(t, st, map[string]string{"Payments API": "", "payments db": transfer})
	s.wantMending(t, st, "Payments API", "payments db", "Blind payments")
	s.damage(t, st, store.KindCredentialName, store.NameID("ghost"), store.Claim{ID: db})
	s.wantMending(t, st)
}

// wantMending runs Reindex until all is well and checks that the report names
// what it should.
func (s suite) wantMending(t *testing.T, st store.Store, mentioned ...string) {
	t.Helper()
	var changed []string
	s.eventually(t, func() string {
		report := s.reindex(t, st)
		changed = append(changed, report.Changed...)
		report.Changed = nil
		return diff(store.ReindexReport{Credentials: 3, BlindCredentials: 1, Services: 2, Claims: 4, Mappings: 3}, report)
	})
	s.wantMended(t, st)
	if len(changed) == 0 {
		t.Error("the report names no change")
	}
	lines := strings.Join(changed, "\n")
	for _, what := range mentioned {
		if !strings.Contains(lines, what) {
			t.Errorf("the report does not mention %q:\n%s", what, lines)
		}
	}
	if again := s.reindex(t, st); len(again.Changed) > 0 {
		t.Errorf("a second run changes %q, want nothing", again.Changed)
	}
}

func reindexMappings(t *testing.T, s suite, st store.Store) {
	stock(t, st)
	_, version := mapping(t, st, api)
	s.damage(t, st, store.KindMapping, api, store.Mapping{Services: []string{"nobody", production}})
	s.damage(t, st, store.KindMapping, db, nil)
	s.damage(t, st, store.KindMapping, transfer, store.Mapping{Services: []string{zahlung}})
	wantMapping(t, st, map[string][]string{api: {"nobody", production}, db: nil, transfer: {zahlung}})
	var changed []string
	s.eventually(t, func() string {
		report := s.reindex(t, st)
		changed = append(changed, report.Changed...)
		return diff([]int{3, 1, 2}, []int{report.Credentials, report.BlindCredentials, report.Services})
	})
	s.wantMended(t, st)
	lines := strings.Join(changed, "\n")
	for _, id := range []string{api, db, transfer} {
		if !strings.Contains(lines, id) {
			t.Errorf("the report does not mention the mapping of %q:\n%s", id, lines)
		}
	}
	if _, after := mapping(t, st, api); after <= version {
		t.Errorf("the version of a mended mapping went from %d to %d, want a later one", version, after)
	}
}

func reindexEqualNames(t *testing.T, s suite, st store.Store) {
	k := credentials()
	for i, id := range []string{"c1", "c2"} {
		row := k.numbered(k.named(i, "Same"), id, 1)
		importing(t, st.Credentials(), row, []*credential.Credential{k.historic(row)})
	}
	s.damage(t, st, store.KindCredentialName, store.NameID("Same"), nil)
	s.eventually(t, func() string {
		s.reindex(t, st)
		if holder := k.holder(t, st, "Same"); holder != "c1" && holder != "c2" {
			return fmt.Sprintf("the name is claimed by %q, want one of its bearers", holder)
		}
		return ""
	})
	holder := k.holder(t, st, "Same")
	s.reindex(t, st)
	if again := k.holder(t, st, "Same"); again != holder {
		t.Errorf("a second run moves the claim from %q to %q", holder, again)
	}
}
