package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// The document and the table tell of the same routes.
func TestRoutes_AreThoseOfTheDescription(t *testing.T) {
	t.Parallel()
	doc, err := description()
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			described[method+" "+path] = operation
		}
	}
	known := map[string]route{}
	for _, r := range apiRoutes() {
		known[r.method+" "+strings.ReplaceAll(r.path, "*", "{path}")] = r
	}
	for key := range described {
		if _, ok := known[key]; !ok {
			t.Errorf("docs/openapi.yaml describes %s, which is no route", key)
		}
	}
	for key, r := range known {
		operation := described[key]
		if operation == nil {
			t.Errorf("docs/openapi.yaml does not describe %s", key)
			continue
		}
		if open := operation.Security != nil && len(*operation.Security) == 0; open != (r.access == everybody) {
			t.Errorf("%s: described as open to everybody %v, is %v", key, open, r.access == everybody)
		}
		if has := operation.RequestBody != nil; has != (r.body != noBody) {
			t.Errorf("%s: described with a body %v, takes one %v", key, has, r.body != noBody)
		} else if has && operation.RequestBody.Value.Required != (r.body == objectBody) {
			t.Errorf("%s: described with a required body %v", key, operation.RequestBody.Value.Required)
		}
		for status, needed := range map[int]bool{
			401: r.access == anyPrincipal, 403: r.access == anyPrincipal,
			413: r.body != noBody, 409: r.csrf && r.path != "/v1/credentials/{id}/archive",
			400: r.body != noBody,
		} {
			if described := operation.Responses.Status(status) != nil; needed && !described {
				t.Errorf("%s: status %d is not described", key, status)
			}
		}
		sends := slices.ContainsFunc(operation.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == "X-XSRF-TOKEN" })
		if sends != r.csrf {
			t.Errorf("%s: described with X-XSRF-TOKEN %v, wants it %v", key, sends, r.csrf)
		}
	}
}

// What is decided about the routes as a whole, so that a new row cannot pass
// by in silence.
func TestRoutes_FollowTheRulesOfTheTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	open, unrecorded, compressed := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, r := range routes() {
		key := r.method + " " + r.path
		if seen[key] {
			t.Errorf("%s stands twice", key)
		}
		seen[key] = true
		if r.handle == nil {
			t.Errorf("%s lacks its handler", key)
		}
		if r.access == everybody {
			open[key] = true
		}
		if r.recorder == byNobody {
			unrecorded[key] = true
		}
		api := strings.HasPrefix(r.path, "/v1/")
		changes := r.method != http.MethodGet && r.path != "/v1/user/email" && !isLogin(r.path)
		reveals := key == "POST /credentials/{id}/reveal" // a form that changes nothing
		if r.csrf != changes || r.maintenance != (changes && !reveals) || (r.body != noBody) != changes {
			t.Errorf("%s: csrf %v, maintenance %v, body %v; want all of them %v", key, r.csrf, r.maintenance, r.body, changes)
		}
		if isForm := r.body == formBody; isForm != (r.page != "" && changes) || (r.page != "") != (r.access == visitor) {
			t.Errorf("%s: page %q, access %v, a form %v", key, r.page, r.access, isForm)
		}
		if r.recorder == byUseCase && api && (r.action == "" || r.resource == "") {
			t.Errorf("%s does not say what its use case is asked for", key)
		}
		if r.compress {
			compressed[key] = true
		}
	}
	both := func(path string) []string { return []string{"GET " + path, "POST " + path} }
	files := []string{
		"GET /404.html", "GET /robots.txt", "GET /favicon.ico", "GET /styles/*", "GET /scripts/*", "GET /images/*", "GET /fonts/*",
		"GET /modules/*", "GET /components/*", "GET /bower_components/*",
	}
	same(t, "open to everybody", open, slices.Concat(files, both("/v1/login"), both("/login"), both("/setup"),
		[]string{"POST /login/code", "GET /v1/saml/login", "POST /v1/saml/consume", "GET /v1/saml/logout"},
		[]string{"GET /v1/saml/metadata", "GET /v1/saml/debug"},
		[]string{"GET /v1/value_generator", "GET /healthcheck", "GET /readiness", "GET /loggedout"}))
	same(t, "compressed", compressed, []string{
		"GET /v1/credentials", "GET /v1/archive/credentials", "GET /v1/archive/credentials/{id}", "GET /v1/blind_credentials",
		"GET /v1/services", "GET /v1/archive/services", "GET /v1/archive/services/{id}", "GET /resources",
	})
	same(t, "not recorded", unrecorded, slices.Concat(files, both("/v1/user/email"), []string{
		"GET /v1/value_generator", "GET /healthcheck", "GET /readiness", "GET /v1/client_config",
		"GET /v1/saml/metadata", "GET /v1/saml/debug",
		"GET /custom/modules/*", "GET /custom/styles/*", "GET /custom/images/*", "GET /help", "GET /theme",
	}))
}

func same(t *testing.T, what string, got map[string]bool, want []string) {
	t.Helper()
	slices.Sort(want)
	if g := slices.Sorted(maps.Keys(got)); !slices.Equal(g, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", what, g, want)
	}
}
