package local

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The permission error itself is made up: a test that runs as root gets none.
func TestExplain_SaysWhoIsRefusedAndWhoseFileItIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "enckey")
	denied := &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	me := fmt.Sprintf("user %d", os.Geteuid())

	if err := explain(path, denied); !strings.Contains(err.Error(), me+" may not enter its directory") {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	want := "belongs to " + me + " and has mode 0400; this process is " + me
	if err := explain(path, denied); !strings.Contains(err.Error(), want) {
		t.Errorf("explain = %v, want %q in it", err, want)
	}
	missing := &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	if err := explain(path, missing); err != missing {
		t.Errorf("explain = %v, want %v", err, missing)
	}
}
