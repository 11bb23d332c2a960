package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
)

// isPageRoute reports whether a row is one of the pages for people, of which
// docs/openapi.yaml describes the first alone.
func isPageRoute(r route) bool { return r.page != "" && r.page != "home" }

// apiRoutes returns the rows of the table but for the pages, which have walks of
// their own.
func apiRoutes() []route { return slices.DeleteFunc(routes(), isPageRoute) }

// pageRows returns the rows of the pages, the first among them.
func pageRows() []route {
	return slices.DeleteFunc(routes(), func(r route) bool { return r.page == "" })
}

// pagePaths knows which paths are a page's.
var pagePaths = sync.OnceValue(func() *chi.Mux {
	mux := chi.NewRouter()
	for _, r := range routes() {
		if isPageRoute(r) {
			mux.Method(r.method, r.path, http.NotFoundHandler())
		}
	}
	return mux
})

// isPage reports whether a request is for one of the pages but for the first.
func isPage(r *http.Request) bool {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return pagePaths().Match(chi.NewRouteContext(), method, r.URL.Path)
}

// A form is sent to the address of the page that shows it, so that one comes back
// to the form after a log-in, and every name of a page is one that is rendered.
func TestPageRoutes_HaveAPageAndFormsTheirOwnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	shown := map[string]string{}
	for _, r := range pageRows() {
		if !w.handler.(*server).pages.Has(r.page) {
			t.Errorf("%s: there is no page named %q", r.name, r.page)
		}
		if r.method == http.MethodGet {
			shown[r.path] = r.page
		}
	}
	for _, r := range pageRows() {
		if r.method == http.MethodPost && shown[r.path] != r.page {
			t.Errorf("%s is of page %q, what is shown there is %q", r.name, r.page, shown[r.path])
		}
		if r.method != http.MethodPost && r.method != http.MethodGet {
			t.Errorf("%s: a browser sends no such form", r.name)
		}
		if strings.Contains(r.name, "/v1") {
			t.Errorf("%s is a page among the routes of the API", r.name)
		}
	}
}
