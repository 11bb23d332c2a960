package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/confidant-secrets/confidant"
)

// source is one Go file.
type source struct {
	file string // path below the module
	room string // key of its package in the table
	test bool
	ast  *ast.File
}

// sources returns every Go file of the module but for test data.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d Go files under %s: the walk does not see the module", len(all), root)
	}
	return all
}

var parsed = sync.OnceValues(func() (all []source, err error) {
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); name != "." && (base[0] == '.' || base[0] == '_' || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{
			file: name,
			room: roomOf(path.Dir(name)),
			test: strings.HasSuffix(name, "_test.go"),
			ast:  file,
		})
		return nil
	})
	return all, err
})

// roomOf returns the table's name of a package path below the module.
func roomOf(dir string) string { return strings.TrimPrefix(dir, "internal/") }

// imports calls visit with each import of the file and whether it is blank.
func (s source) imports(visit func(imported string, blank bool)) {
	for _, spec := range s.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic("archtest: the parser accepts quoted imports only: " + err.Error())
		}
		visit(imported, spec.Name != nil && spec.Name.Name == "_")
	}
}
