package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

func TestMain(m *testing.M) { server.Main(m) }

// client asks a server as one user.
type client struct {
	base, token string
}

func (c client) ask(ctx context.Context, method, path, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: status %d: %s", method, path, resp.StatusCode, text)
	}
	return string(text), err
}

func (c client) must(t *testing.T, method, path, body string) string {
	t.Helper()
	text, err := c.ask(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// row is what every answer about a credential holds.
type row struct {
	ID       string            `json:"id"`
	Revision int               `json:"revision"`
	Pairs    map[string]string `json:"credential_pairs"`
}

func rowOf(t *testing.T, text string) row {
	t.Helper()
	r := row{}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return r
}

func pairs(name string, n int) string {
	return fmt.Sprintf(`{"name": %q, "credential_pairs": {"key-%s": "value %d of %s"}}`, name, name, n, name)
}

// writer updates one credential, one revision after the other.
type writer struct {
	client
	name, id string

	mu    sync.Mutex
	acked int // the last revision that was acknowledged
}

func (w *writer) last() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked
}

func (w *writer) run(ctx context.Context) error {
	for ctx.Err() == nil {
		next := w.last() + 1
		text, err := w.ask(context.WithoutCancel(ctx), http.MethodPut, "/v1/credentials/"+w.id, pairs(w.name, next))
		if err != nil {
			return err
		}
		r := row{}
		if err := json.Unmarshal([]byte(text), &r); err != nil || r.Revision != next {
			return fmt.Errorf("revision %d was written as %d: %v", next, r.Revision, err)
		}
		w.mu.Lock()
		w.acked = next
		w.mu.Unlock()
	}
	return nil
}

// TestBackup_DuringEightWritersComesBackAsItWas takes a backup while eight
// writers write, restores it on an empty machine and compares what two servers,
// one on the original and one on the copy, say.
func TestBackup_DuringEightWritersComesBackAsItWas(t *testing.T) {
	t.Parallel()
	p := server.New(t, nil)
	s := p.Start()
	c := client{s.BaseURL, p.UserToken("ada")}

	// What nobody changes meanwhile, down to the bytes of the answers.
	still := map[string]string{}
	var ids []string
	for i := range 40 {
		ids = append(ids, rowOf(t, c.must(t, http.MethodPost, "/v1/credentials", pairs(fmt.Sprintf("still%d", i), 1))).ID)
		still["/v1/credentials/"+ids[i]] = ""
	}
	mapped, err := json.Marshal(map[string]any{"credentials": ids[:10], "blind_credentials": []string{}})
	if err != nil {
		t.Fatal(err)
	}
	c.must(t, http.MethodPut, "/v1/services/web", string(mapped))
	still["/v1/services/web"], still["/v1/archive/services/web"] = "", ""
	for path := range still {
		still[path] = c.must(t, http.MethodGet, path, "")
	}

	const count = 8
	writers := make([]*writer, count)
	for i := range writers {
		name := fmt.Sprintf("busy%d", i)
		made := rowOf(t, c.must(t, http.MethodPost, "/v1/credentials", pairs(name, 1)))
		writers[i] = &writer{client: c, name: name, id: made.ID, acked: 1}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	for _, w := range writers {
		group.Go(func() {
			if err := w.run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for writers[0].last() < 5 {
		time.Sleep(time.Millisecond)
	}
	before, after := make([]int, count), make([]int, count)
	for i, w := range writers {
		before[i] = w.last()
	}
	dir := filepath.Join(t.TempDir(), "backups")
	var made struct {
		File string `json:"file"`
	}
	if err := json.Unmarshal([]byte(p.MustRun("backup", "create", "--enckey", "--directory", dir, "--json")), &made); err != nil {
		t.Fatal(err)
	}
	for i, w := range writers {
		after[i] = w.last()
		if after[i] == before[i] {
			t.Errorf("writer %d stood still during the backup", i)
		}
	}
	cancel()
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	p.MustRun("backup", "verify", made.File)

	q := server.New(t, nil)
	q.MustRun("backup", "restore", made.File, "--yes")
	q.MustRun("audit", "verify")
	q.MustRun("check")
	restored := client{q.Start().BaseURL, c.token}
	for path, want := range still {
		if got := restored.must(t, http.MethodGet, path, ""); got != want {
			t.Errorf("%s: the copy says\n%s\nwant\n%s", path, got, want)
		}
	}
	for i, w := range writers {
		current := rowOf(t, restored.must(t, http.MethodGet, "/v1/credentials/"+w.id, ""))
		// One more than was acknowledged may have been on its way.
		if n := current.Revision; n < before[i] || n > after[i]+1 {
			t.Errorf("%s comes back at revision %d, want between %d and %d", w.name, n, before[i], after[i]+1)
		}
		if got, want := current.Pairs["key-"+w.name], fmt.Sprintf("value %d of %s", current.Revision, w.name); got != want {
			t.Errorf("%s revision %d says %q, want %q", w.name, current.Revision, got, want)
		}
		theirs, ours := history(t, restored, w.id), history(t, c, w.id)
		if len(theirs) != current.Revision {
			t.Errorf("%s comes back with %d revisions, want %d", w.name, len(theirs), current.Revision)
		}
		for n, text := range theirs {
			if text != ours[n] {
				t.Errorf("%s revision %d: the copy says\n%s\nwant\n%s", w.name, n, text, ours[n])
			}
		}
	}
}

// history returns the revisions of a credential as they were sent.
func history(t *testing.T, c client, id string) map[int]string {
	t.Helper()
	var list struct {
		Revisions []json.RawMessage `json:"revisions"`
	}
	if err := json.Unmarshal([]byte(c.must(t, http.MethodGet, "/v1/archive/credentials/"+id, "")), &list); err != nil {
		t.Fatal(err)
	}
	all := map[int]string{}
	for _, text := range list.Revisions {
		all[rowOf(t, string(text)).Revision] = string(text)
	}
	return all
}
