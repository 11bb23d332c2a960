package webui

import (
	"net/http"

	"github.com/confidant-secrets/confidant/internal/authn"
)

// loggedOut is the page after leaving.
type loggedOut struct {
	frame
	LoginPath string
}

// LoggedOut writes the page that says so and offers to log in.
func (s *Site) LoggedOut(w http.ResponseWriter) error {
	return s.write(w, http.StatusOK, "loggedout", "layout", loggedOut{frame: s.titled("Logged out"), LoginPath: s.loginPath})
}

// problem is a page that says what went wrong.
type problem struct {
	frame
	Message string
}

// Problem writes a page that says what went wrong, under the status it went
// wrong with. Where a script asked for a part of a page, the words alone are
// sent, to stand there.
func (s *Site) Problem(w http.ResponseWriter, r *http.Request, v authn.Visit, status int, message string) error {
	title := http.StatusText(status)
	if status == http.StatusNotFound || title == "" {
		title = "Page not found"
	}
	block := "layout"
	if r.Header.Get("HX-Request") == "true" {
		block = "part-problem"
	}
	f := s.titled(title)
	if v.Caller.Name != "" {
		f = (&visit{Visit: v, s: s, r: r}).framed(title, "")
	}
	return s.write(w, status, "error", block, problem{frame: f, Message: message})
}

// NotFoundPage writes the page about a missing page under status 200, for those
// who ask for it by its own name.
func (s *Site) NotFoundPage(w http.ResponseWriter) error {
	return s.write(w, http.StatusOK, "error", "layout",
		problem{frame: s.titled("Page not found"), Message: "There is no page under this address."})
}
