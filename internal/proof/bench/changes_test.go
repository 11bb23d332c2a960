package bench

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// changes measures how fast credentials are changed.
func (r *run) changes() {
	const writers = 16
	p := server.New(r, nil)
	s := p.Start()
	token := p.UserToken("bench")
	var paths []string
	for i := range writers {
		pairs := `{"user":"application","password":"correct horse battery staple"}`
		paths = append(paths, "/v1/credentials/"+r.create(s, token, fmt.Sprintf("database-%d", i), pairs))
	}
	number := make([]int, writers)
	request := func(b []byte, i int) []byte {
		number[i]++
		body := fmt.Appendf(nil, `{"credential_pairs":{"user":"application","password":"correct horse battery %06d"}}`, number[i])
		return appendRequest(b, http.MethodPut, paths[i], token, body)
	}
	raw, recorded := r.raw(false), r.raw(true)
	for _, clients := range []struct {
		n      int
		target float64
	}{{1, 0.6}, {writers, 2.5}} {
		got := r.alternate(r.loading(address(s), clients.n, request), raw)
		r.table.add(line{
			what: fmt.Sprintf("PUT credential, clients: %d", clients.n), value: perSecond(got.a),
			against: "raw SQLite transactions " + perSecond(got.b), ratio: got.ratio, atLeast: true, target: clients.target,
		})
	}
	// How much of what is missing is the flush of the record.
	got := r.alternate(r.loading(address(s), 1, request), recorded)
	r.table.add(line{
		what: "PUT credential, clients: 1", value: perSecond(got.a),
		against: "the same beside a flushed line " + perSecond(got.b), ratio: got.ratio, atLeast: true,
	})
	s.Stop()
}

// raw returns the measurement that changes are held against, with or without a
// record of each.
func (r *run) raw(recorded bool) func() rate {
	r.Helper()
	p := server.New(r, nil)
	s := p.Start()
	token := p.UserToken("bench")
	id := r.create(s, token, "database", `{"user":"application","password":"correct horse battery staple"}`)
	s.Stop()
	raw := openRaw(r.T, filepath.Join(p.DataDir, "confidant.db"), id)
	if recorded {
		beside, err := os.Create(filepath.Join(p.DataDir, "record"))
		if err != nil {
			r.Fatal(err)
		}
		r.Cleanup(func() { _ = beside.Close() }) // what was written to it is of no use
		raw.beside = beside
	}
	return func() rate {
		got, err := raw.run(r.Context(), r.window)
		if err != nil {
			r.Fatal(err)
		}
		return got
	}
}
