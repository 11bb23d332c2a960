package webui

import (
	"net/http"
	"net/url"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
)

// themeCookie names the cookie that holds the visitor's choice.
const themeCookie = "theme"

// themes returns the theme that a visitor has chosen, "" if none, and the choices
// there are.
func themes(r *http.Request) (string, []choice) {
	chosen := ""
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		chosen = c.Value
	}
	back := r.URL.RequestURI()
	if r.Method != http.MethodGet {
		back = r.URL.EscapedPath() // the page with the form
	}
	var all []choice
	for _, c := range []struct{ label, value string }{{"Light", "light"}, {"Dark", "dark"}, {"System", ""}} {
		link := url.URL{Path: "/theme", RawQuery: url.Values{"is": {c.value}, "next": {back}}.Encode()}
		all = append(all, choice{Label: c.label, Link: link.String(), Current: chosen == c.value})
	}
	return chosen, all
}

// theme keeps a choice of theme in a cookie and goes back to where it was made.
func theme(v *visit) error {
	query := v.r.URL.Query()
	cookie := &http.Cookie{Name: themeCookie, Path: "/", SameSite: http.SameSiteLaxMode, HttpOnly: true}
	switch is := query.Get("is"); is {
	case "light", "dark":
		cookie.Value, cookie.MaxAge = is, int((365 * 24 * time.Hour).Seconds())
	default:
		cookie.MaxAge = -1
	}
	http.SetCookie(v.w, cookie)
	v.w.Header().Set("Location", authn.LocalPath(query.Get("next")))
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}
