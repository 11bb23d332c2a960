package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/confidant-secrets/confidant/internal/store"
)

// Reindex compares every claim and mapping with the current rows and mends what
// differs, in one transaction.
func (s *Store) Reindex(ctx context.Context, progress func(done, total int)) (store.ReindexReport, error) {
	var report store.ReindexReport
	if progress == nil {
		progress = func(int, int) {}
	}
	err := s.write(ctx, "rebuilding claims and mappings", func(t *transaction) error {
		r := reindexing{t: t, ctx: ctx, progress: progress}
		if err := r.claims(); err != nil {
			return err
		}
		err := r.mappings()
		report = r.report
		return err
	})
	if err != nil {
		return store.ReindexReport{}, err
	}
	return report, nil
}

// reindexing is one run of Reindex.
type reindexing struct {
	t           *transaction
	ctx         context.Context
	progress    func(done, total int)
	done, total int
	report      store.ReindexReport
}

// step counts a row that was looked at.
func (r *reindexing) step() error {
	if r.done++; r.done%1000 == 0 || r.done == r.total {
		r.progress(r.done, r.total)
	}
	return r.ctx.Err()
}

func (r *reindexing) changed(format string, args ...any) {
	r.report.Changed = append(r.report.Changed, fmt.Sprintf(format, args...))
}

// bearer is a row that bears a name.
type bearer struct {
	number int64
	noun   noun
	id     string
	name   string
	claim  []byte
}

// claims lets whoever bears a name and holds its claim keep it, takes away claims
// that are of another name, and gives those that nobody holds to who bears the
// name longest.
func (r *reindexing) claims() error {
	if _, err := r.t.row("SELECT count(*) FROM current", nil, &r.total); err != nil {
		return err
	}
	var wrong, without []bearer
	err := r.t.each("SELECT c.number, c.noun, c.id, coalesce(h.name, ''), c.claim FROM current c CROSS JOIN history h ON h.number = c.content WHERE c.noun <> ?",
		[]any{string(serviceNoun)}, func(rows *sql.Rows) error {
			var b bearer
			if err := rows.Scan(&b.number, (*string)(&b.noun), &b.id, &b.name, &b.claim); err != nil {
				return err
			}
			if b.noun == credentialNoun {
				r.report.Credentials++
			} else {
				r.report.BlindCredentials++
			}
			switch sum := sha256.Sum256([]byte(b.name)); {
			case b.claim == nil:
				without = append(without, b)
			case !bytes.Equal(b.claim, sum[:]):
				wrong = append(wrong, b)
			default:
				r.report.Claims++
			}
			return r.step()
		})
	if err != nil {
		return err
	}
	for _, b := range wrong {
		if err := r.t.exec("UPDATE current SET claim = NULL WHERE number = ?", b.number); err != nil {
			return err
		}
		r.changed("%s: %s held the claim of a name that it does not bear", b.noun.claims(), b.id)
	}
	for _, b := range append(wrong, without...) {
		if err := r.claim(b); err != nil {
			return err
		}
	}
	return nil
}

// claim gives a bearer the claim of its name, unless another has it.
func (r *reindexing) claim(b bearer) error {
	sum := sha256.Sum256([]byte(b.name))
	taken, err := r.t.exists("SELECT 1 FROM current WHERE noun = ? AND claim = ?", string(b.noun), sum[:])
	if err != nil || taken {
		return err
	}
	r.report.Claims++
	r.changed("%s %s: claimed for %s", b.noun.claims(), b.name, b.id)
	return r.t.exec("UPDATE current SET claim = ? WHERE number = ?", sum[:], b.number)
}

// mappings brings the services of every mapping document to what the services
// say.
func (r *reindexing) mappings() error {
	wanted, err := r.wanted()
	if err != nil {
		return err
	}
	r.report.Mappings = len(wanted)
	stands, err := r.standing()
	if err != nil {
		return err
	}
	ids := maps.Clone(wanted)
	maps.Copy(ids, stands)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		missing, surplus := minus(wanted[id], stands[id]), minus(stands[id], wanted[id])
		for _, service := range missing {
			if err := r.t.setMapping(id, service, true); err != nil {
				return err
			}
		}
		for _, service := range surplus {
			if err := r.t.setMapping(id, service, false); err != nil {
				return err
			}
		}
		if len(missing)+len(surplus) > 0 {
			r.changed("%s %s: added %q, removed %q", store.KindMapping, id, missing, surplus)
		}
	}
	err = r.t.exec(`UPDATE mapping_version SET services = n FROM
		(SELECT v.credential AS id, (SELECT count(*) FROM mapping m WHERE m.credential = v.credential) AS n FROM mapping_version v)
		WHERE credential = id AND services <> n`)
	if err != nil {
		return err
	}
	return r.t.exec("UPDATE current SET mapped = 1 - mapped WHERE mapped <> EXISTS (SELECT 1 FROM mapping WHERE credential = current.id)")
}

// wanted returns, by credential, the services that map it, sorted.
func (r *reindexing) wanted() (map[string][]string, error) {
	wanted := map[string][]string{}
	err := r.t.each(`SELECT c.id, coalesce(h.credentials, ''), coalesce(h.blind_credentials, '')
		FROM current c CROSS JOIN history h ON h.number = c.content WHERE c.noun = ? ORDER BY c.id`,
		[]any{string(serviceNoun)}, func(rows *sql.Rows) error {
			var id, credentials, blinds string
			if err := rows.Scan(&id, &credentials, &blinds); err != nil {
				return err
			}
			mapped, err := mappedIDs(credentials, blinds)
			if err != nil {
				return fmt.Errorf("the mapping of %s: %w", id, err)
			}
			for _, credential := range mapped {
				wanted[credential] = append(wanted[credential], id)
			}
			r.report.Services++
			return r.step()
		})
	return wanted, err
}

// standing returns what the mapping documents say, likewise.
func (r *reindexing) standing() (map[string][]string, error) {
	stands := map[string][]string{}
	err := r.t.each("SELECT credential, service FROM mapping ORDER BY credential, service", nil, func(rows *sql.Rows) error {
		var credential, service string
		err := rows.Scan(&credential, &service)
		stands[credential] = append(stands[credential], service)
		return err
	})
	return stands, err
}
