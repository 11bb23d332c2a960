package dynamo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
)

// call is one thing to do with a prepared store.
type call struct {
	do func(context.Context, *dynamo.Store) error
	// check says whether it is done, and what is wrong, if anything; nil for a
	// read, which checks its own answer.
	check func(context.Context, *dynamo.Store) (done bool, problem string)
}

const (
	faultID    = "c0000000000000000000000000000001"
	otherID    = "c0000000000000000000000000000002"
	pastLength = 120 // more than a transaction or a batch takes
)

// calls prepare a store and return what is to be done with it.
var calls = map[string]func(t *testing.T, w *world, s *dynamo.Store) call{
	"create": func(*testing.T, *world, *dynamo.Store) call {
		row := sampleCredential("created")
		return call{func(ctx context.Context, s *dynamo.Store) error {
			_, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: faultID, Rows: []*credential.Credential{row}})
			return err
		}, func(ctx context.Context, s *dynamo.Store) (bool, string) { return checkCredential(ctx, s, 1, row) }}
	},
	"update": func(t *testing.T, _ *world, s *dynamo.Store) call {
		first := prepareCredential(t, s, faultID, "updated")
		row := sampleCredential("updated")
		return call{func(ctx context.Context, s *dynamo.Store) error {
			_, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: faultID, Previous: first, Rows: []*credential.Credential{row}})
			return err
		}, func(ctx context.Context, s *dynamo.Store) (bool, string) { return checkCredential(ctx, s, 2, row) }}
	},
	"rename": func(t *testing.T, _ *world, s *dynamo.Store) call {
		first := prepareCredential(t, s, faultID, "before")
		row := sampleCredential("after")
		return call{func(ctx context.Context, s *dynamo.Store) error {
			_, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: faultID, Previous: first, Rows: []*credential.Credential{row}})
			return err
		}, func(ctx context.Context, s *dynamo.Store) (bool, string) { return checkCredential(ctx, s, 2, row) }}
	},
	"map": func(t *testing.T, _ *world, s *dynamo.Store) call {
		before := appendService(t, s, "payments", nil, sampleService(faultID))
		return call{func(ctx context.Context, s *dynamo.Store) error {
			_, err := s.Services().Append(ctx, store.Write[service.Service]{ID: "payments", Previous: before, Rows: []*service.Service{sampleService(otherID)}})
			return err
		}, func(ctx context.Context, s *dynamo.Store) (bool, string) {
			v, err := s.Services().Get(ctx, "payments")
			if err != nil {
				return false, err.Error()
			}
			want := map[string]string{faultID: "1 [payments]", otherID: ""}
			if v.Revision == 2 {
				want = map[string]string{faultID: "2 []", otherID: "1 [payments]"}
			}
			got := map[string]string{faultID: mappingText(ctx, s, faultID), otherID: mappingText(ctx, s, otherID)}
			return v.Revision == 2, cmp.Diff(want, got)
		}}
	},
	"amend": func(t *testing.T, _ *world, s *dynamo.Store) call {
		prepareCredential(t, s, faultID, "amended")
		return call{func(ctx context.Context, s *dynamo.Store) error {
			return s.Credentials().Amend(ctx, faultID, 1, func(c *credential.Credential) bool {
				c.LastDecrypted = c.ModifiedDate
				return true
			})
		}, func(ctx context.Context, s *dynamo.Store) (bool, string) {
			v, err := s.Credentials().Get(ctx, faultID)
			if err != nil {
				return false, err.Error()
			}
			past, err := s.Credentials().Revision(ctx, faultID, 1)
			if err != nil {
				return false, err.Error()
			}
			return !v.LastDecrypted.IsZero(), cmp.Diff(v, past)
		}}
	},
	"put document": func(t *testing.T, _ *world, s *dynamo.Store) call {
		d := store.Document{Kind: "lock", ID: "run", Body: json.RawMessage(`"mine"`)}
		return call{
			func(ctx context.Context, s *dynamo.Store) error { return putsVersion(ctx, s, d, 0, 1) },
			func(ctx context.Context, s *dynamo.Store) (bool, string) { return checkDocument(ctx, s, d, 1) },
		}
	},
	"replace expired document": func(t *testing.T, _ *world, s *dynamo.Store) call {
		d := store.Document{Kind: "lock", ID: "run", Body: json.RawMessage(`"mine"`), Expires: time.Now().Add(-time.Minute)}
		if _, err := s.Documents().Put(t.Context(), d, 0); err != nil {
			t.Fatal(err)
		}
		d.Expires = time.Time{}
		return call{
			func(ctx context.Context, s *dynamo.Store) error { return putsVersion(ctx, s, d, 0, 2) },
			func(ctx context.Context, s *dynamo.Store) (bool, string) { return checkDocument(ctx, s, d, 2) },
		}
	},
	"delete document": func(t *testing.T, _ *world, s *dynamo.Store) call {
		d := store.Document{Kind: "lock", ID: "run", Body: json.RawMessage(`"mine"`)}
		if _, err := s.Documents().Put(t.Context(), d, 0); err != nil {
			t.Fatal(err)
		}
		return call{
			func(ctx context.Context, s *dynamo.Store) error { return s.Documents().Delete(ctx, "lock", "run", 1) },
			func(ctx context.Context, s *dynamo.Store) (bool, string) {
				_, err := s.Documents().Get(ctx, "lock", "run")
				return errors.Is(err, store.ErrNotFound), ""
			},
		}
	},
	"import": func(*testing.T, *world, *dynamo.Store) call {
		current, history := longHistory()
		return call{func(ctx context.Context, s *dynamo.Store) error {
			_, err := s.Credentials().Import(ctx, current, history)
			return err
		}, func(ctx context.Context, s *dynamo.Store) (bool, string) {
			if _, err := s.Credentials().Get(ctx, faultID); errors.Is(err, store.ErrNotFound) {
				return false, ""
			}
			return checkCredential(ctx, s, pastLength, current)
		}}
	},
	"delete": func(t *testing.T, w *world, s *dynamo.Store) call {
		current, history := longHistory()
		if _, err := s.Credentials().Import(t.Context(), current, history); err != nil {
			t.Fatal(err)
		}
		return call{func(ctx context.Context, s *dynamo.Store) error {
			return s.Credentials().Delete(ctx, faultID, pastLength, []store.Guard{store.DocumentGuard(store.KindMapping, faultID, 0)})
		}, func(ctx context.Context, s *dynamo.Store) (bool, string) {
			_, err := s.Credentials().Get(ctx, faultID)
			if err == nil {
				return false, "" // may be repeated
			}
			left := slices.DeleteFunc(slices.Collect(maps.Keys(w.items(t, table))), func(id string) bool { return id == "doc/dynamo/indexed" })
			return errors.Is(err, store.ErrNotFound), strings.Join(left, ", ")
		}}
	},
	"reindex": func(t *testing.T, w *world, s *dynamo.Store) call {
		prepareCredential(t, s, faultID, "indexed")
		appendService(t, s, "payments", nil, sampleService(faultID))
		w.damage(t, store.KindCredentialName, store.NameID("indexed"), nil)
		w.damage(t, store.KindMapping, faultID, nil)
		return call{
			func(ctx context.Context, s *dynamo.Store) error { _, err := s.Reindex(ctx, nil); return err },
			func(ctx context.Context, s *dynamo.Store) (bool, string) {
				report, err := s.Reindex(ctx, nil)
				if err != nil {
					return false, err.Error()
				}
				return len(report.Changed) == 0 && mappingText(ctx, s, faultID) == "1 [payments]", ""
			},
		}
	},
	"purge": func(t *testing.T, w *world, s *dynamo.Store) call {
		for i := range 3 {
			d := store.Document{Kind: "challenge", ID: strconv.Itoa(i), Body: json.RawMessage(`1`), Expires: time.Now().Add(-time.Hour)}
			if _, err := s.Documents().Put(t.Context(), d, 0); err != nil {
				t.Fatal(err)
			}
		}
		return call{func(ctx context.Context, s *dynamo.Store) error {
			n, err := s.Documents().Purge(ctx, store.Purge{ExpiredBefore: time.Now()})
			if err == nil && n != 3 {
				err = fmt.Errorf("%d documents were purged, want 3", n)
			}
			return err
		}, func(context.Context, *dynamo.Store) (bool, string) { return len(w.items(t, table)) == 2, "" }}
	},

	"get": func(t *testing.T, _ *world, s *dynamo.Store) call {
		want := prepareCredential(t, s, faultID, "read")
		return call{do: func(ctx context.Context, s *dynamo.Store) error {
			got, err := s.Credentials().Get(ctx, faultID)
			return answered(want, got, err)
		}}
	},
	"get many": func(t *testing.T, _ *world, s *dynamo.Store) call {
		var ids []string
		for i := range 12 {
			ids = append(ids, prepareCredential(t, s, fmt.Sprintf("%032x", i), fmt.Sprint(i)).ID)
		}
		return call{do: func(ctx context.Context, s *dynamo.Store) error {
			rows, err := s.Credentials().BatchGet(ctx, ids)
			var got []string
			for _, v := range rows {
				got = append(got, v.ID)
			}
			return answered(ids, got, err)
		}}
	},
	"history": func(t *testing.T, _ *world, s *dynamo.Store) call {
		current, history := longHistory()
		if _, err := s.Credentials().Import(t.Context(), current, history); err != nil {
			t.Fatal(err)
		}
		return call{do: func(ctx context.Context, s *dynamo.Store) error {
			slice, err := s.Credentials().History(ctx, faultID, revision.Page{})
			return answered(pastLength, len(slice.Items), err)
		}}
	},
	"who maps": func(t *testing.T, _ *world, s *dynamo.Store) call {
		appendService(t, s, "payments", nil, sampleService(faultID))
		return call{do: func(ctx context.Context, s *dynamo.Store) error {
			d, err := s.Documents().Get(ctx, store.KindMapping, faultID)
			if err != nil {
				return err
			}
			return answered(`{"services":["payments"]}`, string(d.Body), nil)
		}}
	},
	"list": func(t *testing.T, _ *world, s *dynamo.Store) call {
		prepareCredential(t, s, faultID, "listed")
		return call{do: func(ctx context.Context, s *dynamo.Store) error {
			slice, err := s.Credentials().List(ctx, revision.Page{})
			return answered(1, len(slice.Items), err)
		}}
	},
	"find": func(t *testing.T, _ *world, s *dynamo.Store) call {
		prepareCredential(t, s, faultID, "found")
		return call{do: func(ctx context.Context, s *dynamo.Store) error {
			found, err := s.Catalogue().Find(ctx, store.Query{Text: "FOUND", Limit: 10})
			return answered(1, len(found.Entries), err)
		}}
	},
}

func answered(want, got any, err error) error {
	if err != nil {
		return err
	}
	if d := cmp.Diff(want, got); d != "" {
		return errors.New(d)
	}
	return nil
}

func prepareCredential(t *testing.T, s *dynamo.Store, id, name string) *credential.Credential {
	t.Helper()
	rows, err := s.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: id, Rows: []*credential.Credential{sampleCredential(name)}})
	if err != nil {
		t.Fatal(err)
	}
	return rows[0]
}

func appendService(t *testing.T, s *dynamo.Store, id string, previous, row *service.Service) *service.Service {
	t.Helper()
	rows, err := s.Services().Append(t.Context(), store.Write[service.Service]{ID: id, Previous: previous, Rows: []*service.Service{row}})
	if err != nil {
		t.Fatal(err)
	}
	return rows[0]
}

// longHistory is a credential with more revisions than one request takes.
func longHistory() (current *credential.Credential, history []*credential.Credential) {
	for n := 1; n <= pastLength; n++ {
		v := sampleCredential("long")
		v.ID, v.Revision = faultID, n
		history = append(history, v)
	}
	return history[len(history)-1], history
}

// checkCredential looks whether the credential is at a revision, with the row
// given, and whole: each revision up to it is there, none above it, its name is
// claimed, and no other.
func checkCredential(ctx context.Context, s *dynamo.Store, n int, want *credential.Credential) (bool, string) {
	current, err := s.Credentials().Get(ctx, faultID)
	if errors.Is(err, store.ErrNotFound) && n == 1 {
		current = &credential.Credential{}
	} else if err != nil {
		return false, err.Error()
	}
	for i := 1; i <= n+1; i++ {
		_, err := s.Credentials().Revision(ctx, faultID, i)
		if stands := err == nil; stands != (i <= current.Revision) {
			return false, fmt.Sprintf("revision %d of a credential at %d: %v", i, current.Revision, err)
		}
	}
	for _, name := range []string{"created", "before", "after", "updated", "long"} {
		_, err := s.Documents().Get(ctx, store.KindCredentialName, store.NameID(name))
		if claimed := err == nil; claimed != (name == current.Name) {
			return false, fmt.Sprintf("the claim of %q beside a credential named %q: %v", name, current.Name, err)
		}
	}
	if current.Revision < n {
		return false, ""
	}
	expected := want.Clone()
	expected.ID, expected.Revision = faultID, n
	return true, cmp.Diff(expected, current)
}

// mappingText is a mapping document in short: its version and services.
func mappingText(ctx context.Context, s *dynamo.Store, id string) string {
	d, err := s.Documents().Get(ctx, store.KindMapping, id)
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	var m store.Mapping
	if err := json.Unmarshal(d.Body, &m); err != nil {
		return err.Error()
	}
	return fmt.Sprint(d.Version, " ", m.Services)
}

func putsVersion(ctx context.Context, s *dynamo.Store, d store.Document, expect, want int) error {
	version, err := s.Documents().Put(ctx, d, expect)
	return answered(want, version, err)
}

func checkDocument(ctx context.Context, s *dynamo.Store, want store.Document, version int) (bool, string) {
	d, err := s.Documents().Get(ctx, want.Kind, want.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, ""
	}
	if err != nil {
		return false, err.Error()
	}
	return true, cmp.Diff(fmt.Sprint(version, string(want.Body)), fmt.Sprint(d.Version, string(d.Body)))
}
