package audit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/audit"
)

func TestParts_AreWhatACopyNeeds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"00000001-000000000001.jsonl": "one", "00000001-000000000001.jsonl.sig": "by", "00000002-000000000009.jsonl": "two",
		"torn": "", "lock": "x", "reserve": "x", "index.db": "x", "1-1.jsonl": "x", "notes.sig": "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parts, err := audit.Parts(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, p := range parts {
		got[p.Name] = p.Size
		if err := p.File.Close(); err != nil {
			t.Error(err)
		}
	}
	want := map[string]int64{
		"00000001-000000000001.jsonl": 3, "00000001-000000000001.jsonl.sig": 2, "00000002-000000000009.jsonl": 3, "torn": 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parts (-want +got):\n%s", diff)
	}
	if parts, err := audit.Parts(filepath.Join(dir, "absent")); err != nil || len(parts) > 0 {
		t.Errorf("Parts of no log = %v, %v", parts, err)
	}
}
