package archtest

import (
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryPackageHasItsPlace(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range sources(t) {
		seen[s.room] = true
		if _, ok := rooms[s.room]; !ok {
			t.Errorf("%s: package %q has no place in the table of rooms", s.file, s.room)
		}
	}
	for name := range rooms {
		if !seen[name] {
			t.Errorf("the table of rooms lists %q, which does not exist", name)
		}
	}
}

func TestImportsFollowTheTiers(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		s.imports(func(imported string, _ bool) {
			below, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				return
			}
			if rule := refusal(s.room, roomOf(below)); rule != "" {
				t.Errorf("%s imports %s: %s", s.file, imported, rule)
			}
		})
	}
}

// refusal returns the rule that an import of ours breaks, or "".
func refusal(from, to string) string {
	importer, imported := rooms[from], rooms[to]
	switch {
	case from == to:
		return ""
	case importer.only != nil:
		if !slices.Contains(importer.only, to) {
			return from + " may import only: " + strings.Join(importer.only, ", ")
		}
		return ""
	case slices.Contains(importer.also, to):
		return ""
	case importer.tier == proof:
		return ""
	case imported.tier == proof:
		return "the product does not import what only tests need"
	case importer.tier == adapter:
		if imported.tier > noun {
			return "an adapter knows its parent, the leaves, policy and the nouns, never another adapter"
		}
		return ""
	case from == "cli" && imported.tier == adapter:
		return "app alone names adapters"
	case importer.tier == wiring && imported.tier != wiring:
		return ""
	case imported.tier >= importer.tier:
		return "a package imports packages of lower tiers only"
	}
	return ""
}

func TestOutsideModulesStandInTheTable(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	anywhere := slices.Clone(testModules)
	for _, r := range rooms {
		anywhere = append(anywhere, r.outside...)
	}
	for _, s := range sources(t) {
		allowed := rooms[s.room].outside
		if s.test || rooms[s.room].tier == proof {
			allowed = anywhere
		}
		s.imports(func(imported string, _ bool) {
			if !outside(imported) {
				return
			}
			i := slices.IndexFunc(allowed, func(m string) bool { return within(imported, m) })
			if i < 0 {
				t.Errorf("%s imports %s, which the table of rooms does not allow to %q", s.file, imported, s.room)
				return
			}
			used[s.room+" "+allowed[i]] = true
		})
	}
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		for _, m := range rooms[name].outside {
			if !used[name+" "+m] {
				t.Errorf("the table of rooms allows %s to %q, which does not import it", m, name)
			}
		}
	}
}

// outside reports whether an import is neither ours nor of the standard library.
func outside(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return strings.Contains(first, ".") && !within(imported, module)
}

func within(imported, module string) bool {
	return imported == module || strings.HasPrefix(imported, module+"/")
}

func TestHTTPAndSQLStayInTheirRooms(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		r := rooms[s.room]
		if s.test || r.tier == proof {
			continue
		}
		s.imports(func(imported string, _ bool) {
			switch {
			case within(imported, "net/http") && !r.http:
				t.Errorf("%s imports %s: HTTP is the transports' business", s.file, imported)
			case within(imported, "database/sql") && !r.sql:
				t.Errorf("%s imports %s: SQL is the store's and the audit index's business", s.file, imported)
			case strings.HasPrefix(imported, "github.com/aws/") && !r.aws:
				t.Errorf("%s imports %s: the AWS SDK stays in its adapters", s.file, imported)
			}
		})
	}
}

func TestNoBlankImportsButTheSQLiteDriver(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		s.imports(func(imported string, blank bool) {
			if blank && imported != "embed" && !(imported == "modernc.org/sqlite" && rooms[s.room].sql) {
				t.Errorf("%s imports %s for its side effects", s.file, imported)
			}
		})
	}
}

// environment lists the ways to look at the process environment.
var environment = map[string]bool{
	"Getenv": true, "LookupEnv": true, "Environ": true, "ExpandEnv": true, "Setenv": true, "Unsetenv": true, "Clearenv": true,
}

func TestOnlyConfigReadsTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || s.room == "config" || rooms[s.room].tier == proof {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := call.X.(*ast.Ident); ok && (pkg.Name == "os" || pkg.Name == "syscall" || pkg.Name == "unix") && environment[call.Sel.Name] {
				t.Errorf("%s uses %s.%s: settings come from package config", s.file, pkg.Name, call.Sel.Name)
			}
			return true
		})
	}
}

func TestNoInitFunctions(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function: what a package needs is passed to it", s.file)
			}
		}
	}
}

// exits lists the ways to end the process from inside.
var exits = map[string]string{"Exit": "os", "Fatal": "log", "Fatalf": "log", "Fatalln": "log"}

func TestOnlyMainEndsTheProcess(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || s.room == "cmd/confidant" || rooms[s.room].tier == proof {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := call.X.(*ast.Ident); ok && exits[call.Sel.Name] == pkg.Name {
					t.Errorf("%s calls %s.%s: only main ends the process", s.file, pkg.Name, call.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test && s.ast.Doc != nil && len(s.ast.Doc.Text()) > 40 {
			documented[s.room] = true
		}
	}
	for name := range rooms {
		if !documented[name] {
			t.Errorf("package %q has no package comment", name)
		}
	}
}

// TestRefusal_NamesTheRule holds the rules themselves to examples.
func TestRefusal_NamesTheRule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to string
		allowed  bool
	}{
		{"store/sqlite", "store", true},
		{"store/sqlite", "keyring/local", false},
		{"store/sqlite", "vault", false},
		{"credential", "sealed", true},
		{"credential", "store", false},
		{"credential", "authz", false},
		{"vault", "store", true},
		{"vault", "store/sqlite", false},
		{"vault", "account", false},
		{"vault", "httpapi", false},
		{"httpapi", "vault", true},
		{"httpapi", "authn", true},
		{"authn", "httpapi", false},
		{"httpapi", "config", false},
		{"config", "fault", false},
		{"app", "store/sqlite", true},
		{"app", "cli", false},
		{"cli", "keyring/local", false},
		{"cli", "account", true},
		{"cmd/confidant", "app", false},
		{"cli", "app", true},
		{"app", "archtest", false},
		{"fault", "revision", false},
	}
	for _, tt := range tests {
		if got := refusal(tt.from, tt.to); (got == "") != tt.allowed {
			t.Errorf("%s imports %s: rule %q, want allowed %v", tt.from, tt.to, got, tt.allowed)
		}
	}
}

// TestDependenciesAreExplained holds docs/dependencies.md to go.mod: the same
// modules in the same releases.
func TestDependenciesAreExplained(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	required := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require )?\s*([a-z0-9.-]+/\S+) (v\S+)$`).FindAllStringSubmatch(read("go.mod"), -1) {
		required[m[1]] = m[2]
	}
	explained := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (v\\S+) \\| \\d").FindAllStringSubmatch(read("docs/dependencies.md"), -1) {
		explained[m[1]] = m[2]
	}
	if len(required) < 10 {
		t.Fatalf("only %d modules in go.mod: the pattern does not fit", len(required))
	}
	if !maps.Equal(required, explained) {
		t.Errorf("go.mod and docs/dependencies.md differ:\ngo.mod  %v\nexplain %v", required, explained)
	}
}

// TestLinksLeadSomewhere holds the links of the pages that people read to files
// that exist.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) < 5 {
		t.Fatalf("found %d pages, %v", len(pages), err)
	}
	pages = append(pages, filepath.Join(root, "README.md"))
	links := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(m[1], "https://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if links < 5 {
		t.Errorf("only %d links: the pattern does not fit", links)
	}
}
