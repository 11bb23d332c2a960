package httpapi

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/revision"
)

// column returns one member of every item of a list.
func (a answer) column(list, member string) []string {
	a.t.Helper()
	items, ok := a.at(list).([]any)
	if !ok {
		a.t.Fatalf("%s: %s is no list: %s", a.what, list, a.body)
	}
	values := make([]string, len(items))
	for i, item := range items {
		row, _ := item.(members)
		values[i] = fmt.Sprint(row[member])
	}
	return values
}

func (a answer) wantColumn(list, member string, want ...string) answer {
	a.t.Helper()
	if got := a.column(list, member); !slices.Equal(got, want) {
		a.t.Errorf("%s: %s of %s are %q, want %q", a.what, member, list, got, want)
	}
	return a
}

func TestLists_StandInTheOrderOfNamesWithinThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.options.Settings.HistoryPageLimit = 2 })
	for _, name := range []string{"b", "C", "a", "B"} {
		w.credential(name, members{"k": "v"})
		w.post("ada", "/v1/blind_credentials", sealedByClient(name)).want(200)
		w.service("svc-" + name)
	}
	// Everything: by name, equal ones oldest first.
	all := w.get("ada", "/v1/credentials?page=").want(200).wantAt("next_page", "null")
	all.wantColumn("credentials", "name", "a", "b", "B", "C").wantAt("credentials/0/credential_keys", "[]").
		wantAt("credentials/0/credential_pairs", "{}").wantAt("credentials/0/permissions", "{}")
	w.get("ada", "/v1/services").wantColumn("services", "id", "svc-a", "svc-b", "svc-B", "svc-C").
		wantAt("services/0/credentials", "[]").wantAt("services/0/account", "null").wantAt("services/0/permissions", "{}")
	// Blind ones by age.
	w.get("ada", "/v1/blind_credentials").wantAt("next_page", "null").wantColumn("blind_credentials", "name", "b", "C", "a", "B")
	// Pages: the newest two, by name among themselves.
	for _, list := range []string{"credentials", "services", "blind_credentials"} {
		page := w.get("ada", "/v1/"+list+"?limit=3").want(200)
		member := map[string]string{"services": "id"}[list]
		if member == "" {
			member = "name"
		}
		got := page.column(list, member)
		want := map[string][]string{
			"credentials": {"a", "B", "C"}, "services": {"svc-a", "svc-B", "svc-C"}, "blind_credentials": {"B", "a", "C"},
		}[list]
		if !slices.Equal(got, want) {
			t.Errorf("the first page of %s is %q, want %q", list, got, want)
		}
		last := w.get("ada", "/v1/"+list+"?limit=3&page="+url.QueryEscape(page.text("next_page"))).want(200).wantAt("next_page", "null")
		if rest := last.column(list, member); len(rest) != 1 {
			t.Errorf("the last page of %s is %q", list, rest)
		}
	}
	for _, ignored := range []string{"0", "-1", "x", "99999999999999999999", "1.5"} {
		w.get("ada", "/v1/credentials?limit="+ignored).wantColumn("credentials", "name", "a", "b", "B", "C")
		w.get("ada", "/v1/archive/credentials?limit="+ignored).wantColumn("credentials", "name", "a", "B")
	}
}

func TestLists_HistoryIsWalkedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ids := map[string]string{"credentials": w.credential("n", members{"a": "b"}), "services": "svc-a"}
	w.service("svc-a")
	ids["blind_credentials"] = w.post("ada", "/v1/blind_credentials", sealedByClient("n")).text("id")
	for range 4 {
		for kind, id := range ids {
			w.put("ada", "/v1/"+kind+"/"+id, members{"enabled": false}).want(200)
		}
	}
	for kind, id := range ids {
		want := []string{id + "-1", id + "-2", id + "-3", id + "-4", id + "-5"}
		if got := w.get("ada", "/v1/archive/"+kind).want(200).wantAt("next_page", "null").column(kind, "id"); len(got) != 5 {
			t.Errorf("%s: %q without a limit, want five", kind, got)
		}
		for _, parameter := range []string{"page", "next_page"} {
			var got []string
			path := "/v1/archive/" + kind + "?limit=2"
			for more := true; more; {
				a := w.get("ada", path).want(200)
				got = append(got, a.column(kind, "id")...)
				token, _ := a.at("next_page").(string)
				path = "/v1/archive/" + kind + "?limit=2&" + parameter + "=" + url.QueryEscape(token)
				more = token != ""
				if len(got) > 20 {
					t.Fatalf("%s: the walk does not end", kind)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s by %s: %q, want %q", kind, parameter, got, want)
			}
		}
	}
}

func TestLists_ATokenThatIsNoneOfTheListIs400(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.credential("n", members{"a": "b"})
	lists := map[string]string{
		"/v1/credentials": "credential", "/v1/archive/credentials": "archive-credential",
		"/v1/services": "service", "/v1/archive/services": "archive-service",
		"/v1/blind_credentials": "blind-credential", "/v1/archive/blind_credentials": "archive-blind-credential",
	}
	for path, list := range lists {
		own := revision.Cursor{List: list, ModifiedDate: w.clock.Now(), ID: "x-1"}.Token()
		for _, q := range []string{"?page=" + own, "?limit=1&page=" + own, "?limit=1&next_page=" + own} {
			w.get("ada", path+q).want(200)
		}
		other := revision.Cursor{List: "other", ModifiedDate: w.clock.Now(), ID: "x"}.Token()
		for _, token := range []string{"garbage", "e30", other, strings.Repeat("A", 5000), "%00"} {
			for _, q := range []string{"?page=", "?limit=2&page=", "?next_page="} {
				w.get("ada", path+q+token).wantError(400, "Failed to parse page")
			}
		}
		// Of two parameters the first name counts.
		w.get("ada", path+"?page="+own+"&next_page=garbage").want(200)
	}
}

func TestLists_LongOnesAreSentInPieces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const n = 150
	for i := range n {
		w.post("ada", "/v1/credentials", members{
			"name": fmt.Sprintf("name %03d", (i*7)%n), "credential_pairs": members{"a": "b"}, "documentation": strings.Repeat("long ", 100),
		}).want(200)
	}
	a := w.get("ada", "/v1/credentials").want(200)
	names := a.column("credentials", "name")
	if len(names) != n || !slices.IsSorted(names) || len(a.body) < 2*chunk {
		t.Errorf("%d names in %d bytes, sorted %v", len(names), len(a.body), slices.IsSorted(names))
	}
	if a.header.Get("Content-Length") != "" {
		t.Errorf("Content-Length %q of what is sent in pieces", a.header.Get("Content-Length"))
	}
}

func TestLists_AServiceSeesWhatIsMappedToIt(t *testing.T) {
	t.Parallel()
	w, ids := furnished(t, nil)
	w.post("ada", "/v1/blind_credentials", sealedByClient("other")).want(200)
	w.get("svc-a", "/v1/blind_credentials").want(200).wantColumn("blind_credentials", "id", ids["blind_credential"])
	w.get("svc-b", "/v1/blind_credentials").want(200).wantAt("blind_credentials", "[]")
	w.get("svc-a", "/v1/credentials").want(403)
}
