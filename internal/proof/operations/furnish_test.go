package operations

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

// furnish gives the machine the data that the page is about: a service with a
// credential, and another credential that was disabled a hundred days ago. The
// server makes both, and the second is made older while it is moved to a new
// database.
func furnish(t *testing.T, m *machine) {
	t.Helper()
	data, settings := m.here("/var/lib/confidant"), m.here("/etc/confidant/confidant.env")
	if err := os.WriteFile(settings, []byte(m.here("CONFIDANT_DATA_DIR=/var/lib/confidant\nPORT=8080\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(command string, args ...string) string {
		t.Helper()
		cmd := exec.Command(command, args...)
		cmd.Env = slices.Concat(m.env, []string{"CONFIDANT_CONFIGFILE=" + settings})
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", command, args, err, m.systemd.log.String())
		}
		return string(out)
	}
	if err := m.systemd.act("start"); err != nil {
		t.Fatal(err)
	}
	base := m.here("http://127.0.0.1:8080")
	run("curl", "-fs", "--retry", "20", "--retry-delay", "1", "--retry-connrefused", base+"/readiness")
	run(m.program, "admin", "add", "furnisher", "--no-password")
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(run(m.program, "api", "create-token", "--username", "furnisher", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	call := func(method, path string, body map[string]any) (id string) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+made.Token)
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var thing struct{ ID string }
		if err := json.NewDecoder(resp.Body).Decode(&thing); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s, %v", method, path, resp.Status, err)
		}
		return thing.ID
	}
	used := call(http.MethodPost, "/v1/credentials", map[string]any{
		"name": "database", "credential_pairs": map[string]string{"password": "wonderland"},
	})
	call(http.MethodPut, "/v1/services/web-production", map[string]any{"credentials": []string{used}, "enabled": true})
	idle := call(http.MethodPost, "/v1/credentials", map[string]any{
		"name": "idle", "credential_pairs": map[string]string{"password": "looking-glass"}, "enabled": false,
	})
	if err := m.systemd.act("stop"); err != nil {
		t.Fatal(err)
	}

	open := func(dir string) store.Store {
		t.Helper()
		st, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "confidant.db"), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() }) // at the latest
		return st
	}
	first := filepath.Join(m.root, "first")
	if err := errors.Join(
		os.Rename(data, first), os.Mkdir(data, 0o700),
		os.Rename(filepath.Join(first, "enckey"), filepath.Join(data, "enckey")), os.Remove(settings),
	); err != nil {
		t.Fatal(err)
	}
	from, to := open(first), open(data)
	for _, id := range []string{used, idle} {
		c, err := from.Credentials().Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if id == idle {
			c.ModifiedDate = revision.Instant(time.Now().Add(-100 * 24 * time.Hour))
		}
		if _, err := to.Credentials().Import(t.Context(), c, []*credential.Credential{c}); err != nil {
			t.Fatal(err)
		}
	}
	web, err := from.Services().Get(t.Context(), "web-production")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Services().Import(t.Context(), web, []*service.Service{web}); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
}

// furnishTables puts the rows that the older service wrote into tables, some of
// them in the forms of its older versions.
func furnishTables(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	if _, err := dynamo.CreateTables(t.Context(), c.Dynamo, dynamo.Capacity{}, cloud.Table, cloud.Archive); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../store/dynamo/testdata/rows.json")
	if err != nil {
		t.Fatal(err)
	}
	var recording struct {
		Items []struct {
			Table string
			Item  map[string]map[string]any
		}
	}
	if err := json.Unmarshal(text, &recording); err != nil {
		t.Fatal(err)
	}
	for _, r := range recording.Items {
		for _, name := range []string{"credential_keys", "credentials", "blind_credentials"} {
			set, _ := r.Item[name]["SS"].([]any)
			for i, element := range set {
				set[i] = strconv.Quote(element.(string))
			}
		}
		if r.Item["data_type"]["S"] == "credential" {
			number := "0"
			if r.Item["enabled"]["BOOL"] == true {
				number = "1"
			}
			r.Item["enabled"] = map[string]any{"N": number}
		}
		item, err := json.Marshal(r.Item)
		if err != nil {
			t.Fatal(err)
		}
		c.PutItem(t, map[string]string{"primary": cloud.Table, "archive": cloud.Archive}[r.Table], item)
	}
}
