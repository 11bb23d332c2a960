package policy_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/portable"
)

// export returns the export of a room in a form.
func export(t *testing.T, r *room, form portable.Format) []byte {
	t.Helper()
	list, err := r.Export(t.Context(), operator)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := form.Write(&text, map[string]any{"confidant_version": "1.2.3", "policy": list}); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func imported(t *testing.T, text string) []json.RawMessage {
	t.Helper()
	d, err := portable.Read([]byte(text))
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return d.Policy
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
	for _, form := range []portable.Format{portable.JSON, portable.YAML} {
		first := export(t, r, form)
		other := newRoom(t)
		report, err := other.Import(t.Context(), operator, imported(t, string(first)), portable.Options{})
		if err != nil {
			t.Fatalf("%s: %v\n%s", form, err, first)
		}
		if want := (portable.Report{Created: 5, Changed: 1, Unchanged: 3}); !cmp.Equal(report, want) {
			t.Errorf("%s: %+v, want %+v", form, report, want)
		}
		if diff := cmp.Diff(string(first), string(export(t, other, form))); diff != "" {
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
		options portable.Options
		want    portable.Report // Skipped is compared by length
		fault   fault.Kind      // Internal: none
		names   []string
	}{
		"nothing":               {"{}", portable.Options{}, portable.Report{}, fault.Internal, []string{"a", "b"}},
		"others stay":           {document(c), portable.Options{}, portable.Report{Created: 1}, fault.Internal, []string{"a", "b", "c"}},
		"same name":             {document(strings.Replace(a, "true", "false", 1), b), portable.Options{}, portable.Report{Changed: 1, Unchanged: 1}, fault.Internal, []string{"a", "b"}},
		"replace all":           {document(c), portable.Options{ReplaceAll: true}, portable.Report{Created: 1, Deleted: 2}, fault.Internal, []string{"c"}},
		"one name":              {document(broken, c, off), portable.Options{Names: []string{"c"}}, portable.Report{Created: 1}, fault.Internal, []string{"a", "b", "c"}},
		"dry run":               {document(c), portable.Options{DryRun: true, ReplaceAll: true}, portable.Report{Created: 1, Deleted: 2}, fault.Internal, []string{"a", "b"}},
		"one is invalid":        {document(c, broken), portable.Options{}, portable.Report{}, fault.Invalid, []string{"a", "b"}},
		"invalid, dry run":      {document(broken), portable.Options{DryRun: true}, portable.Report{}, fault.Invalid, []string{"a", "b"}},
		"skip the invalid":      {document(c, broken, c, `3`, `{"name": "d", "colour": "red"}`, off), portable.Options{SkipInvalid: true}, portable.Report{Created: 1, Changed: 1, Skipped: make([]string, 4)}, fault.Internal, []string{"a", "b", "c"}},
		"text of a shipped one": {document(`{"name": "default-users", "active": true, "cedar": "permit (principal, action, resource);"}`), portable.Options{}, portable.Report{}, fault.Invalid, []string{"a", "b"}},
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
		if _, err := over(t, r.store).Import(t.Context(), operator, document, portable.Options{}); err != nil {
			t.Error(err)
		}
	}
	_, err := over(t, rival{r.store, &act}).Import(t.Context(), operator, imported(t, `{"policy": [{"name": "default-users", "active": false}]}`), portable.Options{})
	wantKind(t, "the slower one", err, fault.Stale)
}

func TestExport_OfNames(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustCreate(t, "a", permitAll)
	list, err := r.Export(t.Context(), operator, "default-users", "a")
	if err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Cedar != nil {
		t.Errorf("Export = %+v, %v", list, err)
	}
	list, err = r.Export(t.Context(), operator, "nobody")
	if err != nil || len(list) != 0 {
		t.Errorf("Export of an unknown name = %+v, %v, want none", list, err)
	}
}
