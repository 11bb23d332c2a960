package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/policy"
	"github.com/confidant-secrets/confidant/internal/portable"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

func TestChanges_AreInForceHereAndAfterRefreshElsewhere(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	server := over(t, r.store)
	step := func(what string, err error, want bool) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := server.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for where, room := range map[string]*room{"here": r, "elsewhere": server} {
			if got := room.allowed(t, "ada@example.com"); got != want {
				t.Errorf("%s, %s: allowed %v, want %v", what, where, got, want)
			}
		}
	}
	step("nothing stored", nil, true)
	_, err := r.Create(t.Context(), operator, authz.Entry{Name: "locked", Cedar: forbidUser}, false)
	step("created inactive", err, true)
	_, err = r.SetActive(t.Context(), operator, "locked", true)
	step("enabled", err, false)
	_, err = r.SetActive(t.Context(), operator, "locked", false)
	step("disabled", err, true)
	_, err = r.Create(t.Context(), operator, authz.Entry{Name: "locked", Active: true, Cedar: forbidUser}, true)
	step("replaced", err, false)
	step("deleted", r.Delete(t.Context(), operator, "locked"), true)
	_, err = r.SetActive(t.Context(), operator, "default-users", false)
	step("shipped set disabled", err, false)
	_, err = r.SetActive(t.Context(), operator, "default-users", true)
	step("shipped set enabled", err, true)
	if r.announced != 7 {
		t.Errorf("announced %d times, want 7", r.announced)
	}
}

func TestChange_ThatChangesNothingWritesNothing(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustCreate(t, "a", permitAll)
	r.announced = 0
	for what, change := range map[string]func() (bool, error){
		"enable":         func() (bool, error) { return r.SetActive(t.Context(), operator, "a", true) },
		"enable shipped": func() (bool, error) { return r.SetActive(t.Context(), operator, "default-users", true) },
		"replace by itself": func() (bool, error) {
			return r.Create(t.Context(), operator, authz.Entry{Name: "a", Active: true, Cedar: permitAll}, true)
		},
	} {
		if changed, err := change(); changed || err != nil {
			t.Errorf("%s = %v, %v, want false", what, changed, err)
		}
	}
	if r.announced != 0 {
		t.Errorf("announced %d times", r.announced)
	}
}

func TestChange_RefusesWhatBreaksARule(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustCreate(t, "a", permitAll)
	before := stored(t, r)
	create := func(name, cedar string) func() error {
		return func() error {
			_, err := r.Create(t.Context(), operator, authz.Entry{Name: name, Cedar: cedar}, true)
			return err
		}
	}
	for what, tt := range map[string]struct {
		do   func() error
		want fault.Kind
	}{
		"syntax":            {create("b", "permit (principal, action resource);"), fault.Invalid},
		"schema":            {create("b", "permit (principal, action, resource) when { resource.owner };"), fault.Invalid},
		"replaced by worse": {create("a", "permit"), fault.Invalid},
		"bad name":          {create("a/b", permitAll), fault.Invalid},
		"built-in":          {create("built-in-nobody", permitAll), fault.Invalid},
		"shipped":           {create("default-users", permitAll), fault.Denied},
		"exists": {func() error {
			_, err := r.Create(t.Context(), operator, authz.Entry{Name: "a", Cedar: permitAll}, false)
			return err
		}, fault.Exists},
		"delete shipped": {func() error { return r.Delete(t.Context(), operator, "default-services") }, fault.Denied},
		"delete unknown": {func() error { return r.Delete(t.Context(), operator, "nobody") }, fault.NotFound},
		"enable unknown": {func() error {
			_, err := r.SetActive(t.Context(), operator, "nobody", true)
			return err
		}, fault.NotFound},
		"disable built-in": {func() error {
			_, err := r.SetActive(t.Context(), operator, "built-in-operators", false)
			return err
		}, fault.NotFound},
		"too much": {func() error {
			return create("big", permitAll+" // "+noise(600<<10))()
		}, fault.TooLarge},
	} {
		r.recorded()
		err := tt.do()
		wantKind(t, what, err, tt.want)
		records := r.recorded()
		if len(records) != 1 || records[0].Success || records[0].ResourceType != "policy" || records[0].Action != "update" {
			t.Errorf("%s: recorded %+v, want one refusal", what, records)
		}
	}
	var mistake *authz.MistakeError
	if err := create("b", permitAll+"\npermit (principal, action resource);")(); !errors.As(err, &mistake) || mistake.Line != 2 || mistake.Column != 27 {
		t.Errorf("mistake %+v, want line 2, column 27", mistake)
	}
	if diff := cmp.Diff(before, stored(t, r)); diff != "" {
		t.Errorf("the document changed:\n%s", diff)
	}
}

// noise is text that does not compress well.
func noise(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('a' + random.IntN(26))
	}
	return string(text)
}

// stored returns the document as the store has it.
func stored(t *testing.T, r *room) *store.Document {
	t.Helper()
	d, err := r.store.Documents().Get(t.Context(), "policies", "current")
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestChange_OfTwoAtOnceOneIsRefused(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	act := func() { over(t, r.store).mustCreate(t, "first", permitAll) }
	slow := over(t, rival{r.store, &act})
	_, err := slow.Create(t.Context(), operator, authz.Entry{Name: "second", Cedar: permitAll}, false)
	wantKind(t, "the slower one", err, fault.Stale)
	if got := r.names(t); !slices.Equal(got, []string{"first"}) {
		t.Errorf("stored %v, want the first alone", got)
	}
	records := slow.recorded()
	if len(records) != 2 || records[0].Phase != audit.Attempt || records[1].Phase != audit.Failed || records[1].Of == 0 {
		t.Errorf("recorded %+v, want an attempt and its failure", records)
	}
	if _, err := slow.Create(t.Context(), operator, authz.Entry{Name: "second", Cedar: permitAll}, false); err != nil {
		t.Errorf("tried again: %v", err)
	}
}

func TestChange_WithoutRecordIsNotMade(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.audit.Fail(errors.New("disk full"))
	_, err := r.Create(t.Context(), operator, authz.Entry{Name: "a", Cedar: permitAll}, false)
	wantKind(t, "Create", err, fault.Unavailable)
	if d := stored(t, r); d != nil {
		t.Errorf("stored %+v, want nothing", d)
	}
}

func TestChange_StoreThatFails(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	broken := over(t, failing{r.store})
	_, err := broken.SetActive(t.Context(), operator, "default-users", false)
	wantKind(t, "SetActive", err, fault.Unavailable)
	if !broken.allowed(t, "ada@example.com") {
		t.Error("what was not stored is in force")
	}
}

func TestPolicy_IsAskedForEverything(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustCreate(t, "a", permitAll+" // for everybody, so for administration too")
	if err := r.Delete(t.Context(), operator, "a"); err != nil {
		t.Fatal(err)
	}
	entry := authz.Entry{Name: "b", Cedar: permitAll}
	for what, do := range map[string]func() error{
		"list":    func() error { _, err := r.List(t.Context(), user); return err },
		"get":     func() error { _, err := r.Get(t.Context(), user, "default-users"); return err },
		"export":  func() error { _, err := r.Export(t.Context(), user); return err },
		"explain": func() error { _, err := r.Explain(t.Context(), user, policy.Question{}); return err },
		"test":    func() error { _, err := r.Test(t.Context(), user, nil); return err },
		"create":  func() error { _, err := r.Create(t.Context(), user, entry, false); return err },
		"enable":  func() error { _, err := r.SetActive(t.Context(), user, "default-users", true); return err },
		"delete":  func() error { return r.Delete(t.Context(), user, "b") },
		"import": func() error {
			_, err := r.Import(t.Context(), user, nil, portable.Options{DryRun: true})
			return err
		},
	} {
		r.recorded()
		wantKind(t, what, do(), fault.Denied)
		if records := r.recorded(); len(records) != 1 || records[0].Success || records[0].User != "ada@example.com" {
			t.Errorf("%s: recorded %+v, want one refusal", what, records)
		}
	}
}

func TestOperators_AlwaysMay(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustCreate(t, "nobody", "forbid (principal, action, resource);")
	for _, name := range []string{"default-operators", "default-administrators"} {
		if _, err := r.SetActive(t.Context(), operator, name, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Delete(t.Context(), operator, "nobody"); err != nil {
		t.Errorf("Delete under a policy that forbids everything: %v", err)
	}
}

func TestChange_ThatItsAuthorCouldNotUndoIsRefused(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	_, err := r.SetActive(t.Context(), admin, "default-administrators", false)
	wantKind(t, "disabling the own right", err, fault.Denied)
	_, err = r.Create(t.Context(), admin, authz.Entry{Name: "locked", Active: true, Cedar: forbidUser}, false)
	wantKind(t, "forbidding it", err, fault.Denied)
	if _, err = r.SetActive(t.Context(), admin, "default-users", false); err != nil {
		t.Errorf("another change: %v", err)
	}
}

// TestRefresh_KeepsWhatWasInForce over a document that this program does not
// understand, and lets it be mended.
func TestRefresh_KeepsWhatWasInForce(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	server := over(t, r.store)
	r.mustCreate(t, "locked", forbidUser)
	if err := server.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	writeBroken(t, r)
	for range 2 {
		if err := server.Refresh(t.Context()); !errors.Is(err, policy.ErrBroken) || !strings.Contains(err.Error(), "tomorrow") {
			t.Fatalf("Refresh = %v, want ErrBroken that names the policies", err)
		}
	}
	if server.allowed(t, "ada@example.com") {
		t.Error("what was in force is no longer")
	}
	if _, err := r.SetActive(t.Context(), operator, "today", false); err != nil {
		t.Fatalf("mending: %v", err)
	}
	if err := r.Delete(t.Context(), operator, "tomorrow"); err != nil {
		t.Fatalf("mending: %v", err)
	}
	_, err := r.SetActive(t.Context(), operator, "today", true)
	wantKind(t, "enabling what does not hold", err, fault.Invalid)
	if err := server.Refresh(t.Context()); err != nil {
		t.Errorf("mended: %v", err)
	}
	if !server.allowed(t, "ada@example.com") {
		t.Error("the mended policies are not in force")
	}
}

// writeBroken stores two policies that look at what the schema does not know, as
// a program with another schema may have.
func writeBroken(t *testing.T, r *room) {
	t.Helper()
	d := stored(t, r)
	const unknown = "permit (principal, action, resource) when { context.moon };"
	body := compress(t, []authz.Entry{{Name: "today", Active: true, Cedar: unknown}, {Name: "tomorrow", Active: true, Cedar: unknown}})
	if _, err := r.store.Documents().Put(t.Context(), store.Document{Kind: "policies", ID: "current", Body: body}, d.Version); err != nil {
		t.Fatal(err)
	}
}

func TestExplain_LooksAtWhatIsStored(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.row(t, credential.Credential{Meta: revision.Meta{ID: "c1"}, Name: "db", Tags: []string{"payments"}})
	r.mustCreate(t, "tagged", `forbid (principal is User, action, resource is credential) when { resource.tags.contains("payments") };`)
	yes := true
	for what, tt := range map[string]struct {
		question policy.Question
		want     authz.Decision
	}{
		"tag of the row":         {policy.Question{User: "ada", Action: authz.Get, Type: authz.Credential, ID: "c1"}, authz.Decision{By: []string{"tagged"}}},
		"revision of the row":    {policy.Question{User: "ada", Action: authz.Get, Type: authz.Credential, ID: "c1-1"}, authz.Decision{By: []string{"tagged"}}},
		"absent row":             {policy.Question{User: "ada", Action: authz.Get, Type: authz.Credential, ID: "c2"}, authz.Decision{Allowed: true, By: []string{"default-users"}}},
		"given in its place":     {policy.Question{User: "ada", Action: authz.Get, Type: authz.Credential, ID: "c1", Attributes: &policy.Attributes{}}, authz.Decision{Allowed: true, By: []string{"default-users"}}},
		"list":                   {policy.Question{User: "ada", Action: authz.List, Type: authz.Credential}, authz.Decision{Allowed: true, By: []string{"default-users"}}},
		"service itself":         {policy.Question{Service: "svc", Action: authz.Get, Type: authz.ServiceResource, ID: "svc"}, authz.Decision{Allowed: true, By: []string{"default-services"}}},
		"mapped, but no permit":  {policy.Question{Service: "svc", Action: authz.Get, Type: authz.Credential, ID: "c1"}, authz.Decision{}},
		"not mapped":             {policy.Question{Service: "other", Action: authz.Get, Type: authz.Credential, ID: "c1"}, authz.Decision{By: []string{"built-in-unmapped-values"}}},
		"known administrator":    {policy.Question{User: "root@example.com", Action: authz.List, Type: authz.Audit}, authz.Decision{Allowed: true, By: []string{"default-administrators"}}},
		"no administrator":       {policy.Question{User: "ada", Action: authz.List, Type: authz.Audit}, authz.Decision{}},
		"said to be one":         {policy.Question{User: "ada", Administrator: &yes, Action: authz.List, Type: authz.Audit}, authz.Decision{Allowed: true, By: []string{"default-administrators"}}},
		"JWT for the own name":   {policy.Question{User: "ada", Action: authz.Get, Type: authz.JWT, ID: "ada"}, authz.Decision{Allowed: true, By: []string{"default-users"}}},
		"JWT for another's name": {policy.Question{User: "ada", Action: authz.Get, Type: authz.JWT, ID: "eve"}, authz.Decision{}},
	} {
		got, err := r.Explain(t.Context(), operator, tt.question)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	for what, q := range map[string]policy.Question{
		"nobody":         {Action: authz.Get, Type: authz.Credential},
		"two":            {User: "a", Service: "b", Action: authz.Get, Type: authz.Credential},
		"unknown action": {User: "a", Action: "read", Type: authz.Credential},
		"unknown type":   {User: "a", Action: authz.Get, Type: "secret"},
		"no address":     {User: "a", Action: authz.Get, Type: authz.Credential, Client: "office"},
		"no moment":      {User: "a", Action: authz.Get, Type: authz.Credential, At: "noon"},
	} {
		_, err := r.Explain(t.Context(), operator, q)
		wantKind(t, what, err, fault.Invalid)
	}
}

func TestTest_ComparesDecisionAndPolicies(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	expectations, err := policy.ReadExpectations(strings.NewReader(`
- {user: ada, action: get, type: credential, id: x, expect: allow}
- {user: ada, action: get, type: credential, id: x, expect: allow, by: [default-users]}
- {user: ada, action: get, type: credential, id: x, expect: allow, by: [default-operators]}
- {user: ada, action: get, type: credential, id: x, expect: deny}
- {service: svc, action: get, type: credential, expect: deny, attributes: {mapped_by: [svc]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	results, err := r.Test(t.Context(), operator, expectations)
	if err != nil {
		t.Fatal(err)
	}
	var got []bool
	for _, result := range results {
		got = append(got, result.OK())
	}
	if want := []bool{true, true, false, false, true}; !slices.Equal(got, want) {
		t.Errorf("results %v, want %v", got, want)
	}
	for _, text := range []string{"{", "3", "- {user: a, colour: red}", "[{]", "- expect: [allow]"} {
		_, err := policy.ReadExpectations(strings.NewReader(text))
		wantKind(t, text, err, fault.Invalid)
	}
	_, err = r.Test(t.Context(), operator, []policy.Expectation{{Question: policy.Question{User: "a", Action: authz.Get, Type: authz.Credential}, Expect: "maybe"}})
	wantKind(t, "neither allow nor deny", err, fault.Invalid)
}

func TestNew_WantsEverything(t *testing.T) {
	t.Parallel()
	if _, err := policy.New(policy.Options{}); err == nil {
		t.Error("New without anything: no error")
	}
}

func TestDocument_HoldsManyPolicies(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	var list []policy.Portable
	for i := range 500 {
		text := fmt.Sprintf(`permit (principal is User, action, resource is credential) when { resource.tags.contains("team-%d") };`, i)
		description := fmt.Sprintf("Team %d owns what bears its tag.", i)
		list = append(list, policy.Portable{Name: fmt.Sprintf("team-%03d", i), Active: true, Description: &description, Cedar: &text})
	}
	text, err := json.Marshal(map[string]any{"policy": list})
	if err != nil {
		t.Fatal(err)
	}
	d, err := portable.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Import(t.Context(), operator, d.Policy, portable.Options{}); err != nil {
		t.Fatal(err)
	}
	if d := stored(t, r); len(d.Body) > 20<<10 {
		t.Errorf("500 policies take %d bytes", len(d.Body))
	}
	if got := r.names(t); len(got) != 500 {
		t.Errorf("%d policies, want 500", len(got))
	}
}
