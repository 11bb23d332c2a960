package contract

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

var dir = flag.String("contract-dir", "testdata", "directory of an exchanges.json, and of a pending.txt if some are pending")

func TestMain(m *testing.M) {
	cloud.PassOver()
	server.Main(m)
}

// settings translates the settings of a block for a server over a cloud. On the
// embedded store what names tables and the key at rest has no place.
func settings(r *Recording, b Block, on Store, c *cloud.Cloud, directory string) map[string]string {
	translated := map[string]string{}
	for name, value := range r.Settings(b) {
		if on == SQLite && (strings.HasPrefix(name, "DYNAMODB_") || name == "KMS_MASTER_KEY") {
			continue
		}
		translated[name] = strings.ReplaceAll(value, "{{tmpdir}}", directory)
	}
	for name, suffix := range map[string]string{"DYNAMODB_TABLE": "", "DYNAMODB_TABLE_ARCHIVE": "-archive"} {
		if translated[name] != "" { // recorded as "one per block"
			translated[name] = b.Name + suffix
		}
	}
	maps.Copy(translated, c.Access())
	translated["SESSION_SECRET"] = "contract-replay-session-secret" // recorded as "any"
	translated["HEADER_AUTH_TRUSTED_PROXIES"] = "127.0.0.1"
	return translated
}

// TestProgram_AnswersAsRecorded replays every block against a server of its own,
// on each store. Callers prove themselves as they did: by tokens made with KMS.
func TestProgram_AnswersAsRecorded(t *testing.T) {
	t.Parallel()
	r, err := Load(filepath.Join(*dir, "exchanges.json"))
	if err != nil {
		t.Fatal(err)
	}
	pending := readPending(t, r)
	for _, b := range r.Blocks {
		t.Run("sqlite/"+b.Name, func(t *testing.T) {
			t.Parallel()
			replay(t, r, b, SQLite, cloud.NewKMS(t), pending)
		})
		if cloud.Wanted() {
			t.Run("dynamo/"+b.Name, func(t *testing.T) {
				t.Parallel()
				replay(t, r, b, Dynamo, cloud.New(t), pending)
			})
		}
	}
}

func readPending(t *testing.T, r *Recording) Pending {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(*dir, "pending.txt"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	pending, err := ReadPending(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := pending.Check(r); err != nil {
		t.Fatal(err)
	}
	return pending
}

func replay(t *testing.T, r *Recording, b Block, on Store, c *cloud.Cloud, pending Pending) {
	touch := filepath.Join(t.TempDir(), "maint.touch")
	s := server.New(t, settings(r, b, on, c, filepath.Dir(touch))).Start()
	tokens := map[string]string{}
	for id, identity := range r.Identities {
		tokens[id] = c.Token(t, identity.Key, identity.Context)
	}
	replayer, err := NewReplayer(r, Target{
		BaseURL: s.BaseURL,
		Store:   on,
		Cookies: Names(r.Settings(b)),
		Tokens:  tokens,
		Before:  func(action string) error { return before(action, touch) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer replayer.Close()
	for _, ex := range r.Of(b.Name) {
		t.Run(strconv.Itoa(ex.N), func(t *testing.T) {
			found := replayer.Replay(t.Context(), ex)
			reason, isPending := pending[ex.N]
			switch {
			case isPending && len(found) == 0:
				t.Errorf("%s is answered as wanted: take it off the pending list (%s)", ex.Name, reason)
			case !isPending && len(found) > 0:
				t.Errorf("%s: %s %s\n\t%s", ex.Name, ex.Request.Method, ex.Request.Path, strings.Join(found, "\n\t"))
			}
		})
	}
}

// before does what a recording wants done outside HTTP.
func before(action, touchFile string) error {
	switch action {
	case "create the touch file":
		return os.WriteFile(touchFile, nil, 0o600)
	case "remove the touch file":
		return os.Remove(touchFile)
	}
	return fmt.Errorf("the action %q is not known", action)
}
