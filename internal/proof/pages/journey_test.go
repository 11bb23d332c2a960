package pages_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/part"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// traveller is a visitor who clicks his way, with scripts on or off.
type traveller struct {
	*browser.Visitor
	t       *testing.T
	scripts bool
}

// press presses a button that leads to another state of the same form: scripts
// replace a part of the page, without them the page is loaded anew.
func (v traveller) press(name string) {
	v.t.Helper()
	if v.scripts {
		v.Fragment(func() { v.Tap(name) })
	} else if status := v.Click(name); status >= http.StatusInternalServerError {
		v.t.Errorf("%s: %d", name, status)
	}
}

// lacks holds the page to not having been sent a value.
func (v traveller) lacks(values ...string) {
	v.t.Helper()
	for _, value := range values {
		if strings.Contains(v.Source(), value) {
			v.t.Errorf("%s: the source holds %q", v.URL(), value)
		}
	}
}

// TestNewcomer follows the printed link to an empty server and does everything
// once, by what the pages offer and nothing else.
func TestNewcomer(t *testing.T) {
	if !part.Wanted() {
		return
	}
	b := browser.Start(t)
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			s := start(t, server.New(t, nil))
			v := traveller{t: t, scripts: scripts}
			if scripts {
				v.Visitor = b.Visitor(t, s.BaseURL)
			} else {
				v.Visitor = b.VisitorWithoutScripts(t, s.BaseURL)
			}
			newcomer(v, printedLink(t, s))
		})
	}
}

func newcomer(v traveller, link string) {
	const first, second = "correct-horse-1", "battery-staple-2"
	v.Go(link)
	v.Fill("name", adminName)
	v.Fill("password", password)
	v.Fill("repeat", password)
	v.Click("Make the account and log in")
	v.Shows("Nothing is stored yet")

	// A credential.
	v.Click("New credential")
	v.Fill("name", "Payments database")
	v.Fill("pair.0.key", "db_password")
	v.Fill("pair.0.value", first)
	v.press("Add another pair")
	v.lacks(first)
	v.Fill("pair.1.key", "db_user")
	v.press("Type another value of db_password")
	v.Fill("pair.0.value", first)
	v.Fill("pair.1.value", "shop")
	v.Fill("documentation", "Ask **Ann**.")
	v.Click("Create the credential")
	v.Shows("Created.")
	v.Shows("Ask Ann.")
	v.lacks(first, "shop")

	// A service that receives it.
	v.Click("Home")
	v.Click("New service")
	v.Fill("name", "payments-production")
	v.Click("Create and map credentials")
	v.Fill("find", "payments")
	if v.scripts {
		v.Shows("Payments database") // fetched while typing
	} else {
		v.Click("Search")
	}
	v.press("Add Payments database")
	v.Shows("Before saving: what the service will receive")
	v.Shows("db_password")
	v.Click("Save")
	v.Shows("payments-production")
	v.ClickOn("main td a >> nth=0") // where a key comes from

	// A value is revealed.
	credential := v.URL()
	v.press("Reveal the value of db_password")
	v.Shows(first)
	if v.scripts {
		v.Tap("Hide it now")
	} else {
		v.Click("Hide it now")
	}
	v.Hides(first)

	// It is changed.
	v.Click("Edit")
	v.lacks(first)
	v.press("Replace the value of db_password")
	v.Fill("pair.0.value", second)
	v.press("Review the changes")
	v.Shows("1 service feels this")
	v.lacks(second)
	v.Click("Save")
	v.Shows("Revision 2")

	// The difference, and back.
	v.Click("History")
	v.Click("Compare the two")
	v.Shows("New value")
	v.lacks(first, second)
	v.Click("History")
	v.Click("Revert to this, revision 1")
	v.Shows("1 service feels this")
	v.Click("Revert")
	v.Shows("Revision 3")
	v.press("Reveal the value of db_password")
	v.Shows(first)

	// Archived it is when nobody uses it any more.
	v.Go(credential)
	v.Click("Archive")
	v.Shows("It is still enabled.")
	v.Click("Disable it")
	v.Click("Disable")
	v.Shows("Disabled")
	v.Click("payments-production")
	v.Click("Edit")
	v.press("Unmap Payments database")
	v.Click("Save")
	v.Go(credential)
	v.Click("Archive")
	v.Shows("4 revisions")
	v.Click("Archive")
	v.Shows("Archived.")
	if status := v.Go(credential); status != http.StatusNotFound {
		v.t.Errorf("the archived credential: %d, want 404", status)
	}
	v.Click("Log out")
	v.Shows("You are logged out")
}
