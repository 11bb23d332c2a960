package dynamo_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/store"
)

// olderTable fills a table the way the older service does, with what it leaves
// behind over the years.
type olderTable struct {
	world                 *world
	credentials, services int
	random                *rand.Rand

	items    []wireItem
	bearers  map[string][]string // of each name
	mappings map[string][]string // by credential, sorted
}

func olderID(n int) string { return fmt.Sprintf("%032x", n+1) }

func olderServiceID(n int) string { return fmt.Sprintf("service-%04d", n) }

// olderBegin is when the first row was written.
var olderBegin = time.Date(2019, 5, 1, 12, 0, 0, 0, time.UTC)

// fillOlder writes a table of so many credentials, a tenth as many blind ones, and
// services.
func fillOlder(t *testing.T, w *world, credentials, services int) *olderTable {
	t.Helper()
	o := &olderTable{
		world: w, credentials: credentials, services: services, random: rand.New(rand.NewPCG(1, 2)),
		bearers: map[string][]string{}, mappings: map[string][]string{},
	}
	for n := range credentials {
		o.addCredential(n)
		if n%10 == 0 {
			o.addBlind(n)
		}
	}
	for n := range services {
		o.addService(n)
	}
	for _, ids := range o.mappings {
		slices.Sort(ids)
	}
	o.write(t)
	return o
}

// both adds a current row and its copy in history, dated a little earlier, as the
// older service's two puts are.
func (o *olderTable) both(id, kind string, n, rev int, attributes wire) {
	for _, historic := range []bool{true, false} {
		it := wire{}
		for name, v := range attributes {
			it[name] = v
		}
		at := olderBegin.Add(time.Duration(n)*time.Second + time.Duration(rev)*time.Millisecond)
		it.text("id", id)
		it.text("data_type", kind)
		if historic {
			it.text("id", fmt.Sprintf("%s-%d", id, rev))
			it.text("data_type", "archive-"+kind)
			at = at.Add(-3 * time.Millisecond)
		}
		it.number("revision", rev)
		it.date("modified_date", at)
		it.text("modified_by", "alice")
		o.items = append(o.items, wireItem(it))
	}
}

func (o *olderTable) addCredential(n int) {
	name := fmt.Sprintf("credential %d", n)
	if n%50 == 49 {
		name = fmt.Sprintf("credential %d", n-1) // one that another bears
	}
	it := wire{"enabled": {"BOOL": true}, "data_key": {"B": "YTIxekxXTnBjR2hsY25SbGVIUXRZbXh2WWc9PQ=="}}
	if n%7 == 0 {
		it["enabled"] = map[string]any{"N": "1"} // as it was once written
	}
	if n%3 > 0 {
		it["tags"] = map[string]any{"L": []any{map[string]any{"S": "X"}}}
	}
	it.text("name", name)
	it.text("credential_pairs", "gAAAAABeDV2l"+text(1000))
	it.number("cipher_version", 2)
	o.both(olderID(n), "credential", n, 1+n%3, it)
	o.bearers["credential-name/"+name] = append(o.bearers["credential-name/"+name], olderID(n))
	if n%40 == 0 { // a revision whose current row was never written
		orphan := wire{}
		for k, v := range it {
			orphan[k] = v
		}
		orphan.text("id", fmt.Sprintf("%s-%d", olderID(n), 2+n%3))
		orphan.text("data_type", "archive-credential")
		orphan.number("revision", 2+n%3)
		orphan.date("modified_date", olderBegin)
		orphan.text("modified_by", "alice")
		o.items = append(o.items, wireItem(orphan))
	}
}

func text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i*7%26)
	}
	return string(b)
}

func (o *olderTable) addBlind(n int) {
	id, name := fmt.Sprintf("b%031x", n), fmt.Sprintf("credential %d", n) // the same name, of another noun
	it := wire{"enabled": {"BOOL": false}}
	it.text("name", name)
	it.text("credential_pairs", `{"us-east-1": "ENC"}`)
	it.text("data_key", `{"us-east-1": "AQED"}`)
	it.text("cipher_type", "fernet")
	it.number("cipher_version", 2)
	o.both(id, "blind-credential", n, 1, it)
	o.bearers["blind-credential-name/"+name] = append(o.bearers["blind-credential-name/"+name], id)
}

func (o *olderTable) addService(n int) {
	id := olderServiceID(n)
	mapped := map[string]bool{}
	for range 1 + o.random.IntN(20) {
		mapped[olderID(o.random.IntN(o.credentials))] = true
	}
	if n%100 == 0 {
		mapped["0dead0"] = true // a credential that is gone
	}
	var stored []any
	for other := range mapped {
		o.mappings[other] = append(o.mappings[other], id)
		if n%9 == 0 {
			quoted, _ := json.Marshal(other)
			other = string(quoted) // as it was once written
		}
		stored = append(stored, other)
	}
	it := wire{"enabled": {"BOOL": true}, "credentials": {"SS": stored}}
	if n%5 == 0 {
		blind := fmt.Sprintf("b%031x", 10*(n%(o.credentials/10)))
		it["blind_credentials"] = map[string]any{"SS": []any{blind}}
		o.mappings[blind] = append(o.mappings[blind], id)
	}
	o.both(id, "service", n, 1+n%4, it)
}

// write puts all items into the table, several batches at once.
func (o *olderTable) write(t *testing.T) {
	t.Helper()
	batches := make(chan []any)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for batch := range batches {
				answer := o.world.call(t, "BatchWriteItem", map[string]any{"RequestItems": map[string]any{table: batch}})
				if s := string(answer); s != `{"UnprocessedItems":{}}` {
					t.Errorf("BatchWriteItem: %s", s)
				}
			}
		})
	}
	for part := range slices.Chunk(o.items, 25) {
		var batch []any
		for _, it := range part {
			batch = append(batch, map[string]any{"PutRequest": map[string]any{"Item": it}})
		}
		batches <- batch
	}
	close(batches)
	wg.Wait()
}

// checkNames asks a store for names and compares with what the rows say.
func (o *olderTable) checkNames(t *testing.T, s store.Store, names ...string) {
	t.Helper()
	for _, key := range names {
		kind, name := store.KindCredentialName, key[len("credential-name/"):]
		if key[0] == 'b' {
			kind, name = store.KindBlindName, key[len("blind-credential-name/"):]
		}
		d, err := s.Documents().Get(t.Context(), kind, store.NameID(name))
		if err != nil {
			t.Errorf("who bears %s: %v", key, err)
			continue
		}
		var claim store.Claim
		if err := json.Unmarshal(d.Body, &claim); err != nil || !slices.Contains(o.bearers[key], claim.ID) {
			t.Errorf("%s is borne by %s (%v), want one of %v", key, d.Body, err, o.bearers[key])
		}
	}
}

// checkMappings asks a store who maps what.
func (o *olderTable) checkMappings(t *testing.T, s store.Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		d, err := s.Documents().Get(t.Context(), store.KindMapping, id)
		if err != nil {
			t.Errorf("who maps %s: %v", id, err)
			continue
		}
		var m store.Mapping
		if err := json.Unmarshal(d.Body, &m); err != nil {
			t.Errorf("the mapping of %s: %v", id, err)
		}
		if d := cmp.Diff(o.mappings[id], m.Services); d != "" {
			t.Errorf("the services that map %s (-want +got):\n%s", id, d)
		}
	}
}

// checkDocuments compares all claims and mappings in the table with the rows in
// it.
func checkDocuments(t *testing.T, w *world) {
	t.Helper()
	items := w.items(t, table)
	bearers, mappings := map[string][]string{}, map[string][]string{}
	for id, it := range items {
		switch it.text("data_type") {
		case "credential":
			key := "doc/credential-name/" + store.NameID(it.text("name"))
			bearers[key] = append(bearers[key], id)
		case "blind-credential":
			key := "doc/blind-credential-name/" + store.NameID(it.text("name"))
			bearers[key] = append(bearers[key], id)
		case "service":
			for _, name := range []string{"credentials", "blind_credentials"} {
				set, _ := it[name]["SS"].([]any)
				for _, v := range set {
					other := v.(string)
					if other[0] == '"' {
						other = other[1 : len(other)-1]
					}
					mappings["doc/mapping/"+other] = append(mappings["doc/mapping/"+other], id)
				}
			}
		}
	}
	for id, it := range items {
		switch it.text("data_type") {
		case "doc-credential-name", "doc-blind-credential-name":
			var claim store.Claim
			if err := json.Unmarshal([]byte(it.text("body")), &claim); err != nil || !slices.Contains(bearers[id], claim.ID) {
				t.Errorf("%s names %q (%v), want one of %v", id, claim.ID, err, bearers[id])
			}
			delete(bearers, id)
		case "doc-mapping":
			var got []string
			set, _ := it["services"]["SS"].([]any)
			for _, v := range set {
				got = append(got, v.(string))
			}
			slices.Sort(mappings[id])
			if d := cmp.Diff(mappings[id], got); d != "" {
				t.Errorf("%s (-rows +document):\n%s", id, d)
			}
			delete(mappings, id)
		}
	}
	for key, ids := range bearers {
		t.Errorf("%s is missing; %v bear the name", key, ids)
	}
	for key, ids := range mappings {
		t.Errorf("%s is missing; %v map it", key, ids)
	}
}
