package table_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

var duration = flag.Duration("duration", 4*time.Second, "how long two servers are written to")

// change is an acknowledged write.
type change struct {
	revision int
	value    string
}

// Two servers on one table, 16 clients on the same ten credentials: whatever was
// acknowledged is in the history, once, under its number.
func TestTwoServers_LoseAndDoubleNothing(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	const credentials, clients = 10, 16
	c := cloud.New(t)
	apis := []client{
		{t, c, server.New(t, c.Settings()).Start().BaseURL},
		{t, c, server.New(t, c.Settings()).Start().BaseURL},
	}
	ids := make([]string, credentials)
	for i := range ids {
		made := apis[0].must("user", "ann", http.MethodPost, "/v1/credentials", map[string]any{
			"name": fmt.Sprintf("c%d", i), "credential_pairs": map[string]any{"k": "first"},
		})
		ids[i] = made["id"].(string)
	}
	token := c.Token(t, "alias/userauth", map[string]string{"from": "ann", "to": cloud.Name, "user_type": "user"})

	var (
		mu       sync.Mutex
		acked    = map[string][]change{}
		statuses = map[int]int{}
		wg       sync.WaitGroup
	)
	end := time.Now().Add(*duration)
	for n := range clients {
		wg.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				id, value := ids[(n+i)%credentials], fmt.Sprintf("%d-%d", n, i)
				status, revision := put(t, apis[n%2].base, id, token, value)
				mu.Lock()
				statuses[status]++
				if status == http.StatusOK {
					acked[id] = append(acked[id], change{revision, value})
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for status := range statuses {
		if status != http.StatusOK && status != http.StatusConflict && status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	}
	total := 0
	for _, id := range ids {
		total += len(acked[id])
		checkHistory(t, apis[0], id, acked[id])
	}
	if total < clients {
		t.Errorf("only %d writes were acknowledged: %v", total, statuses)
	}
	t.Logf("%d writes acknowledged in %v, statuses %v", total, *duration, statuses)
}

func put(t *testing.T, base, id, token, value string) (status, revision int) {
	body := fmt.Sprintf(`{"credential_pairs": {"k": %q}}`, value)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base+"/v1/credentials/"+id, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, 0
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("2/user/ann", token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0, 0
	}
	defer resp.Body.Close()
	var answer struct{ Revision int }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Error(err)
	}
	return resp.StatusCode, answer.Revision
}

// checkHistory compares a credential's history with what was acknowledged.
func checkHistory(t *testing.T, api client, id string, acked []change) {
	t.Helper()
	answer := api.must("user", "ann", http.MethodGet, "/v1/archive/credentials/"+id, nil)
	last := 0
	for _, r := range answer["revisions"].([]any) {
		n := int(r.(map[string]any)["revision"].(float64))
		if n != last+1 {
			t.Errorf("%s: revision %d follows %d", id, n, last)
		}
		last = n
	}
	seen := map[int]string{}
	for _, w := range acked {
		if other, twice := seen[w.revision]; twice {
			t.Errorf("%s: revision %d was acknowledged for %s and %s", id, w.revision, other, w.value)
		}
		seen[w.revision] = w.value
		if w.revision < 2 || w.revision > last {
			t.Errorf("%s: acknowledged revision %d of %d is not there", id, w.revision, last)
		}
	}
	// The newest acknowledged one shows whose value stands under a number.
	current := api.must("user", "ann", http.MethodGet, "/v1/credentials/"+id, nil)
	if want, known := seen[last]; known && current["credential_pairs"].(map[string]any)["k"] != want {
		t.Errorf("%s: revision %d holds %v, acknowledged was %s", id, last, current["credential_pairs"], want)
	}
}
