package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

var catalogueTests = []test{
	{"finds what matches all that is asked", findMatches},
	{"tells what is public about a row", findEntry},
	{"sorts by name, change and rotation, both ways", findSorts},
	{"pages in each order, each entry once", findPages},
	{"pages through a large store", findLarge},
	{"follows changes of rows", findFollows},
	{"finds what is to be rotated", findDue},
	{"finds what is mapped and what is not", findMapped},
	{"counts what it would find", summaryCounts},
	{"counts ages and days", summaryAgesAndDays},
	{"brings the limit into its range", findLimit},
	{"refuses a foreign token", findForeignToken},
}

// Ids of the catalogue's fixture.
var (
	api, db, transfer = hexID(0xc0, 1), hexID(0xc0, 2), hexID(0xc0, 3)
	blindOne          = hexID(0xb0, 1)
)

const production, zahlung = "payments-production", "Zahlung"

// stock fills a store with a few things that differ in all that can be asked
// for. In the order of their names: blindOne, api, db, production, zahlung,
// transfer.
func stock(t *testing.T, st store.Store) {
	t.Helper()
	c := credentials().bare(1)
	c.Name, c.KeyNames, c.Tags, c.Enabled, c.ModifiedBy = "Payments API", []string{"api_key", "user"}, []string{"FIN", "team pay"}, true, "ann"
	c.LastRotation = moment(5)
	put(t, st.Credentials(), api, nil, c)
	c = credentials().bare(2)
	c.Name, c.KeyNames, c.Tags, c.ModifiedBy = "payments db", []string{"db_password", "user"}, []string{"FIN"}, "bob"
	put(t, st.Credentials(), db, nil, c)
	c = credentials().bare(3)
	c.Name, c.KeyNames, c.Enabled, c.ModifiedBy = "Überweisung", []string{"id"}, true, "ann"
	c.LastRotation = moment(1)
	put(t, st.Credentials(), transfer, nil, c)
	b := blindCredentials().bare(4)
	b.Name, b.KeyNames, b.Enabled, b.ModifiedBy = "Blind payments", []string{"api_key"}, true, "ann"
	put(t, st.BlindCredentials(), blindOne, nil, b)
	s := mapped(5, []string{api, db}, []string{blindOne})
	s.Enabled, s.ModifiedBy = true, "bob"
	put(t, st.Services(), production, nil, s)
	s = mapped(6, []string{api}, nil)
	s.ModifiedBy = "carol"
	put(t, st.Services(), zahlung, nil, s)
}

// find returns the ids of all pages.
func find(t *testing.T, st store.Store, q store.Query) []string {
	t.Helper()
	ids := []string{}
	for range 10_000 {
		found, err := st.Catalogue().Find(t.Context(), q)
		if err != nil {
			t.Fatalf("Find(%+v): %v", q, err)
		}
		if len(found.Entries) > q.Limit {
			t.Fatalf("Find(%+v) gives %d entries", q, len(found.Entries))
		}
		for _, e := range found.Entries {
			ids = append(ids, e.ID)
		}
		if found.Next == "" {
			return ids
		}
		q.After = found.Next
	}
	t.Fatal("the pages do not end")
	return nil
}

func (s suite) wantFound(t *testing.T, st store.Store, what string, q store.Query, want ...string) {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	s.eventually(t, func() string {
		if d := diff(want, find(t, st, q)); d != "" {
			return what + ": " + d
		}
		return ""
	})
}

func findMatches(t *testing.T, s suite, st store.Store) {
	stock(t, st)
	s.wantFound(t, st, "everything", store.Query{}, blindOne, api, db, production, zahlung, transfer)
	for text, want := range map[string][]string{
		"PAYMENTS":       {blindOne, api, db, production},
		"ments a":        {api},
		"api_k":          {blindOne, api},
		"fin":            {api, db},
		"Team Pay":       {api},
		"ÜBERW":          {transfer},
		"ü":              {transfer},
		"id":             {transfer},
		"y":              {blindOne, api, db, production},
		"_":              {blindOne, api, db},
		"nts-prod":       {production},
		"AHLUN":          {zahlung},
		api:              {api},
		api[:8]:          nil,
		"%":              nil,
		`"`:              nil,
		"'":              nil,
		"*":              nil,
		"api user":       nil,
		"payments OR db": nil,
		"useruser":       nil,
	} {
		s.wantFound(t, st, fmt.Sprintf("text %q", text), store.Query{Text: text}, want...)
	}
	yes, no := true, false
	for what, q := range map[string]struct {
		query store.Query
		want  []string
	}{
		"key api_key":                {store.Query{Key: "api_key"}, []string{blindOne, api}},
		"key id":                     {store.Query{Key: "id"}, []string{transfer}},
		"part of a key":              {store.Query{Key: "api"}, nil},
		"key in other case":          {store.Query{Key: "API_KEY"}, nil},
		"tag FIN":                    {store.Query{Tag: "FIN"}, []string{api, db}},
		"tag in other case":          {store.Query{Tag: "fin"}, nil},
		"a key as a tag":             {store.Query{Tag: "user"}, nil},
		"mapped by one":              {store.Query{MappedBy: production}, []string{blindOne, api, db}},
		"mapped by another":          {store.Query{MappedBy: zahlung}, []string{api}},
		"mapped by nobody":           {store.Query{MappedBy: "nobody"}, nil},
		"modified by ann":            {store.Query{ModifiedBy: "ann"}, []string{blindOne, api, transfer}},
		"modified by an":             {store.Query{ModifiedBy: "an"}, nil},
		"enabled":                    {store.Query{Enabled: &yes}, []string{blindOne, api, production, transfer}},
		"disabled":                   {store.Query{Enabled: &no}, []string{db, zahlung}},
		"credentials":                {store.Query{Nouns: []store.Noun{store.Credential}}, []string{api, db, transfer}},
		"two nouns":                  {store.Query{Nouns: []store.Noun{store.Service, store.BlindCredential}}, []string{blindOne, production, zahlung}},
		"all that can match":         {store.Query{Text: "pay", Nouns: []store.Noun{store.Credential}, Key: "user", Tag: "FIN", MappedBy: production, ModifiedBy: "ann", Enabled: &yes}, []string{api}},
		"text and key":               {store.Query{Text: "payments", Key: "user"}, []string{api, db}},
		"key and tag":                {store.Query{Key: "api_key", Tag: "FIN"}, []string{api}},
		"short text and key":         {store.Query{Text: "db", Key: "user"}, []string{db}},
		"mapped and by whom":         {store.Query{MappedBy: production, ModifiedBy: "bob"}, []string{db}},
		"nothing of it all":          {store.Query{Text: "payments", ModifiedBy: "carol"}, nil},
		"mapped, disabled":           {store.Query{MappedBy: production, Enabled: &no}, []string{db}},
		"mapped":                     {store.Query{Mapped: &yes}, []string{blindOne, api, db}},
		"not mapped":                 {store.Query{Mapped: &no}, []string{transfer}},
		"disabled, mapped":           {store.Query{Enabled: &no, Mapped: &yes}, []string{db}},
		"a mapped service":           {store.Query{Nouns: []store.Noun{store.Service}, Mapped: &yes}, nil},
		"an unmapped service":        {store.Query{Nouns: []store.Noun{store.Service}, Mapped: &no}, nil},
		"changed since":              {store.Query{ModifiedSince: moment(4)}, []string{blindOne, production, zahlung}},
		"changed a bit later":        {store.Query{ModifiedSince: moment(4).Add(1)}, []string{production, zahlung}},
		"changed since, newest":      {store.Query{ModifiedSince: moment(4), Sort: store.SortModified, Descending: true}, []string{zahlung, production, blindOne}},
		"changed since, oldest":      {store.Query{ModifiedSince: moment(4), Sort: store.SortModified}, []string{blindOne, production, zahlung}},
		"never rotated":              {store.Query{NeverRotated: true}, []string{api, db, transfer}},
		"never rotated, by rotation": {store.Query{NeverRotated: true, Sort: store.SortRotation}, []string{db, transfer, api}},
		"no rule of rotation":        {store.Query{Due: true, At: moment(100)}, nil},
		"no rule but of exemption":   {store.Query{Due: true, At: moment(100), Rules: credential.Rotation{Exempt: []string{"FIN"}}}, nil},
		"all of attention": {
			store.Query{Due: true, At: moment(6).AddDate(0, 0, 3), Rules: credential.Rotation{Maximum: 3}, NeverRotated: true, Mapped: &yes, Enabled: &no, ModifiedSince: moment(2), Text: "pay", Tag: "FIN", Key: "user"},
			[]string{db},
		},
		"a service that maps nothing of the noun": {store.Query{MappedBy: zahlung, Nouns: []store.Noun{store.BlindCredential}}, nil},
	} {
		s.wantFound(t, st, what, q.query, q.want...)
	}
}

func findEntry(t *testing.T, s suite, st store.Store) {
	stock(t, st)
	before := time.Now().Add(-time.Minute)
	s.eventually(t, func() string {
		found, err := st.Catalogue().Find(t.Context(), store.Query{Limit: 10})
		if err != nil {
			return fmt.Sprintf("Find: %v", err)
		}
		if found.AsOf.Before(before) {
			return fmt.Sprintf("the answer is as of %v, want now", found.AsOf)
		}
		want := []store.Entry{
			{Noun: store.BlindCredential, ID: blindOne, Name: "Blind payments", KeyNames: []string{"api_key"}, Enabled: true, Revision: 1, ModifiedDate: moment(4), ModifiedBy: "ann", Services: 1},
			{Noun: store.Credential, ID: api, Name: "Payments API", KeyNames: []string{"api_key", "user"}, Tags: []string{"FIN", "team pay"}, Enabled: true, Revision: 1, ModifiedDate: moment(1), ModifiedBy: "ann", LastRotation: moment(5), Services: 2},
			{Noun: store.Credential, ID: db, Name: "payments db", KeyNames: []string{"db_password", "user"}, Tags: []string{"FIN"}, Revision: 1, ModifiedDate: moment(2), ModifiedBy: "bob", Services: 1},
			{Noun: store.Service, ID: production, Name: production, Enabled: true, Revision: 1, ModifiedDate: moment(5), ModifiedBy: "bob"},
			{Noun: store.Service, ID: zahlung, Name: zahlung, Revision: 1, ModifiedDate: moment(6), ModifiedBy: "carol"},
			{Noun: store.Credential, ID: transfer, Name: "Überweisung", KeyNames: []string{"id"}, Enabled: true, Revision: 1, ModifiedDate: moment(3), ModifiedBy: "ann", LastRotation: moment(1)},
		}
		return diff(want, found.Entries)
	})
}

func findSorts(t *testing.T, s suite, st store.Store) {
	stock(t, st)
	for _, order := range sorts {
		for _, descending := range []bool{false, true} {
			want := slices.Clone(order.want)
			if descending {
				slices.Reverse(want)
			}
			s.wantFound(t, st, fmt.Sprintf("sorted by %q, descending %v", order.by, descending),
				store.Query{Sort: order.by, Descending: descending}, want...)
		}
	}
}

// sorts are the orders and the fixture in each. What was never rotated counts as
// the oldest, and equal dates are in the order of the ids.
var sorts = []struct {
	by   store.Sort
	want []string
}{
	{"", []string{blindOne, api, db, production, zahlung, transfer}},
	{store.SortName, []string{blindOne, api, db, production, zahlung, transfer}},
	{store.SortModified, []string{api, db, transfer, blindOne, production, zahlung}},
	{store.SortRotation, []string{zahlung, blindOne, db, production, transfer, api}},
}

func findPages(t *testing.T, s suite, st store.Store) {
	stock(t, st)
	for _, order := range sorts {
		for limit := 1; limit <= 7; limit++ {
			want := slices.Clone(order.want)
			s.wantFound(t, st, fmt.Sprintf("pages of %d sorted by %q", limit, order.by), store.Query{Sort: order.by, Limit: limit}, want...)
			slices.Reverse(want)
			s.wantFound(t, st, fmt.Sprintf("pages of %d sorted by %q, descending", limit, order.by),
				store.Query{Sort: order.by, Limit: limit, Descending: true}, want...)
		}
	}
	s.wantFound(t, st, "pages of one of a search", store.Query{Text: "payments", Limit: 1}, blindOne, api, db, production)
	s.wantFound(t, st, "pages of one of a short search", store.Query{Text: "y", Limit: 1}, blindOne, api, db, production)
	s.wantFound(t, st, "pages of one of a mapping", store.Query{MappedBy: production, Limit: 1}, blindOne, api, db)
}

// findLarge has names that come in one order and dates in another, and equal
// names and dates among the nouns.
func findLarge(t *testing.T, s suite, st store.Store) {
	const n = 60
	var byName, byDate []string
	for i := range n {
		c := credentials().bare(i % 7)
		c.Name, c.KeyNames = fmt.Sprintf("thing %03d", (i*37)%n), []string{"key", fmt.Sprintf("key%d", i%3)}
		put(t, st.Credentials(), hexID(0xc0, i), nil, c)
		b := blindCredentials().bare(i % 7)
		b.Name, b.KeyNames = c.Name, c.KeyNames
		put(t, st.BlindCredentials(), hexID(0xb0, i), nil, b)
	}
	placed := map[int]int{} // number in the name -> thing
	for i := range n {
		placed[(i*37)%n] = i
	}
	for i := range n {
		byName = append(byName, hexID(0xb0, placed[i]), hexID(0xc0, placed[i]))
	}
	for day := range 7 {
		for _, first := range []byte{0xb0, 0xc0} {
			for i := day; i < n; i += 7 {
				byDate = append(byDate, hexID(first, i))
			}
		}
	}
	for _, limit := range []int{13, 119, 120, 500} {
		for _, q := range []store.Query{{}, {Text: "thing"}, {Key: "key"}, {Text: "in"}} {
			q.Limit = limit
			q.Sort = store.SortName
			s.wantFound(t, st, fmt.Sprintf("%+v", q), q, byName...)
			q.Sort, q.Descending = store.SortModified, true
			want := slices.Clone(byDate)
			slices.Reverse(want)
			s.wantFound(t, st, fmt.Sprintf("%+v", q), q, want...)
		}
	}
	s.wantFound(t, st, "one of many by text", store.Query{Text: "ing 007"}, byName[14], byName[15])
}

func findFollows(t *testing.T, s suite, st store.Store) {
	stock(t, st)
	s.wantFound(t, st, "before", store.Query{Text: "payments db"}, db)
	c := credentials().bare(20)
	c.Name, c.KeyNames, c.Tags, c.Enabled, c.LastRotation = "Ledger", []string{"token"}, []string{"AUDIT"}, true, moment(3)
	put(t, st.Credentials(), db, get(t, st.Credentials(), db), c)
	s.wantFound(t, st, "the new name", store.Query{Text: "ledger"}, db)
	s.wantFound(t, st, "the new key", store.Query{Key: "token"}, db)
	s.wantFound(t, st, "part of the new key", store.Query{Text: "toke"}, db)
	s.wantFound(t, st, "the new tag", store.Query{Tag: "AUDIT"}, db)
	s.wantFound(t, st, "the old name", store.Query{Text: "payments db"})
	s.wantFound(t, st, "the old key", store.Query{Key: "db_password"})
	s.wantFound(t, st, "part of the old key", store.Query{Text: "db_pass"})
	s.wantFound(t, st, "the old tag", store.Query{Tag: "FIN"}, api)
	yes, no := true, false
	s.wantFound(t, st, "now enabled", store.Query{Enabled: &yes, Nouns: []store.Noun{store.Credential}}, db, api, transfer)
	s.wantFound(t, st, "still disabled", store.Query{Enabled: &no}, zahlung)
	s.wantFound(t, st, "by its new author", store.Query{ModifiedBy: c.ModifiedBy}, db)
	s.wantFound(t, st, "by its old author", store.Query{ModifiedBy: "bob"}, production)
	s.wantFound(t, st, "in its new place by name", store.Query{}, blindOne, db, api, production, zahlung, transfer)
	s.wantFound(t, st, "in its new place by change", store.Query{Sort: store.SortModified, Descending: true}, db, zahlung, production, blindOne, transfer, api)
	s.wantFound(t, st, "in its new place by rotation", store.Query{Sort: store.SortRotation, Nouns: []store.Noun{store.Credential}}, transfer, db, api)
	service := get(t, st.Services(), production)
	service = put(t, st.Services(), production, service, mapped(30, []string{transfer}, nil))
	s.wantFound(t, st, "the new mapping", store.Query{MappedBy: production}, transfer)
	if err := st.Services().Delete(t.Context(), production, service.Revision, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if err := st.Credentials().Delete(t.Context(), db, 2, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	s.wantFound(t, st, "after deletions", store.Query{}, blindOne, api, zahlung, transfer)
	s.wantFound(t, st, "the mapping of a deleted service", store.Query{MappedBy: production})
	s.wantFound(t, st, "the deleted key", store.Query{Key: "token"})
	s.wantFound(t, st, "the deleted name", store.Query{Text: "ledger"})
}

func findLimit(t *testing.T, s suite, st store.Store) {
	stock(t, st)
	s.wantFound(t, st, "everything", store.Query{}, blindOne, api, db, production, zahlung, transfer)
	for limit, want := range map[int]int{-1: 1, 0: 1, 1001: 6, 1 << 30: 6} {
		found, err := st.Catalogue().Find(t.Context(), store.Query{Limit: limit})
		if err != nil || len(found.Entries) != want {
			t.Errorf("limit %d: %d entries, %v; want %d", limit, len(found.Entries), err, want)
		}
	}
}

func findForeignToken(t *testing.T, s suite, st store.Store) {
	stock(t, st)
	s.wantFound(t, st, "everything", store.Query{}, blindOne, api, db, production, zahlung, transfer)
	found, err := st.Catalogue().Find(t.Context(), store.Query{Limit: 1})
	if err != nil || found.Next == "" {
		t.Fatalf("Find: next %q, %v; want a next page", found.Next, err)
	}
	for what, q := range map[string]store.Query{
		"no token":            {After: "%%%"},
		"no token's content":  {After: "e30"},
		"a cut token":         {After: found.Next[:len(found.Next)/2]},
		"another order":       {After: found.Next, Sort: store.SortModified},
		"the other direction": {After: found.Next, Descending: true},
	} {
		q.Limit = 10
		_, err := st.Catalogue().Find(t.Context(), q)
		wantError(t, what, err, revision.ErrCursor)
	}
}
