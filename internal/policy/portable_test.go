package policy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/policy"
)

// export returns the export of a room in a form.
func export(t *testing.T, r *room, marshal func(any) ([]byte, error)) []byte {
	t.Helper()
	list, err := r.Export(t.Context(), operator)
	if err != nil {
		t.Fatal(err)
	}
	text, err := marshal(policy.Document{Version: "1.2.3", Policy: list})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func imported(t *testing.T, text string) policy.Imported {
	t.Helper()
	d, err := policy.ReadDocument([]byte(text))
	if err != nil {
		t.Fatalf("ReadDocument: %v", err)
	}
	return d
}

// TestImport_OfAnExportGivesTheSameExport in both forms, with texts that a form
// could spoil.
func TestImport_OfAnExportGivesTheSameExport(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for name, cedar := range map[string]string{
		"b": permitAll, "a": "// é \U0001F600 <&> \t: # x\r\n" + permitAll + "\n\n", "C c": "  " + forbidUser + "   ", "yes": permitAll, "1e3": permitAll,
	} {
		e := authz.Entry{Name: name, Active: name != "b", Description: name + ": \"why\"\n- so ", Cedar: cedar}
		if _, err := r.Create(t.Context(), operator, e, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.SetActive(t.Context(), operator, "default-users", false); err != nil {
		t.Fatal(err)
	}
	for form, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal} {
		first := export(t, r, marshal)
		other := newRoom(t)
		report, err := other.Import(t.Context(), operator, imported(t, string(first)), policy.ImportOptions{})
		if err != nil {
			t.Fatalf("%s: %v\n%s", form, err, first)
		}
		if want := (policy.ImportReport{Created: 5, Changed: 1, Unchanged: 3}); !cmp.Equal(report, want) {
			t.Errorf("%s: %+v, want %+v", form, report, want)
		}
		if diff := cmp.Diff(string(first), string(export(t, other, marshal))); diff != "" {
			t.Errorf("%s (-first +second):\n%s", form, diff)
		}
		if strings.Contains(string(first), "People work") {
			t.Errorf("%s holds what belongs to the program", form)
		}
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	const (
		a, b, c = `{"name": "a", "active": true, "cedar": "permit (principal, action, resource);"}`, `{"name": "b", "active": true, "cedar": "permit (principal, action, resource);"}`, `{"name": "c", "active": true, "cedar": "forbid (principal, action, resource is ca);"}`
		broken  = `{"name": "broken", "active": true, "cedar": "permit"}`
		off     = `{"name": "default-users", "active": false}`
	)
	document := func(entries ...string) string { return `{"policy": [` + strings.Join(entries, ",") + `]}` }
	for name, tt := range map[string]struct {
		text    string
		options policy.ImportOptions
		want    policy.ImportReport // Skipped is compared by length
		fault   fault.Kind          // Internal: none
		names   []string
	}{
		"nothing":               {"{}", policy.ImportOptions{}, policy.ImportReport{}, fault.Internal, []string{"a", "b"}},
		"others stay":           {document(c), policy.ImportOptions{}, policy.ImportReport{Created: 1}, fault.Internal, []string{"a", "b", "c"}},
		"same name":             {document(strings.Replace(a, "true", "false", 1), b), policy.ImportOptions{}, policy.ImportReport{Changed: 1, Unchanged: 1}, fault.Internal, []string{"a", "b"}},
		"replace all":           {document(c), policy.ImportOptions{ReplaceAll: true}, policy.ImportReport{Created: 1, Deleted: 2}, fault.Internal, []string{"c"}},
		"one name":              {document(broken, c, off), policy.ImportOptions{Names: []string{"c"}}, policy.ImportReport{Created: 1}, fault.Internal, []string{"a", "b", "c"}},
		"dry run":               {document(c), policy.ImportOptions{DryRun: true, ReplaceAll: true}, policy.ImportReport{Created: 1, Deleted: 2}, fault.Internal, []string{"a", "b"}},
		"one is invalid":        {document(c, broken), policy.ImportOptions{}, policy.ImportReport{}, fault.Invalid, []string{"a", "b"}},
		"invalid, dry run":      {document(broken), policy.ImportOptions{DryRun: true}, policy.ImportReport{}, fault.Invalid, []string{"a", "b"}},
		"skip the invalid":      {document(c, broken, c, `3`, `{"name": "d", "colour": "red"}`, off), policy.ImportOptions{SkipInvalid: true}, policy.ImportReport{Created: 1, Changed: 1, Skipped: make([]string, 4)}, fault.Internal, []string{"a", "b", "c"}},
		"text of a shipped one": {document(`{"name": "default-users", "active": true, "cedar": "permit (principal, action, resource);"}`), policy.ImportOptions{}, policy.ImportReport{}, fault.Invalid, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.mustCreate(t, "a", permitAll)
			r.mustCreate(t, "b", permitAll)
			r.recorded()
			got, err := r.Import(t.Context(), operator, imported(t, tt.text), tt.options)
			if tt.fault != fault.Internal {
				wantKind(t, "Import", err, tt.fault)
			} else {
				if err != nil {
					t.Fatal(err)
				}
				if len(got.Skipped) != len(tt.want.Skipped) {
					t.Errorf("skipped %q, want %d", got.Skipped, len(tt.want.Skipped))
				}
				got.Skipped, tt.want.Skipped = nil, nil
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("report (-want +got):\n%s", diff)
				}
			}
			if records := r.recorded(); len(records) != 1 || records[0].Action != "update" {
				t.Errorf("recorded %+v, want one record", records)
			}
			if names := r.names(t); !slices.Equal(names, tt.names) {
				t.Errorf("policies %v, want %v", names, tt.names)
			}
		})
	}
}

func TestImport_OfTwoAtOnceOneIsRefused(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	document := imported(t, `{"policy": [{"name": "a", "active": true, "cedar": "permit (principal, action, resource);"}]}`)
	act := func() {
		if _, err := over(t, r.store).Import(t.Context(), operator, document, policy.ImportOptions{}); err != nil {
			t.Error(err)
		}
	}
	_, err := over(t, rival{r.store, &act}).Import(t.Context(), operator, imported(t, `{"policy": [{"name": "default-users", "active": false}]}`), policy.ImportOptions{})
	wantKind(t, "the slower one", err, fault.Stale)
}

func TestReadDocument_RefusesWhatIsNoExport(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "[]", "{", `{"policy": 3}`, `{"policies": []}`, "a: [", "\x00"} {
		_, err := policy.ReadDocument([]byte(text))
		wantKind(t, text, err, fault.Invalid)
	}
}

func TestExport_OfNames(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustCreate(t, "a", permitAll)
	list, err := r.Export(t.Context(), operator, "default-users", "a")
	if err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Cedar != nil {
		t.Errorf("Export = %+v, %v", list, err)
	}
	_, err = r.Export(t.Context(), operator, "nobody")
	wantKind(t, "unknown name", err, fault.NotFound)
}
