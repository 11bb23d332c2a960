package webui_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"regexp"
	"testing"

	"github.com/confidant-secrets/confidant/web"
)

// The files of others are those that docs/dependencies.md tells of, unchanged,
// each with its licence.
func TestComponents_AreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/dependencies.md")
	must(t, err)
	told := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)\\| `([a-z0-9./-]+)` \\| `([0-9a-f]{64})` \\|$").FindAllStringSubmatch(string(document), -1) {
		told["components/"+m[1]] = m[2]
	}
	if len(told) == 0 {
		t.Fatal("the document tells of no component")
	}
	err = fs.WalkDir(web.Static(), "components", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "LICENSE.txt" {
			return err
		}
		body, err := fs.ReadFile(web.Static(), name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		if got := hex.EncodeToString(sum[:]); got != told[name] {
			t.Errorf("%s has the sum %s, told is %q", name, got, told[name])
		}
		delete(told, name)
		if _, err := fs.Stat(web.Static(), regexp.MustCompile(`[^/]+$`).ReplaceAllString(name, "LICENSE.txt")); err != nil {
			t.Errorf("%s comes without its licence: %v", name, err)
		}
		return nil
	})
	must(t, err)
	for name := range told {
		t.Errorf("%s is told of and not there", name)
	}
}
