package authn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// usersFile is a users file of a test.
type usersFile struct {
	t    *testing.T
	path string
	time time.Time // of the last change, set so that file and clock agree
}

func newUsersFile(t *testing.T, text string) *usersFile {
	t.Helper()
	f := &usersFile{t: t, path: filepath.Join(t.TempDir(), "users.yaml"), time: time.Now().Add(-time.Hour)}
	f.write(text)
	return f
}

// write changes the file, a second after the last time.
func (f *usersFile) write(text string) {
	f.t.Helper()
	f.time = f.time.Add(time.Second)
	f.rewrite(text)
}

// rewrite changes the file and leaves its time as it is.
func (f *usersFile) rewrite(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Chtimes(f.path, f.time, f.time); err != nil {
		f.t.Fatal(err)
	}
}

func newAdmission(t testing.TB, suffix, file string, log io.Writer) *Admission {
	t.Helper()
	a, err := NewAdmission(AdmissionOptions{Suffix: suffix, UsersFile: file, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAdmission_AsksForTheSuffix(t *testing.T) {
	t.Parallel()
	tests := []struct {
		suffix, email string
		want          bool
	}{
		{"", "anyone@anywhere.example", true},
		{"@example.com", "ada@example.com", true},
		{"@Example.COM", "ada@example.com", true},
		{"@example.com", "Ada@EXAMPLE.com", true},
		{"@example.com", "ada@evil-example.com", false},
		{"@example.com", "ada@example.com.evil.example", false},
		{"@example.com", "", false},
		{"example.com", "ada@evil-example.com", true}, // what a suffix without @ means
	}
	for _, tt := range tests {
		a := newAdmission(t, tt.suffix, "", io.Discard)
		if a.Restricted() != (tt.suffix != "") {
			t.Errorf("suffix %q: Restricted() = %v", tt.suffix, a.Restricted())
		}
		err := a.Admit(tt.email)
		if (err == nil) != tt.want || err != nil && !fault.Is(err, fault.Denied) {
			t.Errorf("suffix %q, %q: %v, want admitted %v", tt.suffix, tt.email, err, tt.want)
		}
	}
}

func TestAdmission_ReadsListsAndMappings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text           string
		ada, grace, no bool // whether ada@x.example, grace@x.example and "" are admitted
	}{
		"mapping":         {text: "ada@x.example: Ada Lovelace\ngrace@x.example:\n", ada: true, grace: true},
		"list":            {text: "- ada@x.example\n", ada: true},
		"capitals":        {text: "- ADA@X.Example\n", ada: true},
		"flow and quotes": {text: `["ada@x.example", 'grace@x.example']`, ada: true, grace: true},
		"keys alone":      {text: "ada@x.example: grace@x.example\n", ada: true},
		"comments":        {text: "# nobody yet\n"},
		"empty":           {text: ""},
		"null":            {text: "---\n"},
		"empty list":      {text: "[]"},
		"empty mapping":   {text: "{}"},
		"named twice":     {text: "- ada@x.example\n- ada@x.example\n", ada: true},
	}
	for name, tt := range tests {
		a := newAdmission(t, "", newUsersFile(t, tt.text).path, io.Discard)
		if !a.Restricted() {
			t.Errorf("%s: a users file restricts nothing", name)
		}
		for email, want := range map[string]bool{"ada@x.example": tt.ada, "Grace@X.example": tt.grace, "": tt.no, "ada": false} {
			if got := a.Admit(email) == nil; got != want {
				t.Errorf("%s: %q admitted %v, want %v", name, email, got, want)
			}
		}
	}
}

func TestAdmission_ReadsTheExample(t *testing.T) {
	t.Parallel()
	a := newAdmission(t, "", "../../configs/users.yaml", io.Discard)
	if err := a.Admit("ada@example.com"); err != nil {
		t.Error(err)
	}
	if a.Admit("Ada Lovelace") == nil {
		t.Error("a name is admitted")
	}
}

func TestAdmission_RefusesToStartWithAnUnusableFile(t *testing.T) {
	t.Parallel()
	files := map[string]string{"absent": filepath.Join(t.TempDir(), "none"), "directory": t.TempDir()}
	for name, text := range map[string]string{
		"text":          "ada@x.example",
		"number":        "- 12",
		"nothing":       "- ada@x.example\n-\n",
		"empty text":    `- ""`,
		"nested":        "- ada@x.example: Ada\n",
		"merge":         "a: &a {b@x.example: 1}\n<<: *a\n",
		"two documents": "- ada@x.example\n---\n- grace@x.example\n",
		"no YAML":       "[ada@x.example",
		"a stray tail":  "- ada@x.example\n---\n[",
	} {
		files[name] = newUsersFile(t, text).path
	}
	for name, path := range files {
		if _, err := NewAdmission(AdmissionOptions{UsersFile: path, Log: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAdmission_SaysTheSameWhateverIsWrong(t *testing.T) {
	t.Parallel()
	file := newUsersFile(t, "- ada@x.example")
	a := newAdmission(t, "@x.example", file.path, io.Discard)
	causes := map[error]string{errWrongSuffix: "ada@y.example", errNotListed: "eve@x.example"}
	for cause, email := range causes {
		err := a.Admit(email)
		if !errors.Is(err, cause) || fault.As(err).Message != "This account is not admitted here." {
			t.Errorf("%q: %v", email, err)
		}
	}
	file.write("[")
	if err := a.Admit("ada@x.example"); !fault.Is(err, fault.Denied) || fault.As(err).Message != "This account is not admitted here." {
		t.Errorf("with a broken file: %v", err)
	}
}

func TestAdmission_FollowsTheFileAtOnce(t *testing.T) {
	t.Parallel()
	file := newUsersFile(t, "- ada@x.example\n")
	a := newAdmission(t, "", file.path, io.Discard)
	check := func(what string, ada, grace bool) {
		t.Helper()
		if got := a.Admit("ada@x.example") == nil; got != ada {
			t.Errorf("%s: ada admitted %v, want %v", what, got, ada)
		}
		if got := a.Admit("grace@x.example") == nil; got != grace {
			t.Errorf("%s: grace admitted %v, want %v", what, got, grace)
		}
	}
	check("at first", true, false)
	file.write("- ada@x.example\n- grace@x.example\n")
	check("added", true, true)
	file.write("- eve@x.example\n- grace@x.example\n")
	check("same length, new time", false, true)
	file.rewrite("- grace@x.example\n")
	check("new length, same time", false, true)

	// As editors and configuration systems do it: another file in its place,
	// with the same length and time.
	beside := file.path + ".new"
	if err := os.WriteFile(beside, []byte("- ada--@x.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(beside, file.time, file.time); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, file.path); err != nil {
		t.Fatal(err)
	}
	check("replaced", false, false)
}

// A change so soon after the one before that the clock of the file system has not
// moved is not missed.
func TestAdmission_NoticesAChangeWithinOneTick(t *testing.T) {
	t.Parallel()
	file := newUsersFile(t, "- ada@x.example\n")
	file.time = time.Now()
	file.rewrite("- ada@x.example\n")
	a := newAdmission(t, "", file.path, io.Discard)
	if err := a.Admit("ada@x.example"); err != nil {
		t.Fatal(err)
	}
	file.rewrite("- eve@x.example\n")
	if a.Admit("ada@x.example") == nil {
		t.Error("who was taken out is still admitted")
	}
}

func TestAdmission_FailsClosedAndComesBack(t *testing.T) {
	t.Parallel()
	file := newUsersFile(t, "- ada@x.example\n")
	var log bytes.Buffer
	a := newAdmission(t, "", file.path, &log)
	breaks := map[string]func(){
		"malformed": func() { file.write("[") },
		"removed":   func() { _ = os.Remove(file.path) },
	}
	for name, spoil := range breaks {
		log.Reset()
		spoil()
		for range 3 {
			if err := a.Admit("ada@x.example"); !fault.Is(err, fault.Denied) {
				t.Errorf("%s: %v, want denied", name, err)
			}
		}
		if got := strings.Count(log.String(), "level=ERROR"); got != 1 {
			t.Errorf("%s: %d errors are logged, want 1:\n%s", name, got, log.String())
		}
		file.write("- ada@x.example\n")
		if err := a.Admit("ada@x.example"); err != nil {
			t.Errorf("%s: in order again: %v", name, err)
		}
		if !strings.Contains(log.String(), "in order again") {
			t.Errorf("%s: the log does not tell that the file is in order again:\n%s", name, log.String())
		}
	}
}

func TestAdmission_ReloadReadsWhatSeemsUnchanged(t *testing.T) {
	t.Parallel()
	file := newUsersFile(t, "- ada@x.example\n")
	a := newAdmission(t, "", file.path, io.Discard)
	file.rewrite("- eve@x.example\n") // same length, same time, same file, long settled
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	if a.Admit("ada@x.example") == nil || a.Admit("eve@x.example") != nil {
		t.Error("Reload did not read the file")
	}
	file.rewrite("[")
	if err := a.Reload(); err == nil {
		t.Error("Reload of a broken file returns no error")
	}
	if a.Admit("eve@x.example") == nil {
		t.Error("a broken file admits")
	}
	if err := newAdmission(t, "@x.example", "", io.Discard).Reload(); err != nil {
		t.Errorf("Reload without a file: %v", err)
	}
}

// Whatever the interleaving, a request that begins after a change sees it.
func TestAdmission_ManyAskWhileItChanges(t *testing.T) {
	t.Parallel()
	file := newUsersFile(t, "- ada@x.example\n")
	a := newAdmission(t, "", file.path, io.Discard)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				_ = a.Admit("ada@x.example")
			}
		})
	}
	for i := range 50 {
		file.write(fmt.Sprintf("- user%d@x.example\n", i))
		if err := a.Admit(fmt.Sprintf("user%d@x.example", i)); err != nil {
			t.Errorf("change %d is not seen: %v", i, err)
		}
	}
	wg.Wait()
}

func BenchmarkAdmit(b *testing.B) {
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "user%d@example.com: User %d\n", i, i)
	}
	path := filepath.Join(b.TempDir(), "users.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		b.Fatal(err)
	}
	a := newAdmission(b, "@example.com", path, io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Admit("user77@example.com"); err != nil {
			b.Fatal(err)
		}
	}
}
