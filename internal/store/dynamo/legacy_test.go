package dynamo_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
)

// ofEachNoun puts a current row and a revision of each noun into a table, with
// change applied to them.
func ofEachNoun(t *testing.T, w *world, into string, change func(wireItem)) {
	t.Helper()
	meta := revision.Meta{Revision: 1, ModifiedDate: time.Unix(1e9, 0).UTC(), ModifiedBy: "ann"}
	c, b, s := sampleCredential("a name"), &blind.Credential{Meta: meta, Name: "b", CipherType: "fernet", CipherVersion: 2}, sampleService()
	c.Meta = meta
	b.Pairs, b.DataKey, s.Meta = []byte(`{"r": "x"}`), []byte(`{"r": "y"}`), meta
	for kind, it := range map[string]wireItem{
		"credential": wireOfCredential(c), "blind-credential": wireOfBlind(b), "service": wireOfService(s),
	} {
		for prefix, suffix := range map[string]string{"": "", "archive-": "-1"} {
			it["id"], it["data_type"] = map[string]any{"S": "the-" + kind + suffix}, map[string]any{"S": prefix + kind}
			change(it)
			w.put(t, into, it)
		}
	}
}

// legacyRows finds all rows in a form, reading so many at once.
func legacyRows(t *testing.T, s *dynamo.Store, form store.LegacyForm, limit int) []store.LegacyRow {
	t.Helper()
	var rows []store.LegacyRow
	for _, table := range s.Legacy(form, true) {
		seen, units := 0, 0.0
		for after := store.LegacyCursor(""); ; {
			page, err := table.Page(t.Context(), after, limit)
			if err != nil {
				t.Fatal(err)
			}
			if limit > 0 && page.Seen > limit {
				t.Errorf("a page of %d rows, want %d at most", page.Seen, limit)
			}
			rows, seen, units = append(rows, page.Rows...), seen+page.Seen, units+page.Units
			if after = page.Next; after == "" {
				break
			}
		}
		if size := table.Size(t.Context()); size != seen || (units == 0) != (seen == 0) {
			t.Errorf("a table of %d rows: %d rows are seen for %v units", size, seen, units)
		}
	}
	slices.SortFunc(rows, func(a, b store.LegacyRow) int { return strings.Compare(a.Table+" "+a.Key, b.Table+" "+b.Key) })
	return rows
}

func keysOf(rows []store.LegacyRow) (keys []string) {
	for _, r := range rows {
		keys = append(keys, r.Table+" "+r.Key)
	}
	return keys
}

func numberOf(n string) map[string]any { return map[string]any{"N": n} }

func setOf(elements ...any) map[string]any { return map[string]any{"SS": elements} }

// Every form, in both tables, in current rows and revisions: what is rewritten is
// written as it is written today, everything else stays, and nothing reads
// differently.
func TestLegacy_RewritesEachFormAndNothingElse(t *testing.T) {
	t.Parallel()
	everyNoun := []string{
		"the-blind-credential", "the-blind-credential-1", "the-credential", "the-credential-1", "the-service", "the-service-1",
	}
	for name, tt := range map[string]struct {
		form       store.LegacyForm
		attributes map[string]map[string]any // as they stand
		rows       []string                  // that are rewritten
		after      map[string]map[string]any // in them
	}{
		"false": {
			store.NumberForBoolean,
			map[string]map[string]any{"enabled": numberOf("0")},
			everyNoun,
			map[string]map[string]any{"enabled": {"BOOL": false}},
		},
		"true": {
			store.NumberForBoolean,
			map[string]map[string]any{"enabled": numberOf("1")},
			everyNoun,
			map[string]map[string]any{"enabled": {"BOOL": true}},
		},
		"a boolean as it is today": {
			store.NumberForBoolean, map[string]map[string]any{"enabled": {"BOOL": false}}, nil, nil,
		},
		"key names": {
			store.QuotedBlindSets,
			map[string]map[string]any{"credential_keys": setOf(`"user"`, `"p\u00e4ss"`, `plain`)},
			everyNoun[:2],
			map[string]map[string]any{"credential_keys": setOf("plain", "päss", "user")},
		},
		"key names in both forms": {
			store.QuotedBlindSets,
			map[string]map[string]any{"credential_keys": setOf(`"user"`, "user")},
			everyNoun[:2],
			map[string]map[string]any{"credential_keys": setOf("user")},
		},
		"key names with a quote": {
			store.QuotedBlindSets, map[string]map[string]any{"credential_keys": setOf(`"`, `"half`, `"no" json"`)}, nil, nil,
		},
		"mapped credentials": {
			store.QuotedServiceSets,
			map[string]map[string]any{"credentials": setOf(`"c1"`, `"c2"`), "blind_credentials": setOf(`"b1"`)},
			everyNoun[4:],
			map[string]map[string]any{"credentials": setOf("c1", "c2"), "blind_credentials": setOf("b1")},
		},
		"one of two sets": {
			store.QuotedServiceSets,
			map[string]map[string]any{"credentials": setOf(`"c1"`), "blind_credentials": setOf("b1")},
			everyNoun[4:],
			map[string]map[string]any{"credentials": setOf("c1"), "blind_credentials": setOf("b1")},
		},
		"sets as they are today": {
			store.QuotedServiceSets, map[string]map[string]any{"credentials": setOf("c1")}, nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if w == nil {
				return
			}
			for _, into := range []string{table, archive} {
				ofEachNoun(t, w, into, func(it wireItem) {
					for name, v := range tt.attributes {
						it[name] = v
					}
				})
			}
			// A document with an attribute of that name is none of these rows.
			w.put(t, table, wireItem{"id": {"S": "doc/x/y"}, "data_type": {"S": "doc-x"}, "enabled": {"N": "1"}})
			s := w.open(t, w.client(nil))
			wanted := map[string]map[string]wireItem{table: w.items(t, table), archive: w.items(t, archive)}
			var want []string
			for _, into := range []string{table, archive} {
				for _, id := range tt.rows {
					want = append(want, into+" "+id)
					for attribute, v := range tt.after {
						wanted[into][id][attribute] = v
					}
				}
			}
			slices.Sort(want)
			before := readEach(t, s)

			rows := legacyRows(t, s, tt.form, 5)
			if !slices.Equal(keysOf(rows), want) {
				t.Fatalf("found %v, want %v", keysOf(rows), want)
			}
			for _, row := range rows {
				base, _, historic := revision.Split(row.Key)
				if row.Historic != historic || row.Problem != "" || !historic && "the-"+string(row.Noun) != row.Key || historic && "the-"+string(row.Noun) != base {
					t.Errorf("%+v", row)
				}
				for range 2 { // as if the first answer was lost
					if err := row.Rewrite(t.Context()); err != nil {
						t.Errorf("rewriting %s: %v", row.Key, err)
					}
				}
			}
			for _, into := range []string{table, archive} {
				if d := cmp.Diff(wanted[into], w.items(t, into)); d != "" {
					t.Errorf("table %s (-want +got):\n%s", into, d)
				}
			}
			if d := cmp.Diff(before, readEach(t, s)); d != "" {
				t.Errorf("it reads differently (-before +after):\n%s", d)
			}
			if again := legacyRows(t, s, tt.form, 0); len(again) > 0 {
				t.Errorf("again there is %v", keysOf(again))
			}
		})
	}
}

// readEach reads every row of ofEachNoun through a store.
func readEach(t *testing.T, s *dynamo.Store) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, current := range []bool{true, false} {
		c, err := read[credential.Credential](t.Context(), s.Credentials(), current, "the-credential", 1)
		a, other := read[credential.Credential](t.Context(), s.ArchivedCredentials(), current, "the-credential", 1)
		b, third := read[blind.Credential](t.Context(), s.BlindCredentials(), current, "the-blind-credential", 1)
		v, fourth := read[service.Service](t.Context(), s.Services(), current, "the-service", 1)
		if err := errors.Join(err, other, third, fourth); err != nil {
			t.Fatal(err)
		}
		for noun, row := range map[string]any{"credential": c, "archived": a, "blind": b, "service": v} {
			all[fmt.Sprint(noun, current)] = row
		}
	}
	return all
}

// Without an archive table, or where it is not asked for, the main table alone is
// looked at.
func TestLegacy_LooksAtTheTablesAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	alone := w.open(t, w.client(nil), func(o *dynamo.Options) { o.ArchiveTable = "" })
	if n := len(w.open(t, w.client(nil)).Legacy(store.NumberForBoolean, false)); n != 1 {
		t.Errorf("%d tables, want the main table", n)
	}
	if n := len(alone.Legacy(store.NumberForBoolean, true)); n != 1 {
		t.Errorf("%d tables without an archive, want one", n)
	}
}

func TestLegacy_LeavesWhatCannotBeRewritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	ofEachNoun(t, w, table, func(it wireItem) {
		it["enabled"] = numberOf("7")
		it["credential_keys"], it["credentials"] = setOf(`"\"twice\""`), setOf(`"c1"`, `""`)
	})
	s := w.open(t, w.client(nil))
	for form, want := range map[store.LegacyForm]string{
		store.NumberForBoolean:  "enabled is 7, neither 0 nor 1",
		store.QuotedBlindSets:   "credential_keys holds an element that would be read in another way once it is rewritten",
		store.QuotedServiceSets: "credentials holds an element that would be read in another way once it is rewritten",
	} {
		rows := legacyRows(t, s, form, 0)
		if len(rows) < 2 {
			t.Fatalf("%s: found %v", form, keysOf(rows))
		}
		for _, row := range rows {
			if row.Problem != want || row.Rewrite != nil {
				t.Errorf("%s: %+v, want the problem %q", form, row, want)
			}
		}
	}
}

// What changes between being read and being rewritten stays as it is then.
func TestLegacy_NeverOverwritesAConcurrentChange(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		form   store.LegacyForm
		change wireItem // of attributes; nil: the row is removed
	}{
		"the number":               {store.NumberForBoolean, wireItem{"enabled": numberOf("0")}},
		"a boolean":                {store.NumberForBoolean, wireItem{"enabled": {"BOOL": false}}},
		"no attribute":             {store.NumberForBoolean, wireItem{"enabled": nil}},
		"gone":                     {store.NumberForBoolean, nil},
		"something else":           {store.NumberForBoolean, wireItem{"data_type": {"S": "doc-x"}}},
		"another mapping":          {store.QuotedServiceSets, wireItem{"credentials": setOf(`"c1"`, `"c3"`)}},
		"another mapping of today": {store.QuotedServiceSets, wireItem{"credentials": setOf("c1")}},
		"the other set":            {store.QuotedServiceSets, wireItem{"blind_credentials": setOf(`"b2"`)}},
		"no mapping":               {store.QuotedServiceSets, wireItem{"credentials": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if w == nil {
				return
			}
			ofEachNoun(t, w, table, func(it wireItem) {
				it["enabled"] = numberOf("1")
				it["credentials"], it["blind_credentials"] = setOf(`"c1"`, `"c2"`), setOf(`"b1"`)
			})
			rows := legacyRows(t, w.open(t, w.client(nil)), tt.form, 0)
			if len(rows) == 0 {
				t.Fatal("nothing is found")
			}
			for id, it := range w.items(t, table) {
				if tt.change == nil {
					key := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}}
					if _, err := w.behind.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(table), Key: key}); err != nil {
						t.Fatal(err)
					}
					continue
				}
				for attribute, v := range tt.change {
					if it[attribute] = v; v == nil {
						delete(it, attribute)
					}
				}
				w.put(t, table, it)
			}
			want := w.items(t, table)
			for _, row := range rows {
				if err := row.Rewrite(t.Context()); !errors.Is(err, store.ErrStale) {
					t.Errorf("rewriting %s: %v, want ErrStale", row.Key, err)
				}
			}
			if d := cmp.Diff(want, w.items(t, table)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// What the network and the service do to one rewriting.
func TestLegacy_SaysWhatBecameOfARewriting(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]error{
		"reply lost": nil, "throttled": store.ErrThrottled, "over capacity": store.ErrThrottled,
		"no permission": store.ErrUnavailable, "internal error": store.ErrUnavailable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if w == nil {
				return
			}
			ofEachNoun(t, w, table, func(it wireItem) { it["enabled"] = numberOf("1") })
			before := w.items(t, table)
			p := newProxy(t, w)
			rows := legacyRows(t, w.open(t, p.client()), store.NumberForBoolean, 0)
			times := forEver
			if name == "reply lost" {
				times = 1
			}
			p.do("UpdateItem", times, harms[name])
			err := rows[0].Rewrite(t.Context())
			if !errors.Is(err, want) || errors.Is(err, store.ErrThrottled) && errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%v, want %v", err, want)
			}
			if p.lift() == 0 {
				t.Error("nothing came to harm")
			}
			if want != nil {
				if d := cmp.Diff(before, w.items(t, table)); d != "" {
					t.Errorf("(-before +after):\n%s", d)
				}
			}
		})
	}
}
