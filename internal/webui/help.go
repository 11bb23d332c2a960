package webui

import "net/http"

// help shows the keys and the words of these pages.
func help(v *visit) error {
	return v.render(http.StatusOK, "help", struct{ frame }{v.framed("Help", "")})
}
