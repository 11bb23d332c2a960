package login_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

const password = "correct horse battery"

// signInLocal fills in our own form.
func signInLocal(v *browser.Visitor, name, password string) (status int) {
	v.Fill("name", name)
	v.Fill("password", password)
	return v.Click("Log in")
}

// printedLink returns the link that the server prints before it is ready. Reading
// what it prints may lag behind a little.
func printedLink(t *testing.T, s *server.Server) string {
	t.Helper()
	link := regexp.MustCompile(`http://\S+/setup\?token=\S+`)
	for range 100 {
		if found := link.FindString(s.Log()); found != "" {
			return found
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the server prints no link")
	return ""
}

// Without any settings the first administrator is made by a link, once, and logs
// in and out with scripts switched off.
func firstRun(t *testing.T, w *world) {
	s := start(t, server.New(t, nil))
	link := printedLink(t, s)
	v := w.browser.VisitorWithoutScripts(t, s.BaseURL)
	isRefused(t, v)

	v.Go(link)
	fill := func(repeated string) int {
		v.Fill("name", "lovelace")
		v.Fill("password", password)
		v.Fill("repeat", repeated)
		return v.Click("Make the account and log in")
	}
	if status := fill("something else"); status != http.StatusBadRequest {
		t.Errorf("two passwords: %d, want 400", status)
	}
	v.Shows("The two passwords differ.")
	fill(password)
	isIn(t, v, "lovelace")

	other := w.browser.VisitorWithoutScripts(t, s.BaseURL)
	if status := other.Go(link); status != http.StatusUnauthorized {
		t.Errorf("the link once more: %d, want 401", status)
	}
	other.Shows("it works once")
	isRefused(t, other)

	v.Click("Log out")
	v.At("/loggedout")
	isRefused(t, v)
	v.Click("Log in")
	v.At("/login")
	if status := signInLocal(v, "lovelace", "a wrong password"); status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d, want 401", status)
	}
	v.Shows("Name or password is wrong.")
	signInLocal(v, "lovelace", password)
	isIn(t, v, "lovelace")
}

// An account with a second factor logs in in two steps, which two processes take,
// with scripts switched off. No code is good twice.
func secondFactor(t *testing.T, w *world) {
	f := newFront(t)
	p := server.New(t, map[string]string{"PUBLIC_URL": f.URL})
	last := f.start(t, p, 2)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	p.MustRun("admin", "add", "lovelace", "--password-file", file)
	seed, recovery := enrol(t, p, last, "lovelace")
	v := w.browser.VisitorWithoutScripts(t, f.URL)

	v.Go("/loggedout")
	v.Click("Log in")
	signInLocal(v, "lovelace", password)
	send := func(field, code string) int {
		v.Fill(field, code)
		return v.Click("Log in")
	}
	if status := send("code", code(seed, 0)); status != http.StatusUnauthorized {
		t.Errorf("a wrong code: %d, want 401", status)
	}
	v.Shows("The code is wrong or was used before.")
	isRefused(t, v)

	v.Click("Log in")
	signInLocal(v, "lovelace", password)
	next := code(seed, step()+1)
	send("code", next)
	isIn(t, v, "lovelace")
	v.Click("Log out")
	v.At("/loggedout")

	v.Click("Log in")
	signInLocal(v, "lovelace", password)
	if status := send("code", next); status != http.StatusUnauthorized {
		t.Errorf("a code once more: %d, want 401", status)
	}
	v.Unfold("Use a recovery code")
	send("recovery", recovery)
	isIn(t, v, "lovelace")
	if n := f.requests(); n[0] == 0 || n[1] == 0 {
		t.Errorf("the servers had %d requests, want both to have had some", n)
	}
}

// enrol gives an account a second factor, and returns its seed and a recovery code.
// The command is one of the program that runs as s.
func enrol(t *testing.T, p *server.Program, s *server.Server, name string) (seed []byte, recovery string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), fmt.Sprintf("/proc/%d/exe", s.Pid()), "admin", "change", name, "--totp", "--json")
	cmd.Env = []string{"CONFIDANT_DATA_DIR=" + p.DataDir}
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var factor struct {
		URI      string
		Recovery []string `json:"recovery_codes"`
	}
	if err := json.NewDecoder(out).Decode(&factor); err != nil || len(factor.Recovery) == 0 {
		t.Errorf("the command gives no second factor: %v", err)
	}
	if uri, err := url.Parse(factor.URI); err == nil {
		seed, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(uri.Query().Get("secret"))
		if err != nil {
			t.Error(err)
		}
	}
	_, _ = fmt.Fprintln(in, code(seed, step())) // a command that has ended tells why
	if err := cmd.Wait(); err != nil || t.Failed() {
		t.Fatalf("admin change --totp: %v\n%s", err, said.String())
	}
	return seed, factor.Recovery[0]
}

// step returns the present time step of RFC 6238.
func step() uint64 { return uint64(time.Now().Unix() / 30) }

// code is the one-time code of a time step: RFC 6238 with HMAC-SHA-1 and six
// digits.
func code(seed []byte, step uint64) string {
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, step))
	sum := mac.Sum(nil)
	digits := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	return fmt.Sprintf("%06d", digits%1_000_000)
}
