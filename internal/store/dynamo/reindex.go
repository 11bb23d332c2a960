package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// reindexStep is how many claims and mappings are mended between two reports of
// progress.
const reindexStep = 1000

// Reindex compares every claim and mapping with the current rows, mends what
// differs, each under a condition, and sets the marker. It may run beside
// writers and be started again after it was cut short.
func (s *Store) Reindex(ctx context.Context, progress func(done, total int)) (store.ReindexReport, error) {
	if progress == nil {
		progress = func(int, int) {}
	}
	x := &reindexing{store: s, rows: map[string]claimant{}, stands: map[string]item{}, wanted: map[string]*derived{}}
	if err := x.scan(ctx, progress); err != nil {
		return store.ReindexReport{}, err
	}
	keys := slices.Sorted(maps.Keys(x.wanted))
	done := 0
	for step := range slices.Chunk(keys, reindexStep) {
		if err := x.mend(ctx, step); err != nil {
			return x.report, err
		}
		done += len(step)
		progress(done, len(keys))
	}
	slices.Sort(x.report.Changed)
	return x.report, s.setMarker(ctx)
}

// reindexing is one run of Reindex.
type reindexing struct {
	store  *Store
	rows   map[string]claimant // current credentials and blind credentials
	stands map[string]item     // claims and mappings as they stand, by key
	wanted map[string]*derived // and as they should, by key
	report store.ReindexReport
}

// claimant is what a current row says about claims.
type claimant struct {
	dataType string
	name     string
	modified string
}

// derived is what a claim or mapping follows from.
type derived struct {
	kind     string
	noun     store.Noun // of a claim
	name     string     // of a claim, if anybody bears it
	id       string     // that a mapping is of
	holders  []string   // ids that bear the name, the oldest change first
	services []string   // that may map the id
}

// scan reads the whole table: the index lags, and documents are not in it.
func (x *reindexing) scan(ctx context.Context, progress func(done, total int)) error {
	s := x.store
	documents := []string{documentType(store.KindCredentialName), documentType(store.KindBlindName), documentType(store.KindMapping)}
	attributes := append(s.claimantAttributes(), attrVersion, attrBody, attrServices)
	seen := 0
	err := s.scan(ctx, s.table, append(currentTypes(), documents...), attributes, func(it item) {
		switch seen++; nounOf(dataType(it)) {
		case "":
			x.stands[(&reader{item: it}).text(attrID)] = it
		case store.Service:
			x.addService(it)
		default:
			x.addCredential(ctx, it)
		}
		if seen%reindexStep == 0 {
			progress(0, seen)
		}
	})
	if err != nil {
		return err
	}
	for _, d := range x.wanted {
		if d.kind == store.KindMapping {
			x.report.Mappings++
			continue
		}
		x.report.Claims++
		slices.SortFunc(d.holders, func(a, b string) int {
			return cmp.Or(cmp.Compare(x.rows[a].modified, x.rows[b].modified), cmp.Compare(a, b))
		})
	}
	// What stands but is not wanted has to be looked at too.
	for key := range x.stands {
		kind, id, _ := cutDocument(key)
		x.want(kind, id)
	}
	return nil
}

// claimantAttributes are what claims and mappings follow from.
func (s *Store) claimantAttributes() []string {
	return append([]string{attrID, attrDataType, attrModifiedDate, attrName}, s.services.noun.maps...)
}

// want returns what is known of a claim or mapping.
func (x *reindexing) want(kind, id string) *derived {
	key := documentKey(kind, id)
	d := x.wanted[key]
	if d == nil {
		d = &derived{kind: kind, id: id, noun: store.Credential}
		if kind == store.KindBlindName {
			d.noun = store.BlindCredential
		}
		x.wanted[key] = d
	}
	return d
}

func (x *reindexing) addCredential(ctx context.Context, it item) {
	id, row, err := readClaimant(it)
	if err != nil {
		x.store.log.ErrorContext(ctx, "a row is left out of the claims", "error", err)
		return
	}
	kind := store.KindCredentialName
	if row.dataType == string(store.BlindCredential) {
		kind = store.KindBlindName
		x.report.BlindCredentials++
	} else {
		x.report.Credentials++
	}
	x.rows[id] = row
	if row.name != "" {
		d := x.want(kind, store.NameID(row.name))
		d.name, d.holders = row.name, append(d.holders, id)
	}
}

func readClaimant(it item) (id string, row claimant, err error) {
	r := &reader{item: it}
	row = claimant{dataType: dataType(it), name: r.text(attrName)}
	if date := r.optional(attrModifiedDate); date != nil {
		row.modified = *date
	}
	return r.text(attrID), row, r.err
}

func (x *reindexing) addService(it item) {
	x.report.Services++
	id := (&reader{item: it}).text(attrID)
	for _, mapped := range missing(nil, x.store.services.noun.mapsOf(it)) {
		d := x.want(store.KindMapping, mapped)
		d.services = append(d.services, id)
	}
}

// mend makes some documents what they should be. Those that somebody else
// writes meanwhile are looked at again.
func (x *reindexing) mend(ctx context.Context, keys []string) error {
	keys = slices.DeleteFunc(slices.Clone(keys), x.right)
	var wait *backoff // since the last progress
	for round := 0; len(keys) > 0; round++ {
		if round > 0 {
			if err := x.reread(ctx, keys); err != nil {
				return err
			}
		}
		left, err := x.mendOnce(ctx, keys)
		if err != nil {
			return err
		}
		if wait == nil || len(left) < len(keys) {
			wait = &backoff{next: firstWait, until: time.Now().Add(longPatience)}
		}
		if len(left) > 0 && !wait.wait(ctx) {
			return wrap(ctx, "mending claims and mappings", fmt.Errorf("others keep writing %d of them", len(left)))
		}
		keys = left
	}
	return nil
}

// mendOnce writes what is not as it should be and returns the keys that somebody
// else was quicker with.
func (x *reindexing) mendOnce(ctx context.Context, keys []string) (left []string, err error) {
	services, err := x.mappings(ctx, keys)
	if err != nil {
		return nil, err
	}
	var (
		groups  [][]*action
		pending []string
		changes []string
	)
	for _, key := range keys {
		if group, change := x.mending(key, services); group != nil {
			groups, pending, changes = append(groups, group), append(pending, key), append(changes, change)
		}
	}
	var refused []int
	err = within(ctx, longPatience, func(ctx context.Context) (err error) {
		refused, err = x.store.settle(ctx, "mending claims and mappings", groups)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, change := range changes {
		if slices.Contains(refused, i) {
			left = append(left, pending[i])
		} else {
			x.report.Changed = append(x.report.Changed, change)
		}
	}
	return left, nil
}

// right reports whether a document stands as the scan says it should.
func (x *reindexing) right(key string) bool {
	d, stands := x.wanted[key], x.stands[key]
	if d.kind == store.KindMapping {
		r := &reader{item: stands}
		return slices.Equal(r.set(attrServices), slices.Sorted(slices.Values(d.services)))
	}
	if stands == nil {
		return len(d.holders) == 0
	}
	return slices.Contains(d.holders, holderOf(stands))
}

// reread reads documents, and then the rows that may bear their names, anew.
func (x *reindexing) reread(ctx context.Context, keys []string) error {
	documents, err := x.store.batch(ctx, x.store.table, keys)
	if err != nil {
		return err
	}
	var ids []string
	for _, key := range keys {
		d := x.wanted[key]
		if x.stands[key] = documents[key]; documents[key] == nil {
			delete(x.stands, key)
		} else if holder := holderOf(documents[key]); d.kind != store.KindMapping && holder != "" && !slices.Contains(d.holders, holder) {
			d.holders = append(d.holders, holder)
		}
		ids = append(ids, d.holders...)
	}
	ids = missing(nil, ids)
	rows, err := x.store.batch(ctx, x.store.table, ids, x.store.claimantAttributes()...)
	if err != nil {
		return err
	}
	for _, id := range ids {
		delete(x.rows, id)
		if _, row, err := readClaimant(rows[id]); err == nil {
			x.rows[id] = row
		}
	}
	return nil
}

// mappings reads what services map that may map an id. They are read after the
// documents: whoever changes a mapping thereafter moves its document's version.
func (x *reindexing) mappings(ctx context.Context, keys []string) (map[string]map[string]bool, error) {
	var ids []string
	for _, key := range keys {
		if d := x.wanted[key]; d.kind == store.KindMapping {
			r := &reader{item: x.stands[key]}
			ids = append(append(ids, d.services...), r.set(attrServices)...)
		}
	}
	ids = missing(nil, ids)
	n := x.store.services.noun
	rows, err := x.store.batch(ctx, x.store.table, ids, append([]string{attrID, attrDataType}, n.maps...)...)
	if err != nil {
		return nil, err
	}
	out := make(map[string]map[string]bool, len(rows))
	for id, it := range rows {
		out[id] = map[string]bool{}
		for _, mapped := range n.mapsOf(it) {
			out[id][mapped] = true
		}
	}
	return out, nil
}

// mending returns the actions that make a document what it should be, and the
// change in words; nil if it is so.
func (x *reindexing) mending(key string, services map[string]map[string]bool) ([]*action, string) {
	if x.wanted[key].kind == store.KindMapping {
		return x.mendMapping(key, services)
	}
	return x.mendClaim(key)
}

func (x *reindexing) mendMapping(key string, services map[string]map[string]bool) ([]*action, string) {
	d := x.wanted[key]
	r := &reader{item: x.stands[key]}
	before := r.set(attrServices)
	var after []string
	for _, id := range missing(nil, append(slices.Clone(before), d.services...)) {
		if services[id][d.id] {
			after = append(after, id)
		}
	}
	slices.Sort(after)
	if slices.Equal(before, after) {
		return nil, ""
	}
	a := putItem(x.store.table, mappingRow(d.id, after, r.integer(attrVersion, 0)+1))
	if x.stands[key] == nil {
		a.only(a.is(attrID, nil), nil)
	} else {
		a.only(a.is(attrVersion, x.stands[key][attrVersion]), nil)
	}
	return []*action{a}, fmt.Sprintf("%s %s: %v -> %v", d.kind, d.id, before, after)
}

// mendClaim lets a claim name somebody who bears the name; who does already is
// left alone.
func (x *reindexing) mendClaim(key string) ([]*action, string) {
	d, stands := x.wanted[key], x.stands[key]
	bears := func(id string) bool {
		row, ok := x.rows[id]
		return ok && row.dataType == string(d.noun) && store.NameID(row.name) == d.id
	}
	holder, bearer := "", ""
	if stands != nil {
		holder = holderOf(stands)
	}
	for _, id := range append([]string{holder}, d.holders...) {
		if bears(id) {
			bearer = id
			break
		}
	}
	if bearer == holder && (stands == nil) == (holder == "") {
		return nil, ""
	}
	a, name := removeItem(x.store.table, key), d.name
	witness := holder // that the holder does not bear the name
	if bearer != "" {
		witness, name = bearer, x.rows[bearer].name // that the bearer does
		a = putItem(x.store.table, x.claimRow(d.noun, name, bearer))
	}
	if stands == nil {
		a.only(a.is(attrID, nil), nil)
	} else {
		a.only(a.is(attrBody, stands[attrBody]), nil)
	}
	group := []*action{a}
	if witness != "" {
		group = append(group, x.stillNamed(witness))
	}
	return group, fmt.Sprintf("%s %q: %s -> %s", d.kind, cmp.Or(name, d.id), cmp.Or(holder, "none"), cmp.Or(bearer, "none"))
}

func (x *reindexing) claimRow(noun store.Noun, name, bearer string) item {
	if noun == store.BlindCredential {
		return x.store.blinds.noun.claimRow(name, bearer)
	}
	return x.store.credentials.noun.claimRow(name, bearer)
}

// stillNamed demands that a row bears the name that was read, or that there still
// is no row.
func (x *reindexing) stillNamed(id string) *action {
	a := checkItem(x.store.table, id)
	row, stands := x.rows[id]
	if stands {
		return a.only(all(a.is(attrDataType, text(row.dataType)), a.is(attrName, text(row.name))), nil)
	}
	isNamed := a.oneOf(attrDataType, string(store.Credential), string(store.BlindCredential))
	return a.only(either(a.is(attrID, nil), "NOT "+isNamed), nil)
}
