package httpapi

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// readsStore are the pages that show what is stored.
func readsStore(r route) bool {
	return r.method == http.MethodGet && !slices.Contains(asksNothing, r.name)
}

func TestEveryPage_WantsAProof(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	for _, r := range pageRows() {
		q := request{method: r.method, path: r.example(ids)}
		if r.method == http.MethodPost {
			q.body, q.type_ = "key=password", urlEncoded
		}
		refreshRefusals(w)
		for _, as := range []string{"", "gone", "broken"} {
			q.as = as
			before := w.audit.len()
			a := w.do(q)
			a.checkPage()
			want, records := 302, 1
			switch {
			case as == "broken":
				want = 403
			case r.method == http.MethodPost:
				want = 303
			}
			if as == "" {
				records = 0 // nothing to record of who has no proof and only wants a page
			}
			entries := w.audit.since(before)
			if a.status != want || len(entries) != records {
				t.Errorf("%s: %d and audit records %+v, want %d and %d", a.what, a.status, entries, want, records)
			}
			for _, e := range entries {
				if e.Success || e.Action != "authenticate" || e.Door != "page" || e.Info["route"] != r.name {
					t.Errorf("%s: audit record %+v", a.what, e)
				}
			}
		}
		w.clock.advance(2 * time.Minute)
	}
}

func TestEveryPage_IsCompressedOnlyWhereItCarriesNeitherValueNorToken(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	for _, r := range pageRows() {
		q := request{method: r.method, path: r.example(ids), as: "ada", header: []string{"Accept-Encoding", "gzip"}}
		if r.method == http.MethodPost {
			q.body, q.type_ = "key=password", urlEncoded
		}
		a := w.do(q)
		a.checkPage()
		want := ""
		if r.name == "GET /resources" {
			want = "gzip"
		}
		if got := a.header.Get("Content-Encoding"); got != want || a.status >= 500 {
			t.Errorf("%s: %d, Content-Encoding = %q, want %q", a.what, a.status, got, want)
		}
	}

	plain := w.get("ada", "/resources").want(200)
	packed := w.do(request{method: "GET", path: "/resources", as: "ada", header: []string{"Accept-Encoding", "br, gzip;q=0.5"}}).want(200)
	r, err := gzip.NewReader(bytes.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(unpacked, plain.body) {
		t.Errorf("unpacked it is another page of %d bytes, %v; want %d", len(unpacked), err, len(plain.body))
	}
	for what, a := range map[string]answer{"plain": plain, "packed": packed} {
		if got := a.header.Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("%s: Vary = %q", what, got)
		}
	}
	if packed.header.Get("Content-Length") != "" {
		t.Error("a packed page has the length of the plain one")
	}
	if a := w.do(request{method: "GET", path: "/resources", as: "ada", header: []string{"Accept-Encoding", "gzip;q=0"}}); a.header.Get("Content-Encoding") != "" {
		t.Error("it is packed for a client that does not want it")
	}
	if a := w.do(request{method: "HEAD", path: "/resources", as: "ada", header: []string{"Accept-Encoding", "gzip"}}); a.status != 200 || a.header.Get("Content-Encoding") != "" {
		t.Errorf("HEAD: %d, Content-Encoding = %q", a.status, a.header.Get("Content-Encoding"))
	}
	// A redirect and an error stand as they are.
	gzipped := []string{"Accept-Encoding", "gzip"}
	for _, a := range []answer{
		w.do(request{method: "GET", path: "/resources?after=nonsense", as: "ada", header: gzipped}),
		w.do(request{method: "GET", path: "/resources", as: "broken", header: gzipped}),
		w.do(request{method: "GET", path: "/resources", header: gzipped}),
	} {
		if got := a.header.Get("Content-Encoding"); a.status == 200 || got != "" {
			t.Errorf("%s: %d, Content-Encoding = %q", a.what, a.status, got)
		}
	}
}

func TestPages_WithoutAnAuditLogTellNothingAndDoNothing(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	rows := w.rows()
	w.audit.fail(true)
	for _, r := range pageRows() {
		if !readsStore(r) {
			continue
		}
		a := w.do(request{method: r.method, path: r.example(ids), as: "ada"})
		a.checkPage()
		if a.status != 503 || a.header.Get("Retry-After") == "" || strings.Contains(string(a.body), "gateway") {
			t.Errorf("%s: %d %s, want a 503 page with Retry-After", a.what, a.status, words(a))
		}
	}
	a := w.do(request{method: "POST", path: "/credentials/" + ids["credential"] + "/reveal", as: "ada", body: "key=password", type_: urlEncoded})
	if a.status != 503 || strings.Contains(string(a.body), "not-a-real-one") {
		t.Errorf("%s: %d %s", a.what, a.status, words(a))
	}
	w.audit.fail(false)
	if got := w.rows(); got != rows {
		t.Errorf("%d revisions, want %d: something was written", got, rows)
	}
}

func TestPages_WithoutTheStoreAre503(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, func(s *setup) { s.cache = -1 })
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	for _, r := range pageRows() {
		if !readsStore(r) {
			continue
		}
		before := w.audit.len()
		a := w.do(request{method: r.method, path: r.example(ids), as: "ada"})
		a.checkPage()
		entries := w.audit.since(before)
		if a.status != 503 || a.header.Get("Retry-After") == "" || len(entries) != 1 || entries[0].Success {
			t.Errorf("%s: %d %s, audit records %+v", a.what, a.status, words(a), entries)
		}
	}
	w.get("ada", "/help").want(200)
}

func TestEveryPage_AnswersHEADWithoutABody(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	for _, r := range pageRows() {
		if r.method != http.MethodGet {
			continue
		}
		get, head := w.get("ada", r.example(ids)), w.do(request{method: http.MethodHead, path: r.example(ids), as: "ada"})
		if head.status != get.status || head.header.Get("Location") != get.header.Get("Location") {
			t.Errorf("%s: %d to %q, GET gets %d to %q", head.what, head.status, head.header.Get("Location"), get.status, get.header.Get("Location"))
		}
	}
}
