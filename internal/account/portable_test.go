package account_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/portable"
	"github.com/confidant-secrets/confidant/internal/store"
)

// exported returns an export of a room in a form.
func (r *room) exported(t *testing.T, form portable.Format, o account.ExportOptions) []byte {
	t.Helper()
	list, err := r.Export(t.Context(), operator(), o)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := form.Write(&text, map[string]any{"admin": list}); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func admins(t *testing.T, text string) []json.RawMessage {
	t.Helper()
	d, err := portable.Read([]byte(text))
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return d.Admin
}

// importing makes a whole import.
func (r *room) importing(t *testing.T, text string, o account.ImportOptions) (portable.Report, error) {
	t.Helper()
	im, err := r.PlanImport(t.Context(), operator(), admins(t, text), o)
	if err != nil {
		return portable.Report{}, err
	}
	if !o.DryRun {
		done, err := im.Commit(t.Context())
		if err != nil {
			return im.Report, err
		}
		if done != im.Report.Moved() {
			t.Errorf("Commit = %d, want %d", done, im.Report.Moved())
		}
	}
	return im.Report, nil
}

func TestImportOfAccounts_GivesTheSameExport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		for _, name := range []string{"Grace", "1e3", "ada", "yes", "2026-11-24"} {
			time.Sleep(123456789 * time.Nanosecond)
			r.mustAdd(t, name)
		}
		if _, err := r.Change(t.Context(), operator(), "yes", account.Change{Enabled: ptr(false), Email: ptr("yes@example.com")}); err != nil {
			t.Fatal(err)
		}
		for _, hashes := range []bool{false, true} {
			for _, form := range []portable.Format{portable.JSON, portable.YAML} {
				o := account.ExportOptions{Hashes: hashes}
				first := r.exported(t, form, o)
				if bytes.Contains(first, []byte("argon2id")) != hashes {
					t.Errorf("%s: hashes are in the export: %v, want %v", form, !hashes, hashes)
				}
				time.Sleep(time.Hour)
				other := newRoom(t)
				report, err := other.importing(t, string(first), account.ImportOptions{})
				if want := (portable.Report{Created: 5}); err != nil || !cmp.Equal(report, want) {
					t.Fatalf("%s: %+v, %v, want %+v", form, report, err, want)
				}
				if diff := cmp.Diff(string(first), string(other.exported(t, form, o))); diff != "" {
					t.Errorf("%s (-first +second):\n%s", form, diff)
				}
				if report, err = other.importing(t, string(first), account.ImportOptions{}); err != nil || report.Unchanged != 5 || report.Moved() != 0 {
					t.Errorf("%s: a second import gives %+v, %v, want 5 unchanged", form, report, err)
				}
				_, err = other.VerifyPassword(t.Context(), "ada", "correct horse battery")
				if (err == nil) != hashes {
					t.Errorf("%s: the password after an import with hashes %v: %v", form, hashes, err)
				}
			}
		}
	})
}

func TestExportOfAccounts_TellsNoSecret(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mustAdd(t, "ada")
	r.mustEnrol(t, "ada")
	r.recorded()
	for _, o := range []account.ExportOptions{{}, {Censor: true}, {Hashes: true, Censor: true}, {Hashes: true}} {
		text := string(r.exported(t, portable.JSON, o))
		for _, secret := range []string{"seed", "recovery", "generation", "version"} {
			if strings.Contains(strings.ToLower(text), secret) {
				t.Errorf("%+v: the export holds a %s:\n%s", o, secret, text)
			}
		}
		if got, want := strings.Contains(text, "argon2id"), o.Hashes && !o.Censor; got != want {
			t.Errorf("%+v: a hash is in the export: %v", o, got)
		}
		if got, want := strings.Contains(text, account.Censored), o.Hashes && o.Censor; got != want {
			t.Errorf("%+v: stars are in the export: %v", o, got)
		}
		want := map[bool]string{true: "update", false: "list"}[o.Hashes && !o.Censor]
		if records := r.recorded(); len(records) != 1 || records[0].Action != want {
			t.Errorf("%+v: recorded %+v, want one %s", o, records, want)
		}
	}
	list, err := r.Export(t.Context(), operator(), account.ExportOptions{Names: []string{"ADA"}})
	if err != nil || len(list) != 1 || !list[0].TOTP {
		t.Errorf("Export of a name = %+v, %v", list, err)
	}
	list, err = r.Export(t.Context(), operator(), account.ExportOptions{Names: []string{"nobody"}})
	if err != nil || list == nil || len(list) != 0 {
		t.Errorf("Export of an unknown name = %+v, %v, want an empty list", list, err)
	}
	_, err = r.Export(t.Context(), person("ada@example.com"), account.ExportOptions{})
	wantKind(t, "a user", err, fault.Denied)
}

func TestImportOfAccounts(t *testing.T) {
	t.Parallel()
	const hash = `$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`
	for name, tt := range map[string]struct {
		text  string
		o     account.ImportOptions
		want  portable.Report // Skipped and Warnings are compared by length
		fault fault.Kind      // Internal: none
		left  string          // accounts afterwards; in capitals: disabled
	}{
		"nothing":             {`{"admin": []}`, account.ImportOptions{}, portable.Report{}, fault.Internal, "ada grace"},
		"others stay":         {`{"admin": [{"name": "bob"}]}`, account.ImportOptions{}, portable.Report{Created: 1}, fault.Internal, "ada bob grace"},
		"disabled":            {`{"admin": [{"name": "bob", "enabled": false}]}`, account.ImportOptions{}, portable.Report{Created: 1}, fault.Internal, "ada BOB grace"},
		"same name":           {`{"admin": [{"name": "ada", "enabled": false}, {"name": "grace"}]}`, account.ImportOptions{}, portable.Report{Changed: 1, Unchanged: 1}, fault.Internal, "ADA grace"},
		"another case":        {`{"admin": [{"name": "Ada"}]}`, account.ImportOptions{}, portable.Report{Changed: 1}, fault.Internal, "ada grace"},
		"hash":                {`{"admin": [{"name": "ada", "password_hash": "` + hash + `"}]}`, account.ImportOptions{}, portable.Report{Changed: 1}, fault.Internal, "ada grace"},
		"stars":               {`{"admin": [{"name": "ada", "password_hash": "********"}]}`, account.ImportOptions{}, portable.Report{Unchanged: 1}, fault.Internal, "ada grace"},
		"codes elsewhere":     {`{"admin": [{"name": "ada", "totp": true}, {"name": "bob", "totp": true}]}`, account.ImportOptions{}, portable.Report{Unchanged: 1, Created: 1, Warnings: make([]string, 1)}, fault.Internal, "ada bob grace"},
		"replace all":         {`{"admin": [{"name": "bob"}]}`, account.ImportOptions{Options: portable.Options{ReplaceAll: true}}, portable.Report{Created: 1, Deleted: 2}, fault.Internal, "bob"},
		"dry run":             {`{"admin": [{"name": "bob"}]}`, account.ImportOptions{Options: portable.Options{ReplaceAll: true, DryRun: true}}, portable.Report{Created: 1, Deleted: 2}, fault.Internal, "ada grace"},
		"one name":            {`{"admin": [{"name": "bob"}, {"name": "a b"}]}`, account.ImportOptions{Options: portable.Options{Names: []string{"BOB"}}}, portable.Report{Created: 1}, fault.Internal, "ada bob grace"},
		"all of one name":     {`{"admin": []}`, account.ImportOptions{Options: portable.Options{Names: []string{"ADA"}, ReplaceAll: true}}, portable.Report{Deleted: 1}, fault.Internal, "grace"},
		"one is invalid":      {`{"admin": [{"name": "bob"}, {"name": "a b"}]}`, account.ImportOptions{}, portable.Report{}, fault.Invalid, "ada grace"},
		"invalid, dry run":    {`{"admin": [{"name": "a b"}]}`, account.ImportOptions{Options: portable.Options{DryRun: true}}, portable.Report{}, fault.Invalid, "ada grace"},
		"no address":          {`{"admin": [{"name": "bob", "email": "bob"}]}`, account.ImportOptions{}, portable.Report{}, fault.Invalid, "ada grace"},
		"no hash":             {`{"admin": [{"name": "bob", "password_hash": "plain"}]}`, account.ImportOptions{}, portable.Report{}, fault.Invalid, "ada grace"},
		"dear hash":           {`{"admin": [{"name": "bob", "password_hash": "` + strings.Replace(hash, "m=8", "m=99999999", 1) + `"}]}`, account.ImportOptions{}, portable.Report{}, fault.Invalid, "ada grace"},
		"twice":               {`{"admin": [{"name": "bob"}, {"name": "BOB"}]}`, account.ImportOptions{}, portable.Report{}, fault.Invalid, "ada grace"},
		"skip the invalid":    {`{"admin": [{"name": "bob"}, {"name": "a b"}, 3, {"name": "eve", "colour": "red"}, {"name": "Bob"}]}`, account.ImportOptions{Options: portable.Options{SkipInvalid: true}}, portable.Report{Created: 1, Skipped: make([]string, 4)}, fault.Internal, "ada bob grace"},
		"skipped, not gone":   {`{"admin": [{"name": "grace"}, {"name": "ada", "email": "x"}]}`, account.ImportOptions{Options: portable.Options{SkipInvalid: true, ReplaceAll: true}}, portable.Report{Unchanged: 1, Skipped: make([]string, 1)}, fault.Internal, "ada grace"},
		"nobody left":         {`{"admin": []}`, account.ImportOptions{Options: portable.Options{ReplaceAll: true}}, portable.Report{}, fault.Denied, "ada grace"},
		"nobody left, dry":    {`{"admin": []}`, account.ImportOptions{Options: portable.Options{ReplaceAll: true, DryRun: true}}, portable.Report{}, fault.Denied, "ada grace"},
		"nobody enabled":      {`{"admin": [{"name": "ada", "enabled": false}, {"name": "grace", "enabled": false}]}`, account.ImportOptions{}, portable.Report{}, fault.Denied, "ada grace"},
		"nobody, by force":    {`{"admin": []}`, account.ImportOptions{Options: portable.Options{ReplaceAll: true}, Force: true}, portable.Report{Deleted: 2}, fault.Internal, ""},
		"nobody enabled, too": {`{"admin": [{"name": "ada", "enabled": false}]}`, account.ImportOptions{Options: portable.Options{ReplaceAll: true}, Force: true}, portable.Report{Changed: 1, Deleted: 1}, fault.Internal, "ADA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t)
				r.mustAdd(t, "ada")
				r.mustAdd(t, "grace")
				r.recorded()
				got, err := r.importing(t, tt.text, tt.o)
				if tt.fault != fault.Internal {
					wantKind(t, "import", err, tt.fault)
				} else if err != nil {
					t.Fatal(err)
				}
				if len(got.Skipped) != len(tt.want.Skipped) || len(got.Warnings) != len(tt.want.Warnings) {
					t.Errorf("skipped %q, warnings %q, want %d and %d", got.Skipped, got.Warnings, len(tt.want.Skipped), len(tt.want.Warnings))
				}
				got.Skipped, got.Warnings, tt.want.Skipped, tt.want.Warnings = nil, nil, nil, nil
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("report (-want +got):\n%s", diff)
				}
				records := r.recorded()
				if want := max(1, got.Moved()); !tt.o.DryRun && len(records) != want || tt.o.DryRun && len(records) != 1 {
					t.Errorf("recorded %+v, want %d records", records, want)
				}
				list, err := r.List(t.Context(), operator())
				if err != nil {
					t.Fatal(err)
				}
				var left []string
				for _, a := range list {
					name := strings.ToLower(a.Name)
					if !a.Enabled {
						name = strings.ToUpper(name)
					}
					left = append(left, name)
				}
				if got := strings.Join(left, " "); got != tt.left {
					t.Errorf("accounts: %q, want %q", got, tt.left)
				}
			})
		})
	}
}

// TestImportOfAccounts_KeepsWhatTheFileDoesNotSay: password, one-time codes and
// address; and a new hash ends what the password began.
func TestImportOfAccounts_KeepsWhatTheFileDoesNotSay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.mustAdd(t, "ada")
		r.mustEnrol(t, "ada")
		other := newRoom(t)
		other.mustAdd(t, "ada")
		hashes := string(other.exported(t, portable.JSON, account.ExportOptions{Hashes: true}))
		before, _ := r.Generation("ada")

		if _, err := r.importing(t, `{"admin": [{"name": "ada", "email": "ada@example.com"}]}`, account.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		a, err := r.VerifyPassword(t.Context(), "ada", "correct horse battery")
		if err != nil || !a.TOTP || a.Email != "ada@example.com" || a.Generation != before {
			t.Errorf("the account is %+v, %v, want its password, codes and sessions kept", a, err)
		}
		token := r.mustToken(t, account.RoleAdmin, "ada")
		if _, err := r.importing(t, hashes, account.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		if a, err = r.VerifyPassword(t.Context(), "ada", "correct horse battery"); err != nil || !a.TOTP || a.Generation == before {
			t.Errorf("the account is %+v, %v, want the other hash, its codes, and its sessions ended", a, err)
		}
		if _, err := r.VerifyToken(token); err == nil {
			t.Error("a token from before the new hash is good")
		}
		if _, err := r.VerifyToken(r.mustToken(t, account.RoleAdmin, "ada")); err != nil {
			t.Errorf("a token made next: %v", err)
		}
	})
}

// TestImportOfAccounts_CutShort stops at each account and makes the import again.
func TestImportOfAccounts_CutShort(t *testing.T) {
	t.Parallel()
	const text = `{"admin": [{"name": "a"}, {"name": "b", "enabled": false}, {"name": "c"}, {"name": "ada", "enabled": false}]}`
	for stop := range 5 {
		synctest.Test(t, func(t *testing.T) {
			r := newRoom(t)
			r.mustAdd(t, "ada")
			r.mustAdd(t, "gone")
			o := account.ImportOptions{Options: portable.Options{ReplaceAll: true}}
			im, err := r.PlanImport(t.Context(), operator(), admins(t, text), o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			writes := 0
			r.documents.failing(func(operation, kind string) error {
				if operation != "put" && operation != "delete" || kind != "account" {
					return nil
				}
				if writes == stop {
					cancel()
					return context.Canceled
				}
				writes++
				return nil
			})
			done, err := im.Commit(ctx)
			if !errors.Is(err, context.Canceled) || done != stop {
				t.Fatalf("stopped at %d: Commit = %d, %v", stop, done, err)
			}
			records := r.audit.Entries()
			if last := records[len(records)-1]; last.Phase != audit.Failed {
				t.Errorf("stopped at %d: the last record is %+v, want a failed change", stop, last)
			}
			r.documents.failing(nil)
			report, err := r.importing(t, text, o)
			if err != nil || report.Moved() != 5-stop {
				t.Errorf("stopped at %d: the import made again = %+v, %v, want %d moved", stop, report, err, 5-stop)
			}
			var names []string
			list, err := r.List(t.Context(), operator())
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				names = append(names, a.Name)
			}
			if want := []string{"a", "ada", "b", "c"}; !slices.Equal(names, want) {
				t.Errorf("stopped at %d: accounts %v, want %v", stop, names, want)
			}
		})
	}
}

// TestImportOfAccounts_AsksForEach holds an import to what a policy says of one
// account, before anything is written.
func TestImportOfAccounts_AsksForEach(t *testing.T) {
	t.Parallel()
	r := newRoom(t, func(o *account.Options) {
		engine, err := authz.NewEngine([]authz.Entry{{
			Name: "keep", Active: true, Cedar: `forbid (principal, action == Action::"update", resource is account) when { resource.id == "grace" };`,
		}})
		if err != nil {
			t.Fatal(err)
		}
		o.Policy = engine
	})
	r.mustAdd(t, "ada")
	_, err := r.importing(t, `{"admin": [{"name": "bob"}, {"name": "grace"}]}`, account.ImportOptions{})
	wantKind(t, "import of a forbidden account", err, fault.Denied)
	if keys := r.documents.all(); slices.Contains(keys, "account/bob") {
		t.Errorf("stored: %v", keys)
	}
	_, err = r.PlanImport(t.Context(), person("ada@example.com"), nil, account.ImportOptions{})
	wantKind(t, "a user", err, fault.Denied)
}

// TestImportOfAccounts_BesideOthers: what somebody else did between the plan and the
// write is not lost.
func TestImportOfAccounts_BesideOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.mustAdd(t, "ada")
		r.mustAdd(t, "gone")
		im, err := r.PlanImport(t.Context(), operator(), admins(t, `{"admin": [{"name": "ada", "email": "ada@example.com"}, {"name": "bob", "email": "bob@example.com"}]}`),
			account.ImportOptions{Options: portable.Options{ReplaceAll: true}})
		if err != nil {
			t.Fatal(err)
		}
		rival := r.another(t)
		if _, err := rival.Add(t.Context(), operator(), account.NewAccount{Name: "bob", Password: secret("correct horse battery")}); err != nil {
			t.Fatal(err)
		}
		if err := rival.Delete(t.Context(), operator(), "gone", false); err != nil {
			t.Fatal(err)
		}
		if _, err := rival.Change(t.Context(), operator(), "ada", account.Change{Password: secret("another horse battery")}); err != nil {
			t.Fatal(err)
		}
		if done, err := im.Commit(t.Context()); err != nil || done != 3 {
			t.Fatalf("Commit = %d, %v, want 3", done, err)
		}
		for name, password := range map[string]account.Secret{"ada": "another horse battery", "bob": "correct horse battery"} {
			a, err := r.VerifyPassword(t.Context(), name, password)
			if err != nil || a.Email != name+"@example.com" {
				t.Errorf("%s is %+v, %v, want the rival's password and the import's address", name, a, err)
			}
		}
	})
}

func TestImportOfAccounts_WithoutAStore(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.documents.failing(func(operation, _ string) error {
		if operation == "list" {
			return store.ErrUnavailable
		}
		return nil
	})
	_, err := r.importing(t, `{"admin": [{"name": "bob"}]}`, account.ImportOptions{})
	wantKind(t, "import", err, fault.Unavailable)
}

// TestImportOfAccounts_WhereListsLag: whoever was just written counts when it is
// asked who is left.
func TestImportOfAccounts_WhereListsLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.mustAdd(t, "old")
		r.documents.lag()
		var told []int
		report, err := r.importing(t, `{"admin": [{"name": "new"}, {"name": "off", "enabled": false}]}`, account.ImportOptions{
			Options:  portable.Options{ReplaceAll: true},
			Progress: func(done, total int) { told = append(told, done, total) },
		})
		if want := (portable.Report{Created: 2, Deleted: 1}); err != nil || !cmp.Equal(report, want) {
			t.Errorf("import = %+v, %v, want %+v", report, err, want)
		}
		if want := []int{1, 3, 2, 3, 3, 3}; !slices.Equal(told, want) {
			t.Errorf("progress was %v, want %v", told, want)
		}
		for name, want := range map[string]bool{"old": false, "new": true, "off": false} {
			if _, got := r.Generation(name); got != want {
				t.Errorf("%s is enabled: %v, want %v", name, got, want)
			}
		}
	})
}
