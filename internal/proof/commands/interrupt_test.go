package commands

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// While a run is at work a second one is locked out and a dry run is not;
// interrupted it finishes what is in hand, says how far it came, and the next
// run does the rest.
func TestInterrupted_SaysHowFarItCameAndLetsTheNextFinish(t *testing.T) {
	t.Parallel()
	const credentials = 40
	s := embedded(t)
	s.with(t, func(st store.Store) {
		for i := range credentials {
			row := &credential.Credential{
				Meta: revision.Meta{ID: fmt.Sprintf("%032x", i), Revision: 1, ModifiedDate: time.Unix(1e9, 0).UTC(), ModifiedBy: "x"},
				Name: fmt.Sprint("c", i), KeyNames: []string{"k"},
			}
			if _, err := st.Credentials().Import(t.Context(), row, []*credential.Credential{row}); err != nil {
				t.Fatal(err)
			}
		}
	})
	cmd := s.Command(t.Context(), "archive-credentials", "--days", "30", "--force", "--rate", "4")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "Archived credential and revisions: ") {
		t.Errorf("it says %q, %v", line, err)
	}
	if r := s.Run("restore-credentials", "--all", "--force"); r.Code != 5 || !strings.Contains(r.Stderr, fmt.Sprintf("process %d on ", cmd.Process.Pid)) {
		t.Errorf("a second run ends with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := s.Run("archive-credentials", "--days", "30"); r.Code != 0 {
		t.Errorf("a dry run ends with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, err := readAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the code tells
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, stderr.String())
	}
	var moved, left int
	last := rest[len(rest)-1]
	if _, err := fmt.Sscanf(last, "%d of 40 credentials archived, %d left as they were; run it again to finish.", &moved, &left); err != nil || moved == 0 || left == 0 || moved+left != credentials {
		t.Errorf("it ends with %q, %v", last, err)
	}

	s.with(t, func(st store.Store) {
		main, archive := contents(t, st)
		if len(main) != 2*left || len(archive) != 2*moved {
			t.Errorf("%d rows stand here and %d in the archive, after %q", len(main), len(archive), last)
		}
	})
	var next struct {
		Summary struct{ Selected, Done int }
	}
	if err := json.Unmarshal([]byte(s.MustRun("archive-credentials", "--days", "30", "--force", "--json")), &next); err != nil {
		t.Fatal(err)
	}
	if next.Summary.Selected != left || next.Summary.Done != left {
		t.Errorf("the next run moves %+v, want %d", next.Summary, left)
	}
	s.MustRun("audit", "verify")
}

// readAll returns the lines that are left.
func readAll(r *bufio.Reader) ([]string, error) {
	var text bytes.Buffer
	_, err := r.WriteTo(&text)
	return slices.Collect(strings.SplitSeq(strings.TrimSpace(text.String()), "\n")), err
}
