package bench

import (
	"fmt"
	"net/http"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// webPages measures how long the server takes for each page that people see, with
// many credentials against few.
func (r *run) webPages(small, large *server.Server, smallToken, largeToken string) {
	one := credentialID(0)
	for _, page := range []struct {
		what, path string
		target     float64
	}{
		{"home page", "/", 0},
		{"first page of resources", "/resources", 3},
		{"resources, latest changes first", "/resources?sort=modified&order=desc", 3},
		{"resources due for rotation", "/resources?show=due", 0},
		{"resources that no service receives", "/resources?show=unmapped", 0},
		{"page of a credential", "/credentials/" + one, 3},
		{"form of a credential", "/credentials/" + one + "/edit", 3},
		{"history of a credential", "/credentials/" + one + "/history", 3},
		{"form of a new service", "/new-service", 3},
	} {
		fetch := func(s *server.Server, token string) func() error {
			c := r.pager(s, token).c
			return func() error { return c.exchange(appendRequest(nil, http.MethodGet, page.path, token, nil)) }
		}
		got := r.compare(fetch(large, largeToken), fetch(small, smallToken))
		r.table.add(line{
			what: fmt.Sprintf("%s among %d", page.what, r.many), value: each(got.a),
			against: fmt.Sprintf("among %d %s", r.few, each(got.b)), ratio: 1 / got.ratio, target: page.target,
		})
	}
}
