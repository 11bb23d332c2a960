package commands

import (
	"bytes"
	"context"
	"encoding/base64"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
	"github.com/confidant-secrets/confidant/internal/store"
)

// step is a command line, word for word as the manuals of the two older programs
// show it, with "confidant" in the place of the program. The next step finds what
// this one leaves.
type step struct {
	line  string // "{{dir}}" stands for a directory, "{{ONE}}" and its like for an id
	stdin string
	code  int
	shows string // in what it prints
	// moved are the credentials that are in the archive alone afterwards, kept
	// those that are there as well as in the main store.
	moved, kept string
	kms         int // the code over KMS, where it is another one
	dynamo      int // the code over DynamoDB, where it is another one
}

// moves are the lines that move credentials.
var moves = []step{
	{line: "archive_credentials --help", shows: "--days"},
	{line: "archive_credentials -?", shows: "--force"},
	{line: "restore_credentials --help", shows: "--all"},
	{line: "restore-credentials -?", shows: "--ids"},
	{line: "archive-credentials --days 90", shows: "Would have archived"},
	{line: "archive_credentials --ids {{ONE}},{{D30}}", shows: "Would have archived"},
	{line: "archive-credentials --days 90 --force", shows: "Archived credential", moved: "OLD3"},
	{line: "archive_credentials --days 90 --force", shows: "0 of 1 credentials archived, 1 skipped", moved: "OLD3"},
	{line: "archive-credentials --ids {{ONE}},{{D30}} --force", shows: "2 of 2", moved: "OLD3 ONE D30"},
	{line: "restore-credentials --all", shows: "Would have restored", moved: "OLD3 ONE D30"},
	{line: "restore_credentials --ids {{ONE}},{{D30}} --force", shows: "2 of 2", moved: "OLD3", kept: "ONE D30"},
	{line: "restore-credentials --all --force", shows: "1 of 3 credentials restored, 2 already there", kept: "OLD3 ONE D30"},
	{line: "restore_credentials --all --force", shows: "0 of 3", kept: "OLD3 ONE D30"},
	{line: "archive_credentials --ids {{ONE}},{{D30}} --force", shows: "2 of 2", moved: "ONE D30", kept: "OLD3"},
	{line: "archive-credentials --ids {{MAPPED}},{{ENABLED}} --force", code: refused, moved: "ONE D30", kept: "OLD3"},
	{line: "restore_credentials --all --force", shows: "2 of 3", kept: "OLD3 ONE D30"},
}

// manages are the lines that manage keys, tokens, policies and the log.
var manages = []step{
	{line: "-h", shows: "setup"},
	{line: "setup create_enckey", code: refused},
	{line: "setup create_enckey --enckey_b64={{key}}", code: refused},
	{line: "setup encrypt_enckey {{dir}}/data/enckey --passphrase-file {{dir}}/words", shows: "BEGIN AGE ENCRYPTED FILE", kms: storage},
	{line: "admin add grace --no-password", shows: "registered"},
	{line: "audit rotate", shows: "entries deleted", dynamo: settings},
	{line: "config challenge cleanup", shows: "entries deleted"},
	{line: "config challenge cleanup --age 10", shows: "entries deleted"},
	{line: "config challenge cleanup --age 10 --chunksize 2 --dryrun", shows: "Would delete"},
	{line: "api createtoken -r validate -u svc-x", shows: "365 days"},
	{line: "api createtoken -r validate", code: usage},
	{line: "api createtoken -r admin", shows: "api-"},
	{line: "config policy create first credential list", shows: "Successfully created"},
	{line: "config policy disable first", shows: "Successfully disabled"},
	{line: "config policy enable first", shows: "Successfully enabled"},
	{line: "config export -t policy", shows: `"first"`},
	{line: "config import -t policy", stdin: "{}", shows: "policy: 0 created"},
	{line: "config policy list", shows: "first"},
	{line: "config policy delete first --yes", shows: "Successfully deleted"},
}

// places are the stores and keys that there may be.
func places(t *testing.T) map[string]func(*testing.T) tables {
	t.Helper()
	all := map[string]func(*testing.T) tables{"sqlite": func(t *testing.T) tables {
		s := embedded(t)
		s.MustRun("setup", "create-enckey")
		return s
	}}
	if cloud.Wanted() {
		all["dynamodb and KMS"] = func(t *testing.T) tables {
			s, _ := inCloud(t)
			return s
		}
		all["dynamodb and a key file"] = func(t *testing.T) tables {
			s, _ := inCloud(t)
			for _, name := range []string{"KMS_MASTER_KEY", "API_TOKEN_SECRET", "SESSION_SECRET"} {
				delete(s.Settings, name)
			}
			s.MustRun("setup", "create-enckey")
			return s
		}
	}
	return all
}

func TestManuals_EachLineWorksWordForWord(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup // over DynamoDB most of the time is waiting
	for name, open := range places(t) {
		all.Go(func() {
			t.Run(name+"/moving", func(t *testing.T) {
				s := open(t)
				s.with(t, func(st store.Store) { fill(t, st, time.Now(), present, nil) })
				for _, step := range moves {
					take(t, s, step, step.code)
					s.with(t, func(st store.Store) { placed(t, st, step) })
				}
			})
		})
		all.Go(func() {
			t.Run(name+"/managing", func(t *testing.T) {
				s := open(t)
				s.with(t, func(st store.Store) { fill(t, st, time.Now(), nil, nil) })
				w := world{Program: s.Program, dir: filepath.Dir(s.DataDir)}
				w.write(t, "words", "correct horse battery staple")
				for _, step := range manages {
					code := step.code
					if strings.HasPrefix(name, "dynamodb") && step.dynamo != 0 {
						code = step.dynamo
					}
					if strings.HasSuffix(name, "KMS") && step.kms != 0 {
						code = step.kms
					}
					take(t, s, step, code)
				}
			})
		})
	}
	all.Wait()
}

// present are the credentials before the first step.
var present = []string{"{{OLD3}}-1", "{{OLD3}}-2", "{{OLD3}}-3", "{{ONE}}-1", "{{D30}}-1", "{{ENABLED}}-1", "{{MAPPED}}-1"}

func take(t *testing.T, s tables, step step, want int) {
	t.Helper()
	line := strings.NewReplacer(
		"{{dir}}", filepath.Dir(s.DataDir), "{{key}}", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("0123456789ab"), 8)),
	).Replace(named(step.line))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := s.Command(ctx, strings.Fields(line)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(step.stdin), &stdout, &stderr
	_ = cmd.Run() // the code tells
	r := server.Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	if r.Code != want || want == 0 && !strings.Contains(r.Stdout, step.shows) {
		t.Errorf("confidant %s: exit code %d, want %d and %q\n%s%s", step.line, r.Code, want, step.shows, r.Stdout, r.Stderr)
	}
}

// placed checks where each credential is after a step.
func placed(t *testing.T, st store.Store, after step) {
	t.Helper()
	moved, kept := strings.Fields(after.moved), strings.Fields(after.kept)
	var wantMain, wantArchive []string
	for _, key := range present {
		name, _, _ := strings.Cut(strings.TrimPrefix(key, "{{"), "}}")
		if !slices.Contains(moved, name) {
			wantMain = append(wantMain, key)
		}
		if slices.Contains(moved, name) || slices.Contains(kept, name) {
			wantArchive = append(wantArchive, key)
		}
	}
	main, archive := contents(t, st)
	if !slices.Equal(main, expand(wantMain)) || !slices.Equal(archive, expand(wantArchive)) {
		t.Errorf("after confidant %s there are %v, and in the archive %v", after.line, main, archive)
	}
}
