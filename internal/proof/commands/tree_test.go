package commands

import (
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// page is the help of one command, read as a stranger reads it.
type page struct {
	text     string
	children []string // empty: the command does something itself
	flags    []option // its own and those of every command
}

// option is a flag in help, for example "lock-timeout" of type "duration". A
// switch has no type.
type option struct{ name, kind string }

var (
	childLine = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*) +[A-Z]`)
	flagLine  = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z][a-z0-9-]*)(?:\[=[^]]*\])?(?: (\w+))?  `)
)

// tree walks the help of the program and returns its pages by command, "" for
// the program itself.
func tree(t *testing.T, p *server.Program) map[string]page {
	t.Helper()
	pages := map[string]page{}
	var walk func(command []string)
	walk = func(command []string) {
		read := page{text: p.MustRun(append(slices.Clone(command), "--help")...)}
		_, list, _ := strings.Cut(read.text, "\nCommands:\n")
		list, _, _ = strings.Cut(list, "\n\n")
		for _, m := range childLine.FindAllStringSubmatch(list, -1) {
			read.children = append(read.children, m[1])
			walk(append(slices.Clone(command), m[1]))
		}
		for _, m := range flagLine.FindAllStringSubmatch(read.text, -1) {
			read.flags = append(read.flags, option{m[1], m[2]})
		}
		pages[strings.Join(command, " ")] = read
	}
	walk(nil)
	return pages
}

// working returns the commands that do something, sorted.
func working(pages map[string]page) []string {
	var all []string
	for name, p := range pages {
		if len(p.children) == 0 {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// samples are values that flags of these types take.
var samples = map[string]string{"": "true", "string": "x", "strings": "x", "stringArray": "x", "int": "7", "float": "7", "duration": "7s"}

// Help comes under three spellings, with examples, and every name and flag may
// be written with underscores.
func TestTree_HelpAndSpellings(t *testing.T) {
	t.Parallel()
	p := server.NewPlain(t, nil)
	pages := tree(t, p)
	if n := len(working(pages)); n < 35 {
		t.Fatalf("the walk finds only %d commands", n)
	}
	for name, page := range pages {
		t.Run("confidant "+name, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(name)
			_, examples, _ := strings.Cut(page.text, "\nExamples:\n")
			if !strings.Contains(examples, strings.TrimSpace("  confidant "+name)) {
				t.Errorf("no example shows the command:\n%s", page.text)
			}
			older := strings.Fields(strings.ReplaceAll(name, "-", "_"))
			for _, args := range [][]string{
				append(slices.Clone(words), "-h"), append(slices.Clone(words), "-?"), append(slices.Clone(older), "-?"),
			} {
				if r := p.Run(args...); r.Code != 0 || r.Stdout != page.text || r.Stderr != "" {
					t.Errorf("confidant %s ends with %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
				}
			}
			args := slices.Clone(older)
			for _, f := range page.flags {
				value, known := samples[f.kind]
				if !known {
					t.Errorf("--%s is of type %s, of which no value is known here", f.name, f.kind)
				}
				if f.name != "help" && f.name != "version" {
					args = append(args, "--"+strings.ReplaceAll(f.name, "-", "_")+"="+value)
				}
			}
			if len(page.flags) < 5 {
				t.Errorf("only the flags %v are read", page.flags)
			}
			if r := p.Run(append(args, "--help")...); r.Code != 0 || r.Stdout != page.text {
				t.Errorf("confidant %s --help ends with %d\n%s", strings.Join(args, " "), r.Code, r.Stderr)
			}
		})
	}
}

// aliases are the spellings of pi-manage and of the older service that are not
// the name with underscores.
var aliases = map[string]string{
	"create_enckey":       "setup create-enckey",
	"encrypt_enckey":      "setup encrypt-enckey",
	"create_tables":       "setup create-tables",
	"createdb":            "setup create-tables",
	"create_audit_keys":   "setup create-audit-keys",
	"api createtoken":     "api create-token",
	"rotate_audit":        "audit rotate",
	"config exporter":     "config export",
	"config importer":     "config import",
	"policy list":         "config policy list",
	"policy show":         "config policy show",
	"policy create":       "config policy create",
	"policy enable":       "config policy enable",
	"policy disable":      "config policy disable",
	"policy delete":       "config policy delete",
	"policy explain":      "config policy explain",
	"policy test":         "config policy test",
	"setup create_enckey": "setup create-enckey",
}

func TestTree_OlderNamesWork(t *testing.T) {
	t.Parallel()
	p := server.NewPlain(t, nil)
	for older, now := range aliases {
		words, _, _ := strings.Cut(p.MustRun(append(strings.Fields(now), "--help")...), "Usage:")
		if got := p.MustRun(append(strings.Fields(older), "--help")...); !strings.HasPrefix(got, words) {
			t.Errorf("confidant %s --help:\n%s\nwant that of %s", older, got, now)
		}
		// One that stood at the top level says so when it is used.
		first, _, _ := strings.Cut(older, " ")
		if strings.HasPrefix(now, first+" ") {
			continue
		}
		r := p.Run(append(strings.Fields(older), "--config-file", "nowhere.env")...)
		if n := strings.Count(r.Stderr, "is an older spelling of"); n != 1 && r.Code != 2 {
			t.Errorf("confidant %s: it says %d times that it is old\n%s", older, n, r.Stderr)
		}
	}
	for older, now := range map[string]string{
		"setup create-enckey --enckey_b64=AAAA --json":             "setup create-enckey --enckey-b64=AAAA --json",
		"backup create --config_dir nowhere --config_file nowhere": "backup create --config-dir nowhere --config-file nowhere",
		"audit rotate -hw 5 -lw 6":                                 "audit rotate --highwatermark 5 --lowwatermark 6",
		"audit rotate -hw=5 -lw=6":                                 "audit rotate --highwatermark=5 --lowwatermark=6",
		"rotate_audit -hw 5 -lw=6 --quiet":                         "audit rotate --highwatermark 5 --lowwatermark 6 --quiet",
		"archive_credentials --days 1 --ids x":                     "archive-credentials --days 1 --ids x",
		"api createtoken -r nobody":                                "api create-token --role nobody",
		"config importer -t policy --dry_run --input nowhere":      "config import --types policy --dryrun -i nowhere",
	} {
		if a, b := p.Run(strings.Fields(older)...), p.Run(strings.Fields(now)...); a != b || a.Code == 0 {
			t.Errorf("confidant %s: %+v\nconfidant %s: %+v", older, a, now, b)
		}
	}
}

// Shells complete the commands, and the scripts for it are whole.
func TestTree_Completion(t *testing.T) {
	t.Parallel()
	p := server.NewPlain(t, nil)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		script := p.MustRun("completion", shell)
		if !strings.Contains(script, "confidant") || len(script) < 2000 {
			t.Errorf("the script for %s:\n%s", shell, script)
		}
		if shell == "bash" {
			check := exec.Command("bash", "-n")
			check.Stdin = strings.NewReader(script)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("bash does not read its script: %v\n%s", err, out)
			}
		}
	}
	for name, page := range tree(t, p) {
		got := map[string]bool{}
		for line := range strings.Lines(p.MustRun(append(append([]string{"__complete"}, strings.Fields(name)...), "")...)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got[word] = true
		}
		for _, child := range page.children {
			if !got[child] {
				t.Errorf("confidant %s: %s is not offered, but %s", name, child, fmt.Sprint(slices.Sorted(maps.Keys(got))))
			}
		}
	}
}
