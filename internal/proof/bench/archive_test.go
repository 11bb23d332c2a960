package bench

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/proof/server"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
)

// archivedRevisions is how many revisions each archived credential has.
const archivedRevisions = 5

// archive measures how fast a command archives, and what memory it takes. It
// takes so long that it is measured once.
func (r *run) archive() {
	p := server.New(r, nil)
	r.fillOld(p)
	cmd := p.Command(r.Context(), "archive-credentials", "--days", "30", "--force", "--quiet")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	ours := rate{r.archived, time.Since(began)}
	want := fmt.Sprintf("%d of %d credentials archived.", r.archived, r.archived)
	if err != nil || !strings.Contains(string(out), want) {
		r.Fatalf("archiving: %v\n%s", err, out)
	}
	memory := float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024

	bare := server.New(r, nil)
	r.fillOld(bare)
	took, err := rawArchive(filepath.Join(bare.DataDir, "confidant.db"), r.archived)
	if err != nil {
		r.Fatal(err)
	}
	raw := rate{r.archived, took}
	r.table.add(line{
		what: fmt.Sprintf("archiving %d credentials of %d revisions", r.archived, archivedRevisions), value: perSecond(ours.perSecond()),
		against: "raw SQLite transactions " + perSecond(raw.perSecond()), ratio: ours.perSecond() / raw.perSecond(), atLeast: true, target: 0.4,
	})
	r.table.add(line{what: "memory of archiving", value: fmt.Sprintf("%.0f MiB", memory), ratio: memory, target: 150, unit: " MiB"})
}

// fillOld makes a database of disabled credentials that changed a year ago.
func (r *run) fillOld(p *server.Program) {
	r.Helper()
	if err := os.MkdirAll(p.DataDir, 0o700); err != nil {
		r.Fatal(err)
	}
	s, err := sqlite.Open(r.Context(), sqlite.Options{
		Path: filepath.Join(p.DataDir, "confidant.db"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.Fatal(err)
	}
	old := revision.Instant(time.Now().AddDate(-1, 0, 0))
	g := errgroup.Group{}
	g.SetLimit(64) // which the store commits together
	for i := range r.archived {
		g.Go(func() error {
			id := fmt.Sprintf("%032x", i)
			rows := make([]*credential.Credential, archivedRevisions)
			for n := range rows {
				rows[n] = &credential.Credential{
					Meta: revision.Meta{ID: id, Revision: n + 1, ModifiedDate: old, ModifiedBy: "bench@example.com"},
					Name: fmt.Sprintf("database of application %d", i), KeyNames: []string{"password", "user"},
					Sealed: sealed.Value{
						Ciphertext: strings.Repeat("c", 200), DataKey: []byte(strings.Repeat("k", 120)), Version: 2,
					},
				}
			}
			_, err := s.Credentials().Import(r.Context(), rows[archivedRevisions-1], rows)
			return err
		})
	}
	if err := errors.Join(g.Wait(), s.Close()); err != nil {
		r.Fatal(err)
	}
}

// rawArchive does with SQLite alone what archiving has to do at least: one
// flushed transaction for each credential, which copies its rows into the
// archive and removes them. It returns how long that takes.
func rawArchive(path string, credentials int) (time.Duration, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	const columns = `noun, id, revision, modified, modified_by, enabled, name, metadata, documentation, key_names, tags,
		last_decrypted, last_rotation, account, credentials, blind_credentials, cipher_type, cipher_version, data_key, credential_pairs`
	var steps []*sql.Stmt
	for _, text := range []string{
		"INSERT INTO archive_history (" + columns + ") SELECT " + columns + " FROM history WHERE id = ?",
		`INSERT INTO archive_current (noun, id, revision, content, modified, stages, accessed)
			SELECT noun, id, revision, last_insert_rowid(), modified, stages, accessed FROM current WHERE id = ?`,
		"INSERT INTO current_text (current_text, rowid, sought) SELECT 'delete', number, sought FROM current WHERE id = ?",
		"DELETE FROM label WHERE number = (SELECT number FROM current WHERE id = ?) AND label IN ('kpassword', 'kuser')",
		"DELETE FROM current WHERE id = ?",
		"DELETE FROM history WHERE id = ?",
	} {
		step, err := db.Prepare(text)
		if err != nil {
			return 0, err
		}
		defer step.Close()
		steps = append(steps, step)
	}
	began := time.Now()
	for i := range credentials {
		tx, err := db.Begin()
		if err != nil {
			return 0, err
		}
		for _, step := range steps {
			if _, err := tx.Stmt(step).Exec(fmt.Sprintf("%032x", i)); err != nil {
				return 0, errors.Join(err, tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}
