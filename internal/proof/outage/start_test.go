package outage

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// Exit codes of the program.
const (
	exitRefused       = 1
	exitConfiguration = 3
	exitStorage       = 4
)

func TestStart_IsRefusedOverADamagedDataDirectory(t *testing.T) {
	t.Parallel()
	write := func(name, text string) func(t *testing.T, data string) {
		return func(t *testing.T, data string) {
			t.Helper()
			path := filepath.Join(data, name)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o400); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		damage func(t *testing.T, data string)
		code   int
		word   string // that the message contains
	}{
		"a key file that is cut": {write("enckey", strings.Repeat("k", 95)), exitConfiguration, "enckey"},
		"another key":            {write("enckey", strings.Repeat("0123456789abcdef0123456789ABCDEF", 2)+strings.Repeat("z", 32)), exitConfiguration, "enckey"},
		"no key": {func(t *testing.T, data string) {
			t.Helper()
			if err := os.Remove(filepath.Join(data, "enckey")); err != nil {
				t.Fatal(err)
			}
		}, exitConfiguration, "enckey"},
		"an audit directory that is a file": {write("audit", "no directory"), exitStorage, "audit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := server.New(t, open())
			s := p.Start()
			prepare(t, s)
			s.Stop()
			tt.damage(t, p.DataDir)

			s = p.Launch()
			if err := s.Ready(); err == nil {
				t.Fatal("the server starts")
			}
			if got := s.ExitCode(); got != tt.code {
				t.Errorf("exit code %d, want %d\n%s", got, tt.code, s.Log())
			}
			if !strings.Contains(s.Log(), tt.word) {
				t.Errorf("the message does not name %q:\n%s", tt.word, s.Log())
			}
			if strings.Contains(s.Log(), "goroutine ") {
				t.Errorf("the message is a stack trace:\n%s", s.Log())
			}
		})
	}
}

func TestKeyFileThatIsPutBack_OpensEverythingAgain(t *testing.T) {
	t.Parallel()
	p := server.New(t, open())
	s := p.Start()
	id := prepare(t, s)
	s.Stop()
	key := filepath.Join(p.DataDir, "enckey")
	good, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(b []byte) {
		t.Helper()
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(key, b, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	other := append([]byte(nil), good...)
	other[0] ^= 1
	replace(other)
	if got := p.Run("setup", "check-enckey"); got.Code != exitRefused {
		t.Errorf("check-enckey with another key: exit %d, want %d\n%s%s", got.Code, exitRefused, got.Stdout, got.Stderr)
	}
	replace(good)
	p.MustRun("setup", "check-enckey")
	s = p.Start()
	if a := must(t, s, http.MethodGet, "/v1/credentials/"+id, nil); a.body.Pairs["password"] != secret {
		t.Errorf("the credential is %s", a.text)
	}
}

func TestDatabaseThatIsNoDatabase_RefusesTheStart(t *testing.T) {
	t.Parallel()
	p := server.New(t, open())
	s := p.Start()
	prepare(t, s)
	s.Stop()
	files, err := filepath.Glob(filepath.Join(p.DataDir, "*.db"))
	if err != nil || len(files) != 1 {
		t.Fatalf("database files: %v, %v; want one", files, err)
	}
	if err := os.WriteFile(files[0], []byte(strings.Repeat("this is no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	s = p.Launch()
	if err := s.Ready(); err == nil {
		t.Fatal("the server starts")
	}
	if got := s.ExitCode(); got != exitStorage {
		t.Errorf("exit code %d, want %d\n%s", got, exitStorage, s.Log())
	}
}
