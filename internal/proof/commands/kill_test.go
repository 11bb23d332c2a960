package commands

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/store"
)

// moved are the credentials of these tests, by how many revisions they have. The
// longer one does not fit into one transaction.
var moved = map[string]int{idOf("SHORT"): 2, idOf("LONG"): 105}

// The program is killed after each of its calls to DynamoDB in turn: the call is
// carried out, its answer never arrives. Nothing may be lost at any of them, and
// the next run ends where one that was not killed ends.
func TestKilledAtAnyCall_TheNextRunFinishes(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	for _, args := range [][]string{
		{"archive-credentials", "--ids", idOf("SHORT") + "," + idOf("LONG"), "--force"},
		{"restore-credentials", "--all", "--force"},
	} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			var points []string
			for n := 1; ; n++ {
				call, killed := killedAt(t, n, args)
				if !killed {
					break
				}
				points = append(points, call)
			}
			t.Logf("killed after %d calls: %s", len(points), strings.Join(points, ", "))
			if len(points) < 15 {
				t.Errorf("the run makes only %d calls", len(points))
			}
		})
	}
}

// killedAt kills a run after its nth call, which it names, and has another one
// finish. It reports false if there are fewer calls.
func killedAt(t *testing.T, n int, args []string) (call string, killed bool) {
	t.Helper()
	s, _ := inCloud(t)
	var all []string // both tables of a store whose credentials are archived
	s.with(t, func(st store.Store) {
		for id, revisions := range moved {
			rows := make([]*credential.Credential, revisions)
			for i := range rows {
				rows[i] = &credential.Credential{
					Meta: revision.Meta{ID: id, Revision: i + 1, ModifiedDate: time.Unix(1e9, 0).UTC(), ModifiedBy: "x"},
					Name: "name of " + id, KeyNames: []string{"k"},
					Sealed: sealed.Value{Ciphertext: fmt.Sprint("value ", i+1), DataKey: []byte("k"), Version: 2},
				}
			}
			if _, err := st.Credentials().Import(t.Context(), rows[revisions-1], rows); err != nil {
				t.Fatal(err)
			}
		}
		all, _ = contents(t, st)
	})
	restore := args[0] == "restore-credentials"
	if restore {
		s.MustRun("archive-credentials", "--ids", idOf("SHORT")+","+idOf("LONG"), "--force")
	}

	direct := s.Settings["DYNAMODB_URL"]
	k := killer{at: n}
	s.Settings["DYNAMODB_URL"] = k.before(t, direct)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	k.start(t, s.Command(ctx, args...))
	s.Settings["DYNAMODB_URL"] = direct
	if call, killed = k.called(); !killed {
		return call, false
	}

	s.with(t, func(st store.Store) {
		main, archive := contents(t, st)
		for _, row := range all {
			if !slices.Contains(main, row) && !slices.Contains(archive, row) {
				t.Errorf("killed after call %d, %s: %s is lost", n, call, row)
			}
		}
	})
	if r := s.Run(args...); r.Code != 0 && !(r.Code == 1 && finished(args, r.Stderr)) {
		t.Errorf("killed after call %d, %s: the next run ends with %d\n%s%s", n, call, r.Code, r.Stdout, r.Stderr)
	}
	s.with(t, func(st store.Store) {
		main, archive := contents(t, st)
		want := []string(nil)
		if restore {
			want = all
		}
		if !slices.Equal(main, want) || !slices.Equal(archive, all) {
			t.Errorf("killed after call %d, %s: after the next run %d rows stand in the main table, want %d, and %d in the archive, want %d",
				n, call, len(main), len(want), len(archive), len(all))
		}
	})
	return call, true
}

// finished reports whether all that a second run complains of is that named
// credentials were moved by the first.
func finished(args []string, stderr string) bool {
	if args[0] != "archive-credentials" {
		return false
	}
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "FAILED") && !strings.HasSuffix(line, "Credential not found.\n") {
			return false
		}
	}
	return true
}

// killer kills a program when it has made a number of calls.
type killer struct {
	at int

	mu    sync.Mutex
	cmd   *exec.Cmd
	calls int
	last  string // the call after which it was killed
}

// before puts the killer before DynamoDB and returns the URL to use instead.
func (k *killer) before(t *testing.T, dynamo string) string {
	t.Helper()
	to, err := url.Parse(dynamo)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(r *http.Response) error { return k.answered(r.Request) },
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // killed in the middle of a call, which is then none
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// answered kills the program instead of letting it have an answer, if this is
// the one.
func (k *killer) answered(r *http.Request) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	if k.calls < k.at {
		return nil
	}
	if k.calls == k.at {
		_, k.last, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		_ = k.cmd.Process.Kill() // an error means that it has ended
	}
	return http.ErrAbortHandler
}

// start runs the program to its end.
func (k *killer) start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	k.mu.Lock()
	k.cmd = cmd
	err := cmd.Start()
	k.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // how it ended is what called tells
}

// called returns the call after which the program was killed, if it was.
func (k *killer) called() (call string, killed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last, k.calls >= k.at
}
