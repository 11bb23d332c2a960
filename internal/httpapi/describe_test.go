package httpapi

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// description is docs/openapi.yaml, read once for all tests.
var description = sync.OnceValues(func() (*openapi3.T, error) {
	text, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background())
})

var describedRoutes = sync.OnceValues(func() (routers.Router, error) {
	doc, err := description()
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(doc)
})

// describedStatuses returns the statuses that docs/openapi.yaml has for a route.
func describedStatuses(t testing.TB, r *route) map[string]*openapi3.ResponseRef {
	t.Helper()
	doc, err := description()
	if err != nil {
		t.Fatal(err)
	}
	item := doc.Paths.Value(strings.ReplaceAll(r.path, "*", "{path}"))
	if item == nil || item.GetOperation(r.method) == nil {
		t.Fatalf("docs/openapi.yaml does not describe %s", r.name)
	}
	return item.GetOperation(r.method).Responses.Map()
}

// describe holds an answer to what docs/openapi.yaml says about its route.
func describe(t testing.TB, r *http.Request, a answer) {
	t.Helper()
	if strings.HasPrefix(a.header.Get("Location"), "https://") || strings.Contains(strings.ToLower(r.URL.RawPath), "%2f") {
		return // any route over plain HTTP; no route at all
	}
	if isPage(r) {
		return // for people, and described nowhere
	}
	router, err := describedRoutes()
	if err != nil {
		t.Fatal(err)
	}
	asked := r.Clone(context.Background())
	if asked.Method == http.MethodHead {
		asked.Method = http.MethodGet
	}
	route, params, err := router.FindRoute(asked)
	if err != nil {
		if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed && a.status < 500 && r.Method != http.MethodOptions {
			t.Errorf("%s: docs/openapi.yaml does not know the route (%v), the answer is %d", a.what, err, a.status)
		}
		return
	}
	if r.Method == http.MethodHead && a.status >= 400 {
		return // has no body to look at
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route},
		Status:                 a.status,
		Header:                 a.header,
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			ExcludeResponseBody:   r.Method == http.MethodHead || a.header.Get("Content-Encoding") != "" || !strings.Contains(a.header.Get("Content-Type"), "json"),
		},
	}
	input.SetBodyBytes(a.body)
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		t.Errorf("%s: the answer %d is not as docs/openapi.yaml says: %v\n%s", a.what, a.status, err, a.body)
	}
}
