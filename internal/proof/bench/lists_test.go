package bench

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/server"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// lists measures what grows, or should not, with the number of credentials.
func (r *run) lists() {
	tiny, few, many := server.New(r, nil), server.New(r, nil), server.New(r, nil)
	for p, n := range map[*server.Program]int{tiny: r.tiny, few: r.few, many: r.many} {
		l := openLibrary(r.T, p)
		l.fill(r.T, n)
		if p == few {
			l.mapTo(r.T, r.scale.services, credentialID(0))
		}
		if p == many {
			r.searches(l)
		}
		l.close(r.T)
	}
	r.starts(tiny, many)
	fewToken, manyToken := few.UserToken("bench"), many.UserToken("bench")
	small, large := few.Start(), many.Start()
	r.pages(small, large, fewToken, manyToken)
	r.webPages(small, large, fewToken, manyToken)
	r.dependents(small, fewToken)
	r.memory(large, manyToken)
	small.Stop()
	large.Stop()
}

// searches measures the catalogue against a page of the list, in process.
func (r *run) searches(l *library) {
	ctx, one := r.Context(), r.many/2
	page := func() error {
		got, err := l.store.Credentials().List(ctx, revision.Page{Limit: 100})
		if err == nil && len(got.Items) != 100 {
			err = fmt.Errorf("a page holds %d rows, want 100", len(got.Items))
		}
		return err
	}
	for _, search := range []struct {
		what  string
		query store.Query
		hits  int
	}{
		{"a part of one name", store.Query{Text: fmt.Sprintf("base %06d", one)}, 1},
		{"a part of every name", store.Query{Text: "database"}, 100},
		{"a part of no name", store.Query{Text: "no such thing"}, 0},
		{"a key of one", store.Query{Key: keyName(one)}, 1},
		{"a key of all", store.Query{Key: sharedKey}, 100},
	} {
		search.query.Limit = 100
		search.query.Nouns = []store.Noun{store.Credential}
		find := func() error {
			got, err := l.store.Catalogue().Find(ctx, search.query)
			if err == nil && len(got.Entries) != search.hits {
				err = fmt.Errorf("searching %s finds %d, want %d", search.what, len(got.Entries), search.hits)
			}
			return err
		}
		got := r.compare(find, page)
		r.table.add(line{
			what:  fmt.Sprintf("search among %d: %s", r.many, search.what),
			value: each(got.a), against: "a page of 100 " + each(got.b), ratio: 1 / got.ratio, target: 3,
		})
	}
}

// compare measures in turns how often per second two acts can be done.
func (r *run) compare(a, b func() error) pair {
	timed := func(f func() error) func() rate {
		return func() rate {
			began := time.Now()
			for n := 0; ; n++ {
				if elapsed := time.Since(began); n > 0 && elapsed >= r.window/4 {
					return rate{n, elapsed}
				}
				if err := f(); err != nil {
					r.Fatal(err)
				}
			}
		}
	}
	return r.alternate(timed(a), timed(b))
}

// pager walks through a list, page by page, and begins again at its end.
type pager struct {
	c     *connection
	token string
	next  string
	pages int // of one walk
}

var nextPage = regexp.MustCompile(`"next_page": ?"([^"]+)"`)

func (p *pager) fetch() error {
	body, err := p.c.fetch(appendRequest(nil, http.MethodGet, "/v1/credentials?limit=100"+p.next, p.token, nil))
	if err != nil {
		return err
	}
	p.pages++
	p.next = ""
	if m := nextPage.FindSubmatch(body); m != nil {
		p.next = "&page=" + string(m[1])
	}
	return nil
}

func (r *run) pager(s *server.Server, token string) *pager {
	r.Helper()
	c, err := dial(address(s))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = c.conn.Close() }) // it was only read from
	return &pager{c: c, token: token}
}

func (r *run) pages(small, large *server.Server, smallToken, largeToken string) {
	got := r.compare(r.pager(large, largeToken).fetch, r.pager(small, smallToken).fetch)
	r.table.add(line{
		what: fmt.Sprintf("a page of 100 out of %d", r.many), value: each(got.a),
		against: fmt.Sprintf("out of %d %s", r.few, each(got.b)), ratio: 1 / got.ratio, target: 2,
	})
}

func (r *run) dependents(s *server.Server, token string) {
	c := r.pager(s, token).c
	fetch := func(path string) func() error {
		return func() error { return c.exchange(appendRequest(nil, http.MethodGet, path, token, nil)) }
	}
	got := r.compare(fetch("/v1/credentials/"+credentialID(0)+"/services"), fetch("/v1/services?limit="+strconv.Itoa(r.scale.services)))
	r.table.add(line{
		what: fmt.Sprintf("dependents of a credential with %d services", r.scale.services), value: each(got.a),
		against: fmt.Sprintf("a list of %d services %s", r.scale.services, each(got.b)), ratio: 1 / got.ratio,
	})
}

// starts measures how long a server takes to become ready.
func (r *run) starts(tiny, many *server.Program) {
	ready := func(p *server.Program) func() rate {
		return func() rate {
			began := time.Now()
			s := p.Start()
			elapsed := time.Since(began)
			s.Stop()
			return rate{1, elapsed}
		}
	}
	got := r.alternate(ready(many), ready(tiny))
	r.table.add(line{
		what: fmt.Sprintf("ready with %d credentials", r.many), value: each(got.a),
		against: fmt.Sprintf("with %d %s", r.tiny, each(got.b)), ratio: 1 / got.ratio, target: 2,
	})
}

// memory measures what a server takes after it has listed everything and opened
// many.
func (r *run) memory(s *server.Server, token string) {
	p := r.pager(s, token)
	for p.pages == 0 || p.next != "" {
		if err := p.fetch(); err != nil {
			r.Fatal(err)
		}
	}
	fetched := r.loading(address(s), 16, func(b []byte, _ int) []byte {
		return appendRequest(b, http.MethodGet, "/v1/credentials/"+credentialID(rand.IntN(r.many)), token, nil)
	})()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		r.Fatal(err)
	}
	peak, now := mebibytes(r.T, status, "VmHWM"), mebibytes(r.T, status, "VmRSS")
	r.table.add(line{
		what:  fmt.Sprintf("resident memory after %d pages and %d fetches", p.pages, fetched.requests),
		value: fmt.Sprintf("%.0f MiB", now), against: fmt.Sprintf("at its peak %.0f MiB", peak),
		ratio: now, target: 120, unit: " MiB",
	})
}

func mebibytes(t *testing.T, status []byte, name string) float64 {
	t.Helper()
	for line := range strings.Lines(string(status)) {
		var kib float64
		if _, err := fmt.Sscanf(line, name+": %f kB", &kib); err == nil {
			return kib / 1024
		}
	}
	t.Fatalf("the process status has no %s", name)
	return 0
}
