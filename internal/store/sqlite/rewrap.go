package sqlite

import (
	"context"
	"database/sql"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// rewrapBatch is how many rows of history one transaction takes: enough that its
// flush does not count, few enough that other writers wait for milliseconds.
const rewrapBatch = 500

// wrappedRow is a data key and where it stands.
type wrappedRow struct {
	number int64
	key    store.WrappedKey
}

// RewrapDataKeys goes through both tables of history in the order of their
// numbers. A current row is a row of history here, so there is one copy of each
// key.
func (s *Store) RewrapDataKeys(ctx context.Context, change func(store.WrappedKey) []byte, done func(visited, total int)) (store.RewrapReport, error) {
	const what = "re-wrapping data keys"
	var report store.RewrapReport
	total := 0
	err := s.query(ctx, `SELECT (SELECT count(*) FROM history WHERE noun = ?1 AND length(data_key) > 0) +
		(SELECT count(*) FROM archive_history WHERE noun = ?1 AND length(data_key) > 0)`,
		func(rows *sql.Rows) error { return rows.Scan(&total) }, string(credentialNoun))
	if err != nil {
		return report, wrap(ctx, what, err)
	}
	for _, sp := range []*space{mainSpace, archiveSpace} {
		for after := int64(0); ; {
			var batch []wrappedRow
			changed := 0
			err := s.write(ctx, what, func(t *transaction) (err error) {
				if batch, err = t.wrappedRows(sp, after); err == nil {
					changed, err = t.rewrap(sp, batch, change)
				}
				return err
			})
			if err != nil {
				return report, err
			}
			if len(batch) == 0 {
				break
			}
			report.Visited += len(batch)
			report.Changed += changed
			after = batch[len(batch)-1].number
			done(report.Visited, total)
		}
	}
	return report, nil
}

// wrappedRows reads the data keys of the next rows of credentials. By an index of
// nouns all of them would be read and sorted each time.
func (t *transaction) wrappedRows(sp *space, after int64) ([]wrappedRow, error) {
	var batch []wrappedRow
	err := t.each("SELECT number, id, revision, data_key FROM "+sp.history+
		" NOT INDEXED WHERE noun = ? AND number > ? AND length(data_key) > 0 ORDER BY number LIMIT ?",
		[]any{string(credentialNoun), after, rewrapBatch}, func(rows *sql.Rows) error {
			r, n := wrappedRow{}, 0
			if err := rows.Scan(&r.number, &r.key.ID, &n, &r.key.Wrapped); err != nil {
				return err
			}
			r.key.Key, r.key.Archived = revision.Key(r.key.ID, n), !sp.main
			batch = append(batch, r)
			return nil
		})
	return batch, err
}

// rewrap writes the keys that change returns and counts them.
func (t *transaction) rewrap(sp *space, batch []wrappedRow, change func(store.WrappedKey) []byte) (changed int, err error) {
	for _, r := range batch {
		again := change(r.key)
		if again == nil {
			continue
		}
		if err := t.exec("UPDATE "+sp.history+" SET data_key = ? WHERE number = ?", again, r.number); err != nil {
			return 0, err
		}
		if sp.main {
			t.touch(cacheKey{credentialNoun, r.key.ID}, nil, 0)
		}
		changed++
	}
	return changed, nil
}
