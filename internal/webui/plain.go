package webui

import "net/http"

// loggedOut is the page after leaving.
type loggedOut struct {
	frame
	LoginPath string
}

// LoggedOut writes the page that says so and offers to log in.
func (s *Site) LoggedOut(w http.ResponseWriter) error {
	return s.render(w, http.StatusOK, "loggedout.html",
		loggedOut{frame: s.titled("Logged out", nil), LoginPath: s.loginPath})
}

// problem is a page that says what went wrong.
type problem struct {
	frame
	Message string
}

// Problem writes a page that says what went wrong, under the status it went
// wrong with.
func (s *Site) Problem(w http.ResponseWriter, status int, message string) error {
	title := http.StatusText(status)
	if status == http.StatusNotFound || title == "" {
		title = "Page not found"
	}
	return s.render(w, status, "error.html", problem{frame: s.titled(title, nil), Message: message})
}

// NotFoundPage writes the page about a missing page under status 200, for those
// who ask for it by its own name.
func (s *Site) NotFoundPage(w http.ResponseWriter) error {
	return s.render(w, http.StatusOK, "error.html",
		problem{frame: s.titled("Page not found", nil), Message: "There is no page under this address."})
}
