package commands

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// The exit codes, one table for every command.
const (
	done        = 0
	refused     = 1
	usage       = 2
	settings    = 3
	storage     = 4
	locked      = 5
	interrupted = 130
)

// outcome is a way to call a command.
type outcome struct {
	args  string                   // behind its name; "{{dir}}" stands for the directory of the world
	stdin string                   // what it reads; "@name" stands for a file of the world
	in    func(*world, *testing.T) // what is different about the world
	// run runs it, if that takes more than waiting for its end.
	run func(*testing.T, *world, []string) server.Result
}

// outcomes are the ways of a command to end, by exit code. A string in place of
// an outcome says why there is none.
type outcomes map[int]any

// everyday completes the outcomes of a command that takes settings, store and
// lock, called with arguments that are good.
func everyday(good string, more outcomes) outcomes {
	all := outcomes{
		done:        outcome{args: good},
		usage:       outcome{args: "--nonsense"},
		settings:    outcome{args: good + " --config-file {{dir}}/misspelt.env"},
		storage:     outcome{args: good, in: (*world).ruined},
		locked:      outcome{args: good + " --lock-timeout 10ms", in: (*world).inUse},
		interrupted: outcome{args: good + " --lock-timeout 1m", in: (*world).inUse, run: interruptTalking},
	}
	maps.Copy(all, more)
	return all
}

// migration are the outcomes of a command that has work in DynamoDB alone.
func migration(good string) outcomes {
	const itsTests = "only a run over DynamoDB comes that far; the tests of the migrations do"
	return outcomes{
		done:        outcome{args: good},
		refused:     itsTests,
		usage:       outcome{args: "--nonsense"},
		settings:    outcome{args: good + " --config-file {{dir}}/misspelt.env"},
		storage:     outcome{args: good, in: (*world).unreachable},
		locked:      itsTests,
		interrupted: outcome{args: good, in: (*world).unreachable, run: interruptTalking},
	}
}

const (
	quick     = "it waits for nothing and is over at once"
	lockless  = "it opens nothing that another process could keep for itself"
	noStore   = "it reads neither a store nor a file"
	noRefusal = "there is nothing that it could refuse"
	noSetting = "it takes no setting"
	policies  = "the command line may always administer policies"
)

// table has the outcomes of every command.
var table = map[string]outcomes{
	"serve": everyday("", outcomes{
		done:        outcome{run: serveAndStop},
		refused:     noRefusal,
		interrupted: "an interruption is how it is told to end well",
	}),
	"healthcheck": {
		done:        outcome{in: (*world).serving},
		refused:     outcome{},
		usage:       outcome{args: "--nonsense"},
		settings:    outcome{args: "--config-file {{dir}}/misspelt.env"},
		storage:     noStore,
		locked:      lockless,
		interrupted: outcome{run: interruptTalking},
	},
	"check-config": {
		done:        outcome{},
		refused:     noRefusal,
		usage:       outcome{args: "--nonsense"},
		settings:    outcome{args: "--config-file {{dir}}/misspelt.env"},
		storage:     noStore,
		locked:      lockless,
		interrupted: quick,
	},
	"version": {
		done: outcome{}, refused: noRefusal, usage: outcome{args: "--nonsense"}, settings: noSetting, storage: noStore, locked: lockless, interrupted: quick,
	},

	"setup create-enckey": everyday("--force", outcomes{
		done:    outcome{args: "--force", in: (*world).withoutKey},
		refused: outcome{},
		storage: outcome{args: "--enckey-b64-file {{dir}}/absent"},
	}),
	"setup encrypt-enckey": everyday("--in-place --passphrase-file {{dir}}/words", outcomes{
		refused: outcome{args: "--outfile {{dir}}/words --passphrase-file {{dir}}/words"},
		storage: outcome{args: "--in-place --passphrase-file {{dir}}/absent"},
	}),
	"setup check-enckey": everyday("", outcomes{refused: outcome{in: (*world).anotherKey}}),
	"setup create-tables": everyday("", outcomes{
		refused: noRefusal,
	}),
	"setup create-audit-keys": everyday("-k 2048 --config-file {{dir}}/signed.env", outcomes{
		refused: outcome{
			args: "--config-file {{dir}}/signed.env",
			in:   func(w *world, t *testing.T) { w.write(t, "signing.pem", "mine") },
		},
		storage: outcome{args: "-k 2048 --config-file {{dir}}/misplaced.env"},
	}),
	"setup drop-tables": everyday("--dropit=yes", outcomes{
		refused: "only an answer on a terminal refuses it; a script of the program gives one",
	}),
	"setup rotate-enckey": everyday("--no-backup --yes", outcomes{
		done:    outcome{args: "--no-backup --yes", in: (*world).emptied},
		refused: outcome{args: "--yes --directory {{dir}}/absent"},
	}),
	"setup reindex": everyday("", outcomes{refused: noRefusal}),

	"check": everyday("", outcomes{refused: outcome{in: (*world).misled}}),

	"backup create": everyday("-d {{dir}}/backups", outcomes{
		refused: outcome{args: "--enckey -d {{dir}}/backups", in: (*world).withoutKey},
	}),
	"backup restore": everyday("{{dir}}/backup.tgz --yes", outcomes{
		refused: outcome{args: "{{dir}}/words --yes"},
		storage: outcome{args: "{{dir}}/absent --yes"},
	}),
	"backup verify": {
		done:        outcome{args: "{{dir}}/backup.tgz"},
		refused:     outcome{args: "{{dir}}/words"},
		usage:       outcome{},
		settings:    "it takes no setting; a newer schema is proved beside the hostile archives",
		storage:     outcome{args: "{{dir}}/absent"},
		locked:      lockless,
		interrupted: "it says nothing before it is done; the reading that it ends is interrupted by the tests beside it",
	},

	"audit rotate": everyday("--age 5", outcomes{
		refused: outcome{args: "-hw 0 -lw 0", in: (*world).forged},
		storage: outcome{args: "--config {{dir}}/absent"},
	}),
	"audit dump": everyday("", outcomes{
		refused:     "it prints what there is; whether it is true is for audit verify",
		storage:     outcome{args: "-f {{dir}}/words"},
		locked:      lockless,
		interrupted: outcome{in: (*world).talkative, run: interruptTalking},
	}),
	"audit verify": everyday("", outcomes{
		refused:     outcome{in: (*world).forged},
		storage:     outcome{in: (*world).noLog},
		locked:      lockless,
		interrupted: outcome{in: (*world).talkative, run: interruptTalking},
	}),

	"config policy list": everyday("", outcomes{refused: policies}),
	"config policy show": everyday("lists", outcomes{refused: outcome{args: "nobody"}}),
	"config policy create": everyday("metadata credential metadata", outcomes{
		refused: outcome{args: "lists credential list"},
	}),
	"config policy enable":  everyday("lists", outcomes{refused: outcome{args: "nobody"}}),
	"config policy disable": everyday("lists", outcomes{refused: outcome{args: "nobody"}}),
	"config policy delete":  everyday("lists --yes", outcomes{refused: outcome{args: "nobody --yes"}}),
	"config policy explain": everyday("--user ada list credential", outcomes{
		refused: outcome{args: "--service svc-x get credential nobody"},
	}),
	"config policy test": everyday("{{dir}}/good.yaml", outcomes{
		refused: outcome{args: "{{dir}}/bad.yaml"},
		storage: outcome{args: "{{dir}}/absent"},
	}),
	"config challenge cleanup": everyday("--age 5", outcomes{refused: outcome{in: (*world).forbidden}}),
	"config export":            everyday("-t policy", outcomes{refused: outcome{args: "-n nobody"}}),
	"config import": everyday("-i {{dir}}/empty.json", outcomes{
		refused: outcome{args: "-i {{dir}}/half.json --skip-invalid"},
		storage: outcome{args: "-i {{dir}}/absent"},
	}),

	"api create-token": everyday("-u ada", outcomes{refused: outcome{args: "-r service -u nobody"}}),
	"api check-token": {
		done:        outcome{stdin: "@token"},
		refused:     outcome{stdin: "no token"},
		usage:       outcome{args: "--nonsense"},
		settings:    outcome{args: "--config-file {{dir}}/misspelt.env", stdin: "@token"},
		storage:     outcome{stdin: "@token", in: (*world).ruined},
		locked:      outcome{args: "--lock-timeout 10ms", stdin: "@token", in: (*world).inUse},
		interrupted: outcome{args: "--lock-timeout 1m", stdin: "@token", in: (*world).inUse, run: interruptTalking},
	},
	"api revoke-before": everyday("2020-01-01T00:00:00Z -u ada", outcomes{
		refused: outcome{args: "2020-01-01T00:00:00Z -u ada", in: (*world).forbidden},
	}),

	"admin add":    everyday("grace --no-password", outcomes{refused: outcome{args: "ada --no-password"}}),
	"admin list":   everyday("", outcomes{refused: outcome{in: (*world).forbidden}}),
	"admin delete": everyday("ada --force", outcomes{refused: outcome{args: "ada"}}),
	"admin change": everyday("ada --email ada@example.com", outcomes{
		refused: outcome{args: "nobody --enable"},
	}),

	"archive-credentials": everyday("--days 90 --force", outcomes{refused: outcome{args: "--ids nobody"}}),
	"restore-credentials": everyday("--all --force", outcomes{refused: outcome{args: "--ids nobody"}}),

	"create-dynamodb-tables": {
		done:        "only DynamoDB has tables; the recorded runs do it there",
		refused:     "only DynamoDB has tables of another form; the tests of that store have some",
		usage:       outcome{args: "--provisioned ten"},
		settings:    outcome{},
		storage:     outcome{in: (*world).unreachable},
		locked:      lockless,
		interrupted: outcome{in: (*world).unreachable, run: interruptTalking},
	},
	"migrate-blind-cred-set-attribute": migration("--force"),
	"migrate-service-set-attribute":    migration("--force"),
	"migrate-boolean-attribute":        migration("--page-size 5"),

	"generate-secrets-bootstrap": {
		done:        outcome{args: "--in {{dir}}/good.env.yaml"},
		refused:     outcome{args: "--in {{dir}}/good.env.yaml --out {{dir}}/words"},
		usage:       outcome{args: "--in {{dir}}/words"},
		settings:    outcome{args: "--in {{dir}}/good.env.yaml", in: (*world).withoutKey},
		storage:     outcome{args: "--in {{dir}}/absent"},
		locked:      lockless,
		interrupted: outcome{stdin: "@good.env.yaml", run: interruptReading},
	},
	"decrypt-secrets-bootstrap": {
		done:        outcome{in: (*world).bootstrapped},
		refused:     outcome{in: (*world).bootstrapped, args: "--out {{dir}}/words"},
		usage:       outcome{args: "--nonsense"},
		settings:    outcome{},
		storage:     outcome{in: (*world).bootstrapped, args: "--out {{dir}}/absent/file"},
		locked:      lockless,
		interrupted: quick,
	},
}

// lines are the commands whose output with --json is not one document, with what
// it is.
var lines = map[string]string{
	"audit dump": "a record on each line",
	"serve":      "it runs until it is stopped, and prints nothing",
}

// Every command ends with the code of the table in every way that it can end,
// and prints one JSON document, whatever way that is.
func TestExitCodes_OfEveryCommand(t *testing.T) {
	t.Parallel()
	codes := []int{done, refused, usage, settings, storage, locked, interrupted}
	commands := working(tree(t, server.NewPlain(t, nil)))
	for name := range table {
		if !slices.Contains(commands, name) {
			t.Errorf("there is no command %q", name)
		}
	}
	template := prepared(t)
	for _, name := range commands {
		ways, listed := table[name]
		if !listed {
			t.Errorf("%q has no outcomes in the table", name)
			continue
		}
		for _, code := range codes {
			switch way := ways[code].(type) {
			case outcome:
				t.Run(name+"/"+strconv.Itoa(code), func(t *testing.T) {
					t.Parallel()
					ends(t, template, name, code, way)
				})
			case string:
			default:
				t.Errorf("%q: there is neither an outcome nor a reason for the code %d", name, code)
			}
		}
	}
}

func ends(t *testing.T, template, name string, code int, way outcome) {
	w := copied(t, template)
	if way.in != nil {
		way.in(w, t)
	}
	if way.run == nil {
		way.run = runToTheEnd
	}
	w.stdin = way.stdin
	if name, isFile := strings.CutPrefix(way.stdin, "@"); isFile {
		w.stdin = w.read(t, name)
	}
	args := append(strings.Fields(name), "--json")
	args = append(args, strings.Fields(strings.ReplaceAll(way.args, "{{dir}}", w.dir))...)
	r := way.run(t, w, args)
	if r.Code != code {
		t.Errorf("confidant %s ends with %d, want %d\n%s%s", strings.Join(args, " "), r.Code, code, r.Stdout, r.Stderr)
	}
	if code > refused && !strings.Contains(r.Stderr, "confidant: ") {
		t.Errorf("it does not say why: %q", r.Stderr)
	}
	documents, err := documentsIn(r.Stdout)
	switch {
	case err != nil:
		t.Errorf("standard output is no JSON: %v\n%s", err, r.Stdout)
	case name == "serve" && code == done:
		if documents != 0 {
			t.Errorf("it prints\n%s", r.Stdout)
		}
	case lines[name] == "" && documents != 1, lines[name] != "" && code == usage && documents != 1:
		t.Errorf("standard output holds %d JSON documents\n%s", documents, r.Stdout)
	}
}

func documentsIn(text string) (n int, err error) {
	for in := json.NewDecoder(strings.NewReader(text)); ; n++ {
		var any json.RawMessage
		if err := in.Decode(&any); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}
