package dynamo_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// exchange is one request on its way to the service.
type exchange struct {
	operation string // such as "GetItem"
	body      []byte
	send      func() (*http.Response, error) // sends body as it is then
}

// intercept lets f see, change or replace each exchange.
func intercept(f func(*exchange) (*http.Response, error)) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			var body []byte
			if r.Body != nil {
				var err error
				if body, err = io.ReadAll(r.Body); err != nil {
					return nil, err
				}
			}
			_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
			e := &exchange{operation: operation, body: body}
			e.send = func() (*http.Response, error) {
				again := r.Clone(r.Context())
				again.Body = io.NopCloser(bytes.NewReader(e.body))
				again.ContentLength = int64(len(e.body))
				return next.RoundTrip(again)
			}
			return f(e)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
