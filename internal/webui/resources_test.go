package webui_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/vault"
)

// names returns the names in the list of a page, in their order.
func names(p page) string {
	var out []string
	for _, m := range regexp.MustCompile(`<th scope="row"[^>]*><a href="[^"]*">([^<]*)</a>`).FindAllStringSubmatch(p.body, -1) {
		out = append(out, m[1])
	}
	return strings.Join(out, " ")
}

func TestResources_AreNarrowedAndSortedByTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	alpha := w.credential("alpha", map[string]string{"token": "x"})
	w.credential("beta", map[string]string{"user": "x", "password": "x"})
	gamma := w.credential("gamma", map[string]string{"user2": "x"})
	w.service("svc", alpha, gamma)
	w.now = w.now.Add(time.Minute)
	off := false
	_, err := w.vault.UpdateCredential(t.Context(), caller("carol@example.com"), gamma, vault.CredentialChange{Enabled: &off, Tags: &[]string{"pci"}})
	must(t, err)
	for query, want := range map[string]string{
		"":                              "alpha beta gamma svc",
		"order=desc":                    "svc gamma beta alpha",
		"q=USER":                        "beta gamma",
		"q=" + alpha:                    "alpha",
		"kind=service":                  "svc",
		"kind=nonsense":                 "alpha beta gamma svc",
		"state=disabled":                "gamma",
		"state=enabled&kind=credential": "alpha beta",
		"show=unmapped":                 "beta",
		"show=disabled-mapped":          "gamma",
		"show=due":                      "",
		"show=never-rotated":            "alpha beta",
		"show=changed":                  "alpha beta gamma svc",
		"key=token":                     "alpha",
		"tag=pci":                       "gamma",
		"service=svc":                   "alpha gamma",
		"by=" + url.QueryEscape("carol@example.com"): "gamma",
		"sort=modified&order=desc":                   "gamma svc beta alpha",
	} {
		if got := names(w.get(ada, "/resources?"+query).want(200)); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	w.get(ada, "/resources?q=zzz").want(200, "Nothing matches.", `href="/resources">Show everything`)
	w.get(ada, "/resources?tag=pci&sort=modified").want(200, `Tag: pci`, `class="chip" href="/resources?sort=modified"`, `<input type="hidden" name="tag" value="pci">`)
	w.get(ada, "/resources?after=nonsense").leadsTo(303, "/resources")
	w.now = w.now.AddDate(0, 0, 31)
	due := w.get(ada, "/resources?show=due").want(200, "state-due")
	if got := names(due); got != "alpha beta gamma" {
		t.Errorf("a month later %q are due", got)
	}
}

func TestResources_GoPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 53 {
		w.credential(fmt.Sprintf("c%02d", i), map[string]string{fmt.Sprintf("key%02d", i): "x"})
	}
	first := w.get(ada, "/resources?q=c")
	next := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(first.body)
	if n := len(strings.Fields(names(first))); n != 50 || next == nil {
		t.Fatalf("%d on the first page, next %q", n, next)
	}
	second := w.get(ada, strings.ReplaceAll(next[1], "&amp;", "&")).want(200, `href="/resources?q=c">First page`).not(`rel="next"`)
	if got := names(second); got != "c50 c51 c52" {
		t.Errorf("the second page has %q", got)
	}
}

func TestResources_APartOfThePageIsSentToScripts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.credential("alpha", map[string]string{"token": "x"})
	w.get(ada, "/resources?q=alpha", "HX-Request", "true", "HX-Target", "list").want(200, "alpha").not("<html", "<form", "<main")
	w.get(ada, "/resources?q=alpha", "HX-Request", "true", "HX-Target", "list", "HX-History-Restore-Request", "true").want(200, "<html")
	w.get("", "/resources", "HX-Request", "true", "HX-Target", "list").want(401)
}

func TestResources_OfferWhatMayBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.get(ada, "/resources").want(200, `href="/credentials/new"`, `href="/new-service"`, `href="/blind-credentials/new"`, "Nothing is stored yet")
	w.get(bob, "/resources").want(200).not("/credentials/new", "/new-service")
	w.readOnly = true
	w.get(ada, "/resources").want(200, "Maintenance mode").not("/credentials/new")
}

func TestHome_ShowsWhatNeedsAttentionAndTheLatestChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.get(ada, "/").want(200, "Nothing is stored yet", `href="/credentials/new"`)
	id := w.credential("Gateway <b>", map[string]string{"token": "x"})
	w.credential("spare", map[string]string{"token2": "x"})
	w.service("svc", id)
	before := len(w.audit.Entries())
	w.get(ada, "/").want(200, "Nothing is urgent", "Gateway &lt;b&gt;", `href="/credentials/`+id+`"`, `href="/services/svc"`,
		`<span class="figure">1</span> <span>is enabled, but no service receives it`, `href="/resources?show=unmapped"`, "0–30 days", "just now", ada, "Confidant 1.2.3")
	if n := len(w.audit.Entries()) - before; n != 1 {
		t.Errorf("%d records of one visit", n)
	}
	w.now = w.now.Add(31 * 24 * time.Hour)
	w.get(ada, "/").want(200, "Needs attention", `<span class="figure">2</span> <span>credentials are due for rotation`, "31 days ago")
	w.get(bob, "/").want(200, "Gateway").not("New credential")
	w.get("", "/").leadsTo(302, "/loggedout")
}

func TestTheme_IsKeptInACookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.get(ada, "/help").want(200, `<html lang="en">`, `href="/theme?is=dark&amp;next=%2Fhelp"`)
	w.get(ada, "/theme?is=dark&next=/help").leadsTo(303, "/help")
	w.get(ada, "/help").want(200, `data-bs-theme="dark"`)
	w.get(ada, "/theme?is=dark&next=//evil.example.com").leadsTo(303, "/")
}

func TestBrand_IsThatOfTheInstallation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(f *furnishing) { f.pages.Brand, f.pages.BrandColor = "Safe & sound", "#ffcc00" })
	sheet := regexp.MustCompile(`/styles/brand\.css\?v=[0-9a-f]+`).FindString(w.get(ada, "/help").want(200, "Safe &amp; sound").body)
	w.get(ada, sheet).want(200, "--tblr-primary: #ffcc00; --tblr-primary-fg: #000000")
}
