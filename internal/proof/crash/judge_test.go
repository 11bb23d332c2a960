package crash

import (
	"slices"
	"strings"
	"testing"
)

// story is a ledger with two credentials and two services, and the state that
// belongs to it. One update and one mapping were cut off: the update was done,
// the mapping was not.
func story(t *testing.T) (*Ledger, State) {
	t.Helper()
	l := NewLedger()
	for _, a := range []struct {
		w  Write
		id string
		n  int
	}{
		{Write{Kind: Create, Name: "one", Documentation: "w-1"}, "id1", 1},
		{Write{Kind: Create, Name: "two", Documentation: "w-2"}, "id2", 1},
		{Write{Kind: Update, ID: "id1", Documentation: "w-3"}, "id1", 2},
		{Write{Kind: Revert, ID: "id1", Documentation: "w-1"}, "id1", 3},
		{Write{Kind: Map, ID: "s1", Mapped: []string{"id1", "id2"}}, "s1", 1},
		{Write{Kind: Map, ID: "s1", Mapped: []string{"id1"}}, "s1", 2},
		{Write{Kind: Map, ID: "s2", Mapped: []string{}}, "s2", 1},
	} {
		if err := l.Acknowledged(a.w, a.id, a.n); err != nil {
			t.Fatal(err)
		}
	}
	l.CutOff(Write{Kind: Update, ID: "id2", Documentation: "w-4"})
	l.CutOff(Write{Kind: Map, ID: "s2", Mapped: []string{"id2"}})
	l.Refused(Write{Kind: Update, ID: "id2", Documentation: "w-5"})

	credentials := map[string]Credential{
		"id1": {
			Name: "one", Revision: 3, Documentation: "w-1",
			Pairs:      map[string]string{"key_one": "secret of w-1"},
			History:    map[int]string{1: "w-1", 2: "w-3", 3: "w-1"},
			Dependents: []string{"s1"},
		},
		"id2": {
			Name: "two", Revision: 2, Documentation: "w-4",
			Pairs:   map[string]string{"key_two": "secret of w-4"},
			History: map[int]string{1: "w-2", 2: "w-4"},
		},
	}
	return l, State{
		Listed:      map[string]Credential{"id1": {Name: "one"}, "id2": {Name: "two"}},
		Credentials: credentials,
		Services: map[string]Service{
			"s1": {Revision: 2, Mapped: []string{"id1"}, From: 1, History: map[int][]string{1: {"id1", "id2"}, 2: {"id1"}}},
			"s2": {Revision: 1, Mapped: []string{}, From: 1, History: map[int][]string{1: {}}},
		},
	}
}

func TestSettle_AcceptsWhatWasAcknowledgedAndWhatMayBe(t *testing.T) {
	t.Parallel()
	l, s := story(t)
	settled, wrong := l.Settle(s)
	if len(wrong) > 0 || settled != (Settled{CutOff: 2, Done: 1}) {
		t.Fatalf("Settle = %+v, %q; want one of two done and nothing wrong", settled, wrong)
	}
	if got := l.Revisions("id2")[2]; got != "w-4" {
		t.Errorf("the update that was found done is known as %q, want w-4", got)
	}
	// The same state a second time, with nothing in between.
	if settled, wrong := l.Settle(s); len(wrong) > 0 || settled != (Settled{}) {
		t.Errorf("again: Settle = %+v, %q; want nothing", settled, wrong)
	}
}

func TestSettle_AcceptsACreateThatWasCutOff(t *testing.T) {
	t.Parallel()
	l, s := story(t)
	l.CutOff(Write{Kind: Create, Name: "three", Documentation: "w-6"})
	s.Listed["id3"] = Credential{Name: "three"}
	s.Credentials["id3"] = Credential{
		Name: "three", Revision: 1, Documentation: "w-6",
		Pairs: map[string]string{"key_three": "secret of w-6"}, History: map[int]string{1: "w-6"},
	}
	if settled, wrong := l.Settle(s); len(wrong) > 0 || settled.Done != 2 {
		t.Errorf("Settle = %+v, %q; want two done and nothing wrong", settled, wrong)
	}
	if ids := l.IDs(); !slices.Contains(ids, "id3") {
		t.Errorf("the credential is not known afterwards: %v", ids)
	}
}

func TestSettle_FindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	changed := func(s State, id string, f func(c *Credential)) {
		c := s.Credentials[id]
		f(&c)
		s.Credentials[id] = c
	}
	served := func(s State, name string, f func(s *Service)) {
		v := s.Services[name]
		f(&v)
		s.Services[name] = v
	}
	for name, tt := range map[string]struct {
		spoil func(s State)
		want  string
	}{
		"a lost credential": {func(s State) { delete(s.Listed, "id1"); delete(s.Credentials, "id1") }, "is lost"},
		"a lost revision": {func(s State) {
			changed(s, "id1", func(c *Credential) {
				c.Revision, c.Documentation, c.Pairs = 2, "w-3", map[string]string{"key_one": "secret of w-3"}
				delete(c.History, 3)
			})
		}, "acknowledged was 3"},
		"a revision of another content": {func(s State) { changed(s, "id1", func(c *Credential) { c.History[2] = "w-2" }) }, "acknowledged was"},
		"a gap":                         {func(s State) { changed(s, "id1", func(c *Credential) { delete(c.History, 2) }) }, "has no revision 2"},
		"a revision above the current":  {func(s State) { changed(s, "id1", func(c *Credential) { c.History[4] = "w-9" }) }, "has a revision 4"},
		"a current that is not newest":  {func(s State) { changed(s, "id1", func(c *Credential) { c.Documentation = "w-3" }) }, "newest revision"},
		"half a revision": {func(s State) {
			changed(s, "id1", func(c *Credential) { c.Pairs = map[string]string{"key_one": "secret of w-3"} })
		}, "holds"},
		"lost pairs": {func(s State) { changed(s, "id1", func(c *Credential) { c.Pairs = nil }) }, "holds"},
		"one pair more": {func(s State) {
			changed(s, "id1", func(c *Credential) { c.Pairs["more"] = "x" })
		}, "holds"},
		"a refused write that was done": {func(s State) {
			changed(s, "id2", func(c *Credential) {
				c.Documentation, c.History[2], c.Pairs = "w-5", "w-5", map[string]string{"key_two": "secret of w-5"}
			})
		}, "never asked for"},
		"a cut off write done twice": {func(s State) {
			changed(s, "id2", func(c *Credential) { c.Revision, c.History[3] = 3, "w-4" })
		}, "never asked for"},
		"equal names":             {func(s State) { s.Listed["id2"] = Credential{Name: "one"} }, "both bear the name"},
		"a changed name":          {func(s State) { s.Listed["id2"] = Credential{Name: "deux"} }, "is named"},
		"a credential of nobody":  {func(s State) { s.Listed["id9"] = Credential{Name: "nine"} }, "was not looked at"},
		"a dependent too many":    {func(s State) { changed(s, "id2", func(c *Credential) { c.Dependents = []string{"s1"} }) }, "map it"},
		"a missing dependent":     {func(s State) { changed(s, "id1", func(c *Credential) { c.Dependents = nil }) }, "map it"},
		"a lost service":          {func(s State) { delete(s.Services, "s2") }, "service s2 is lost"},
		"a lost service revision": {func(s State) { served(s, "s1", func(v *Service) { v.Revision, v.Mapped = 1, v.History[1] }) }, "acknowledged was 2"},
		"a changed service revision": {func(s State) {
			served(s, "s1", func(v *Service) { v.History[1] = []string{"id1"} })
		}, "acknowledged was"},
		"a gap in a service": {func(s State) { served(s, "s1", func(v *Service) { delete(v.History, 1) }) }, "revision 1 of service s1 is lost"},
		"a service that is not its newest revision": {func(s State) {
			served(s, "s1", func(v *Service) { v.Mapped = []string{"id2"} })
		}, "newest revision maps"},
		"a mapping of nobody": {func(s State) {
			served(s, "s2", func(v *Service) { v.Revision, v.Mapped, v.History[2] = 2, []string{"id1"}, []string{"id1"} })
		}, "never asked for"},
	} {
		l, s := story(t)
		tt.spoil(s)
		_, wrong := l.Settle(s)
		if !slices.ContainsFunc(wrong, func(text string) bool { return strings.Contains(text, tt.want) }) {
			t.Errorf("%s: found %q, want one with %q", name, wrong, tt.want)
		}
	}
}

func TestSettle_DoesNotForgiveAWriteThatComesLate(t *testing.T) {
	t.Parallel()
	l, s := story(t)
	if _, wrong := l.Settle(s); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	// The mapping that was cut off was not there; now it is.
	s.Services["s2"] = Service{Revision: 2, Mapped: []string{"id2"}, From: 1, History: map[int][]string{1: {}, 2: {"id2"}}}
	if _, wrong := l.Settle(s); len(wrong) == 0 {
		t.Error("a write that was not done at the restart appears later, and nothing is found wrong")
	}
}

func TestLedger_RefusesANumberThatWasGivenTwice(t *testing.T) {
	t.Parallel()
	l := NewLedger()
	for i, w := range []Write{
		{Kind: Create, Name: "one", Documentation: "w-1"},
		{Kind: Update, ID: "id1", Documentation: "w-2"},
	} {
		if err := l.Acknowledged(w, "id1", 1); (err == nil) != (i == 0) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	for i, w := range []Write{{Kind: Map, ID: "s"}, {Kind: Map, ID: "s"}} {
		if err := l.Acknowledged(w, "s", 1); (err == nil) != (i == 0) {
			t.Errorf("mapping %d: %v", i, err)
		}
	}
}
