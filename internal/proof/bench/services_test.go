package bench

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// services measures how fast a service gets its credentials.
func (r *run) services() {
	for _, sync := range []string{"interval", "always"} {
		p := server.New(r, map[string]string{"AUDIT_SYNC": sync})
		s := p.Start()
		user := p.UserToken("bench")
		var ids []string
		for i := range 5 {
			pairs := fmt.Sprintf(`{"password_%d":"swordfish"}`, i)
			ids = append(ids, r.create(s, user, fmt.Sprintf("database-%d", i), pairs))
		}
		r.ask(s, http.MethodPut, "/v1/services/shop", user, `{"credentials":["`+strings.Join(ids, `","`)+`"]}`)
		token := p.ServiceToken("shop")
		body := r.ask(s, http.MethodGet, "/v1/services/shop", token, "")
		bare := r.bare(body)
		for _, connections := range []int{16, 64} {
			what := fmt.Sprintf("GET service, 5 credentials, %d bytes, %d connections", len(body), connections)
			target := 0.3
			if sync == "always" {
				what += ", AUDIT_SYNC=always"
				target = 0.2
			}
			if connections != 16 {
				target = 0
			}
			request := func(b []byte, _ int) []byte {
				return appendRequest(b, http.MethodGet, "/v1/services/shop", token, nil)
			}
			got := r.alternate(r.loading(address(s), connections, request), r.loading(bare, connections, request))
			r.table.add(line{
				what: what, value: perSecond(got.a), against: "bare net/http " + perSecond(got.b),
				ratio: got.ratio, atLeast: true, target: target,
			})
		}
		s.Stop()
	}
}

// bare starts the server that only answers with the same bytes.
func (r *run) bare(body string) (address string) {
	r.Helper()
	file := filepath.Join(r.TempDir(), "body")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		r.Fatal(err)
	}
	path, err := server.Build("github.com/confidant-secrets/confidant/internal/proof/bench/bare")
	if err != nil {
		r.Fatal(err)
	}
	cmd := exec.Command(path, "-body", file)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		r.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		r.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		if err := stdin.Close(); err != nil {
			r.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			r.Error(err)
		}
	})
	if _, err := fmt.Fscanln(stdout, &address); err != nil {
		r.Fatal(err)
	}
	return address
}
