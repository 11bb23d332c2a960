package webui

import (
	"net/http"
	"net/url"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// visit is one request for a page.
type visit struct {
	authn.Visit
	s *Site
	w http.ResponseWriter
	r *http.Request
	// judged says that a use case took the request and made its record.
	judged bool
}

// vault returns the use cases, which record the visit from then on.
func (v *visit) vault() *vault.Vault {
	v.judged = true
	return v.s.vault
}

// param returns a part of the path.
func (v *visit) param(name string) string { return v.r.PathValue(name) }

// posts reports whether a form was sent.
func (v *visit) posts() bool { return v.r.Method == http.MethodPost }

// target returns the id of the element that the answer is to fill, if a script
// asks for a part of the page alone.
func (v *visit) target() string {
	h := v.r.Header
	if h.Get("HX-Request") != "true" || h.Get("HX-History-Restore-Request") == "true" {
		return ""
	}
	return h.Get("HX-Target")
}

// sendTo sends the browser on after a form has done its work, to a path as it
// stands in addresses. A script is told to go there too, for what it shows is a
// part of the page that is left.
func (v *visit) sendTo(path string, query url.Values) error {
	to := path
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	if v.target() != "" {
		v.w.Header().Set("HX-Redirect", to)
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	v.w.Header().Set("Location", to)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}
