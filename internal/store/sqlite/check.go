package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// Check reads everything and reports what older data holds against the rules.
func (s *Store) Check(ctx context.Context) (store.CheckReport, error) {
	var report store.CheckReport
	for _, step := range []func(context.Context, *store.CheckReport) error{s.equalNames, s.orphans, s.unmapped} {
		if err := step(ctx, &report); err != nil {
			return store.CheckReport{}, wrap(ctx, "checking the store", err)
		}
	}
	return report, nil
}

func (s *Store) equalNames(ctx context.Context, report *store.CheckReport) error {
	// Equal names have equal folds, so the index brings them together.
	return s.query(ctx, `SELECT c.noun, h.name, json_group_array(c.id ORDER BY c.id)
		FROM current c CROSS JOIN history h ON h.number = c.content WHERE c.noun <> ?
		GROUP BY c.noun, c.folded, h.name HAVING count(*) > 1 ORDER BY c.noun = ?, h.name`,
		func(rows *sql.Rows) error {
			var (
				n    noun
				same store.EqualNames
				ids  string
			)
			if err := rows.Scan((*string)(&n), &same.Name, &ids); err != nil {
				return err
			}
			same.Noun = n.name()
			report.EqualNames = append(report.EqualNames, same)
			return json.Unmarshal([]byte(ids), &report.EqualNames[len(report.EqualNames)-1].IDs)
		}, string(serviceNoun), string(blindNoun))
}

func (s *Store) orphans(ctx context.Context, report *store.CheckReport) error {
	return s.query(ctx, `SELECT h.id, h.revision FROM history h LEFT JOIN current c ON c.id = h.id AND c.noun = h.noun
		WHERE c.number IS NULL OR h.revision > c.revision ORDER BY h.id, h.revision`,
		func(rows *sql.Rows) error {
			var (
				id string
				n  int
			)
			err := rows.Scan(&id, &n)
			report.Orphans = append(report.Orphans, revision.Key(id, n))
			return err
		})
}

func (s *Store) unmapped(ctx context.Context, report *store.CheckReport) error {
	return s.query(ctx, `SELECT s.id || ' ' || m.value FROM current s CROSS JOIN history h ON h.number = s.content
		CROSS JOIN (SELECT ? AS noun UNION ALL SELECT ?) kind
		CROSS JOIN json_each(CASE kind.noun WHEN ? THEN h.credentials ELSE h.blind_credentials END) m
		WHERE s.noun = ? AND NOT EXISTS (SELECT 1 FROM current c WHERE c.id = m.value AND c.noun = kind.noun)
		ORDER BY s.id, m.value`,
		func(rows *sql.Rows) error {
			var line string
			err := rows.Scan(&line)
			report.Unmapped = append(report.Unmapped, line)
			return err
		}, string(credentialNoun), string(blindNoun), string(credentialNoun), string(serviceNoun))
}
