package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

// TestMain lets the test binary be the program, for the scripts run it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"confidant": main})
}

// TestScripts runs the scripts of testdata/script, each in a directory of its
// own, with a free port for a server and no setting of ours but that.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PORT", freePort(t))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"ready": ready,
			"json":  oneDocument,
			"save":  save,
			"call":  call,
			"let":   let,
			"begun": begun,
		},
		RequireExplicitExec: true,
	})
}

// exits runs a command that has to end with an exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command [argument]...")
	}
	code := "0"
	err := ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = strconv.Itoa(exit.ExitCode())
	} else {
		ts.Check(err)
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// ready waits for the server of the script.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: ready")
	}
	ts.Check(awaitReady("http://127.0.0.1:" + ts.Getenv("PORT")))
}

// oneDocument checks that a file, or the output of the last command, is exactly
// one JSON document, and that each further argument, path=text, stands in it.
func oneDocument(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: json file [member.member=text]...")
	}
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	var document any
	if err := decoder.Decode(&document); err != nil {
		ts.Fatalf("no JSON document: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("there is more than one JSON document")
	}
	for _, arg := range args[1:] {
		path, want, ok := strings.Cut(arg, "=")
		if !ok {
			ts.Fatalf("%q is not path=text", arg)
		}
		value := document
		for name := range strings.SplitSeq(path, ".") {
			object, _ := value.(map[string]any)
			value = object[name]
		}
		text, isText := value.(string)
		if !isText {
			encoded, err := json.Marshal(value)
			ts.Check(err)
			text = string(encoded)
		}
		if text != want {
			ts.Fatalf("%s = %q, want %q", path, text, want)
		}
	}
}

// save puts a member of the last command's JSON output into a file.
func save(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: save member file")
	}
	var document map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &document))
	text, ok := document[args[0]].(string)
	if !ok {
		ts.Fatalf("the output has no text %q", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// begun puts a pending log-in into the database of the script, as a server did some
// minutes ago.
func begun(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: begun id minutes-ago minutes-to-live")
	}
	ago, err := strconv.Atoi(args[1])
	ts.Check(err)
	life, err := strconv.Atoi(args[2])
	ts.Check(err)
	when := time.Now().Add(-time.Duration(ago) * time.Minute)
	s, err := sqlite.Open(context.Background(), sqlite.Options{
		Path: ts.MkAbs("confidant-data/confidant.db"), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return when },
	})
	ts.Check(err)
	_, err = s.Documents().Put(context.Background(), store.Document{
		Kind: "challenge", ID: args[0], Body: []byte(`{"step": "saml"}`), Expires: when.Add(time.Duration(life) * time.Minute),
	}, 0)
	ts.Check(errors.Join(err, s.Close()))
}

// let sets a variable to what a file holds.
func let(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: let NAME file")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// call asks the server of the script with the token in a file, and checks the
// status of the answer, whose body becomes the file "answer".
func call(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 5 {
		ts.Fatalf("usage: call tokenfile status [method] path [body]")
	}
	method, path, body := http.MethodGet, args[len(args)-1], ""
	if len(args) == 5 {
		method, path, body = args[2], args[3], args[4]
	}
	request, err := http.NewRequest(method, "http://127.0.0.1:"+ts.Getenv("PORT")+path, strings.NewReader(body))
	ts.Check(err)
	request.Header.Set("X-API-Key", strings.TrimSpace(ts.ReadFile(args[0])))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	ts.Check(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("answer"), answer, 0o600))
	if got := strconv.Itoa(response.StatusCode); got != args[1] {
		ts.Fatalf("%s %s: status %s, want %s\n%s", method, path, got, args[1], answer)
	}
}
