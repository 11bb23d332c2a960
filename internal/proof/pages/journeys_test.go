package pages_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/part"
)

const sessionCookie = "confidant_session"

// TestJourneys does what people come for, and what comes between.
func TestJourneys(t *testing.T) {
	if !part.Wanted() {
		return
	}
	t.Parallel()
	w := newWorld(t, browser.Start(t))
	for mode, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		for name, journey := range map[string]func(traveller, *world){
			"conflict":     conflict,
			"collision":    collision,
			"generate":     generate,
			"upload":       upload,
			"expired":      expired,
			"theme":        theme,
			"state":        state,
			"long history": longHistory,
		} {
			t.Run(name+" "+mode, func(t *testing.T) {
				t.Parallel()
				journey(traveller{w.admin(t, scripts), t, scripts}, w)
			})
		}
	}
	for name, journey := range map[string]func(traveller, *world){
		"copy":            copied,
		"hidden again":    hiddenAgain,
		"session warning": sessionWarning,
		"keys":            keys,
		"back":            back,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			journey(traveller{w.admin(t, true), t, true}, w)
		})
	}
	t.Run("refreshed", func(t *testing.T) {
		t.Parallel()
		refreshed(traveller{w.admin(t, false), t, false}, w)
	})
	t.Run("maintenance", func(t *testing.T) {
		t.Parallel()
		maintenance(t, w)
	})
}

// credential makes a credential for one journey alone.
func (v traveller) credential(a api, key string) (id string) {
	v.t.Helper()
	return a.credential(v.t, object{
		"name": v.t.Name(), "credential_pairs": object{key: secret + key}, "documentation": "Of one journey.",
	})
}

// service makes a service, which only this journey uses.
func (v traveller) service(d *data, credentials ...string) (path string) {
	v.t.Helper()
	name := strings.NewReplacer("/", "-", " ", "-").Replace(strings.ReplaceAll(v.t.Name(), "_", "-"))
	d.do(v.t, http.MethodPut, "/v1/services/"+name, object{"credentials": credentials})
	return "/services/" + name
}

// refused expects that a fragment is answered with a status, which the page shows
// the reason of.
func (v traveller) refused(status int) {
	if v.scripts {
		v.Expect(fmt.Sprint(status, " ", v.Site()))
	}
}

// is checks what is stored.
func (v traveller) is(got object, want object) {
	v.t.Helper()
	for member, value := range want {
		if fmt.Sprint(got[member]) != fmt.Sprint(value) {
			v.t.Errorf("the %s stored is %q, want %q", member, got[member], value)
		}
	}
}

// What a service would get twice is told before anything is saved, and refused to
// whom that does not stop.
func conflict(v traveller, w *world) {
	one, two := v.credential(w.data.api, "one"), w.data.credentials[20]
	service := v.service(w.data, one, two)
	v.Go("/credentials/" + one + "/edit")
	v.press("Add another pair")
	v.Fill("pair.1.key", "database_password_20")
	v.Fill("pair.1.value", "another")
	v.press("Review the changes")
	v.Shows("This cannot be saved")
	v.Finds(`main a[href="/credentials/` + two + `"]`)
	if v.Offers("Save") {
		v.t.Error("what is in conflict may be saved")
	}
	if status := v.Force("do", "save"); status != http.StatusBadRequest {
		v.t.Errorf("saving a conflict: %d, want 400", status)
	}
	v.Shows("This cannot be saved")
	v.is(w.data.do(v.t, http.MethodGet, "/v1/credentials/"+one, nil), object{"revision": 1})

	twin := w.data.credential(v.t, object{
		"name": "twin in " + v.t.Name(), "credential_pairs": object{"one": "another"}, "documentation": "Of one journey.",
	})
	v.Go(service + "/edit")
	v.find("twin in " + v.t.Name())
	v.press("Add twin in " + v.t.Name())
	v.Shows("This cannot be saved")
	v.Finds("button[value=save][disabled]")
	if status := v.Force("do", "save"); status != http.StatusBadRequest {
		v.t.Errorf("saving a conflict: %d, want 400", status)
	}
	v.Shows("This cannot be saved")
	if got := w.data.do(v.t, http.MethodGet, "/v1/credentials/"+twin+"/services", nil)["services"]; fmt.Sprint(got) != "[]" {
		v.t.Errorf("the services that receive the twin are %v, want none", got)
	}
}

// find searches for credentials on the page of a service.
func (v traveller) find(text string) {
	v.t.Helper()
	if v.scripts {
		v.Fragment(func() { v.Fill("find", text) })
	} else {
		v.Fill("find", text)
		v.Click("Search")
	}
}

// Two people change the same thing. The second is shown what the first has done,
// and decides.
func collision(v traveller, w *world) {
	id := v.credential(w.data.api, "key")
	page, stored := "/credentials/"+id, "/v1/credentials/"+id
	begin := func(mine, theirs string) {
		v.Go(page + "/edit")
		v.Fill("name", mine)
		w.data.do(v.t, http.MethodPut, stored, object{"documentation": theirs})
		v.refused(http.StatusConflict)
		v.press("Review the changes")
		v.Shows("Somebody else changed")
		v.Shows(mine)
		v.Shows(theirs)
	}
	mine := "Mine " + v.t.Name()
	begin(mine, "Theirs, once.")
	v.press("Apply mine on top")
	v.Click("Save")
	v.Shows("Saved.")
	v.is(w.data.do(v.t, http.MethodGet, stored, nil), object{"name": mine, "documentation": "Theirs, once.", "revision": 3})
	begin("Mine no more", "Theirs, twice.")
	v.Click("Discard mine")
	v.At(page)
	v.Shows("Theirs, twice.")
	v.is(w.data.do(v.t, http.MethodGet, stored, nil), object{"name": mine, "revision": 4})

	service := v.service(w.data, w.data.credentials[29])
	begin = func(theirs, _ string) {
		v.Go(service + "/edit")
		v.Uncheck("enabled", "")
		w.data.do(v.t, http.MethodPut, "/v1"+service, object{"credentials": []string{theirs}})
		v.refused(http.StatusConflict)
		v.press("Save")
		v.Shows("Somebody else changed")
		v.Shows("Disabled")
	}
	begin(id, "")
	v.press("Apply mine on top")
	v.Shows(mine)
	v.Click("Save")
	v.Shows("Saved.")
	v.is(w.data.do(v.t, http.MethodGet, "/v1"+service, nil), object{"enabled": false, "revision": 3})
	v.Go(service + "/edit")
	v.Check("enabled", "")
	w.data.do(v.t, http.MethodPut, "/v1"+service, object{"credentials": []string{w.data.credentials[21]}, "enabled": false})
	v.refused(http.StatusConflict)
	v.press("Save")
	v.Click("Discard mine")
	v.At(service)
	v.Shows("database_password_21")
	v.is(w.data.do(v.t, http.MethodGet, "/v1"+service, nil), object{"enabled": false, "revision": 4})
}

func generate(v traveller, w *world) {
	v.Go("/credentials/new")
	v.Fill("name", v.t.Name())
	v.Fill("documentation", "Generated.")
	v.Fill("pair.0.key", "generated")
	v.Unfold("How values are generated")
	v.Fill("length", "40")
	v.Check("symbols", "")
	v.press("Generate a value of pair 1")
	v.Shows("kept for 15 minutes")
	v.Click("Create the credential")
	v.Shows("Created.")
	value := v.stored(w, "generated")
	if len(value) != 40 || !strings.ContainsAny(value, "!#$%&*+,-./:;<=>?@[]^_{|}~()\"'`\\") {
		v.t.Errorf("generated is %q, want 40 characters with symbols", value)
	}
	v.lacks(value)
}

// stored returns the value that the credential of this page has.
func (v traveller) stored(w *world, key string) string {
	v.t.Helper()
	id, _, _ := strings.Cut(strings.TrimPrefix(v.URL(), v.Site()+"/credentials/"), "?")
	pairs, _ := w.data.do(v.t, http.MethodGet, "/v1/credentials/"+id, nil)["credential_pairs"].(map[string]any)
	value, _ := pairs[key].(string)
	return value
}

// A file is stored byte for byte, its line ends and blank ends included.
func upload(v traveller, w *world) {
	pem := "-----BEGIN PRIVATE KEY-----\r\nMC4CAQAwBQYDK2VwBCIEIA==\n \t\r\n-----END PRIVATE KEY-----\n\n"
	path := filepath.Join(v.t.TempDir(), "key.pem")
	if err := os.WriteFile(path, []byte(pem), 0o600); err != nil {
		v.t.Fatal(err)
	}
	v.Go("/credentials/new")
	v.Fill("name", v.t.Name())
	v.Fill("documentation", "From a file.")
	v.Fill("pair.0.key", "private_key")
	v.ChooseFile("pair.0.file", path)
	v.press("Add another pair")
	v.Shows("kept for 15 minutes")
	v.press("Remove pair 2")
	v.Click("Create the credential")
	v.Shows("Created.")
	if got := v.stored(w, "private_key"); got != pem {
		v.t.Errorf("stored is %q, want %q", got, pem)
	}
	v.lacks("MC4CAQAw")
}

// logsIn logs in at the page that one is sent to.
func (v traveller) logsIn() {
	v.t.Helper()
	v.At("/login")
	v.Fill("name", adminName)
	v.Fill("password", password)
	v.Click("Log in")
}

// Who has to log in anew comes back to where he was.
func expired(v traveller, w *world) {
	page := "/credentials/" + w.data.credentials[22]
	v.Forget(sessionCookie)
	v.Go("/resources?tag=team-03&sort=modified")
	v.logsIn()
	if got, want := v.URL(), v.Site()+"/resources?tag=team-03&sort=modified"; got != want {
		v.t.Errorf("after the log-in the page is %s, want %s", got, want)
	}
	v.Go(page + "/edit")
	v.Fill("name", "Too late")
	v.Forget(sessionCookie)
	v.refused(http.StatusUnauthorized)
	v.Click("Review the changes")
	v.logsIn()
	v.At(page + "/edit")
	if !v.scripts {
		return
	}
	v.Go("/resources?tag=team-03")
	v.Forget(sessionCookie)
	v.Fill("q", "database") // which asks for a part of the page
	v.logsIn()
	v.At("/resources")
	v.Go(page)
	v.Forget(sessionCookie)
	v.Tap("Copy the value of database_password_22")
	v.logsIn()
	v.At(page)
}

// A choice of theme stays until it is taken back.
func theme(v traveller, _ *world) {
	const at = "/resources?tag=team-03"
	v.Go(at)
	for _, choice := range []struct{ link, selector string }{
		{"Dark", "html[data-bs-theme=dark]"}, {"Light", "html[data-bs-theme=light]"}, {"System", "html:not([data-bs-theme])"},
	} {
		v.Click(choice.link)
		if got := v.URL(); got != v.Site()+at {
			v.t.Errorf("%s leads to %s", choice.link, got)
		}
		v.Finds(choice.selector)
		v.Go("/")
		v.Finds(choice.selector)
		v.Go(at)
	}
}

func state(v traveller, w *world) {
	for _, page := range []string{
		"/credentials/" + v.credential(w.data.api, "key"), v.service(w.data, w.data.credentials[23]),
	} {
		v.Go(page)
		for _, do := range []string{"Disable", "Enable"} {
			v.Click(do)
			v.At(page + "/state")
			v.Click(do)
			v.At(page)
			v.Finds(".alert-success:text-is('" + do + "d.')")
			v.Finds(".facts .state:text-is('" + do + "d')")
		}
		v.Shows("Revision 3")
	}
}

// A history of more revisions than a page shows is read to its end.
func longHistory(v traveller, w *world) {
	id := v.credential(w.data.api, "key")
	const turns = 103
	for n := 2; n <= turns; n++ {
		w.data.do(v.t, http.MethodPut, "/v1/credentials/"+id, object{"documentation": fmt.Sprintf("Turn %d.", n)})
	}
	v.Go("/credentials/" + id + "/history")
	if n := v.Count("main tbody tr"); n != 100 {
		v.t.Errorf("the first page shows %d revisions, want 100", n)
	}
	v.Finds("tbody tr:first-child th:has-text('103')")
	v.Click("Earlier revisions")
	if n := v.Count("main tbody tr"); n != 3 {
		v.t.Errorf("the second page shows %d revisions, want 3", n)
	}
	v.Shows("Created")
	if v.Offers("Earlier revisions") {
		v.t.Error("after the last page there is another")
	}
	v.Click("Difference made by revision 2")
	v.Shows("Turn 2.")
	v.Back()
	v.Click("Latest revisions")
	v.Finds("tbody tr:first-child th:has-text('103')")
}

// Copying puts a value on the clipboard, where the page never shows it, and is
// recorded.
func copied(v traveller, w *world) {
	id := w.data.credentials[24]
	const value = secret + "24"
	v.Go("/credentials/" + id)
	v.Tap("Copy the value of database_password_24")
	v.Shows("Copied")
	if got := v.Clipboard(); got != value {
		v.t.Errorf("the clipboard holds %q, want %q", got, value)
	}
	if strings.Contains(v.Standing(), value) {
		v.t.Error("the value is in the page")
	}
	log := w.program.MustRun("audit", "dump", "--json")
	for line := range strings.Lines(log) {
		if strings.Contains(line, id) && strings.Contains(line, `"get"`) && strings.Contains(line, "database_password_24") && strings.Contains(line, adminName) {
			return
		}
	}
	v.t.Errorf("that the value was copied is not recorded:\n%s", log)
}

// A value that was revealed is gone when its time is over.
func hiddenAgain(v traveller, w *world) {
	const value = secret + "25"
	v.Clock()
	v.Go("/credentials/" + w.data.credentials[25])
	v.press("Reveal the value of database_password_25")
	v.Shows(value)
	v.Pass(20)
	v.Shows(value)
	v.Pass(11)
	v.Hides(value)
	if strings.Contains(v.Standing(), value) {
		v.t.Error("the value is still in the page")
	}
	v.press("Reveal the value of database_password_25")
	v.Shows(value)
	v.Tap("Hide it now")
	v.Hides(value)
	v.Focused("[aria-label='Reveal the value of database_password_25']")
}

// So it is without scripts.
func refreshed(v traveller, w *world) {
	const value = secret + "26"
	page := "/credentials/" + w.data.credentials[26]
	v.Go(page)
	began := time.Now()
	v.Click("Reveal the value of database_password_26")
	v.Shows(value)
	time.Sleep(time.Until(began.Add(28 * time.Second))) // of the 30 that it is shown
	v.At(page)
	v.Hides(value)
	v.lacks(value)
}

func sessionWarning(v traveller, _ *world) {
	const warning = "Your session ends in a few minutes"
	v.Clock()
	v.Go("/credentials/new")
	if v.Count("text="+warning) > 0 {
		v.t.Error("the warning comes at once")
	}
	v.Pass(12*3600 - 5*60 + 1)
	v.Shows(warning)
	v.Finds(`a[href="/help"][target=_blank]`)
}

// Who has no mouse goes everywhere too.
func keys(v traveller, w *world) {
	v.Go("/")
	v.Press("Tab")
	v.Focused("a.skip")
	v.Press("Enter")
	v.Focused("#content")
	v.Press("/")
	v.Focused("header input[type=search]")
	v.Type("database_password_27")
	v.PressThrough("Enter")
	v.At("/resources")
	v.Shows("Database of team 27")
	v.Go("/credentials/" + w.data.credentials[27])
	v.PressThrough("e")
	v.At("/credentials/" + w.data.credentials[27] + "/edit")
	v.Go("/resources")
	v.Focused("#q")
	v.Press("Tab")
	v.Focused("#kind")
	v.Go("/help")
	v.PressThrough("?")
	v.At("/help")
	v.Go("/")
	v.PressThrough("n")
	v.At("/credentials/new")

	v.Focused("[name=name]")
	v.Type("Typed by keys")
	for _, next := range []string{"[name=enabled]", "[name='pair.0.key']", "#pair-0-show", "[name='pair.0.value']", "[name='pair.0.file']"} {
		v.Press("Tab")
		v.Focused(next)
		switch next {
		case "[name='pair.0.key']":
			v.Type("key_of_keys")
		case "[name='pair.0.value']":
			v.Type(secret)
		}
	}
	v.TapOn("[name=documentation]")
	v.Type("Nobody needs a mouse.")
	v.Press("Tab")
	v.Focused("[name=tags]")
	v.PressThrough("Enter")
	v.Shows("Created.")
	v.PressThrough("e")
	v.TapOn("[name=name]")
	v.Type("? n / e") // no keys of the page, where one types
	v.Fragment(func() { v.Press("Enter") })
	v.Focused("button[value=save]")
	v.PressThrough("Enter")
	v.Shows("Revision 2")
	if got := v.stored(w, "key_of_keys"); got != secret {
		v.t.Errorf("stored is %q, want %q", got, secret)
	}
}

// The back button leads to the list as it was.
func back(v traveller, _ *world) {
	v.Go("/resources?kind=credential")
	v.Shows("Database of team 01")
	v.Fragment(func() { v.Fill("q", "database_password_28") })
	v.Shows("Database of team 28")
	v.Hides("Database of team 01")
	if got := v.URL(); !strings.Contains(got, "q=database_password_28") || !strings.Contains(got, "kind=credential") {
		v.t.Errorf("the address of the search is %s", got)
	}
	v.Back()
	v.Shows("Database of team 01")
	if got, want := v.URL(), v.Site()+"/resources?kind=credential"; got != want {
		v.t.Errorf("back is %s, want %s", got, want)
	}
	v.Forward()
	v.Shows("Database of team 28")
	v.Hides("Database of team 01")
}

// In maintenance mode everything can be read, and nothing is offered that changes
// something.
func maintenance(t *testing.T, w *world) {
	file := filepath.Join(t.TempDir(), "maintenance")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := behindProxy(t, w.program, map[string]string{"MAINTENANCE_MODE_TOUCH_FILE": file})
	v := w.visitor(t, s, true)
	v.Headers(comesAs("ann@example.com"))
	for _, p := range pages {
		switch p.who {
		case people:
			p.open(t, v, w.data)
			v.Shows("Maintenance mode.")
		case editors:
			v.Go(p.path(w.data)) // which is refused, or tells what cannot be done now
		default:
			continue
		}
		exits := v.Exits()
		for _, to := range exits.Changes {
			if !strings.HasSuffix(to, "/reveal") {
				t.Errorf("%s has a form for %s", p.name, to)
			}
		}
		for _, to := range exits.Links {
			if changing(to) {
				t.Errorf("%s links to %s", p.name, to)
			}
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	v.Go("/")
	if !v.Offers("New credential") {
		t.Error("after the maintenance nothing new is offered")
	}
}

// changing reports whether a URL is that of a page which changes something. The
// places of a page, such as where its content begins, are no such links.
func changing(to string) bool {
	if strings.Contains(to, "#") {
		return false
	}
	for _, end := range []string{"/new", "/new-service", "/edit", "/state", "/archive"} {
		if strings.HasSuffix(to, end) {
			return true
		}
	}
	return strings.Contains(to, "/revert/")
}
