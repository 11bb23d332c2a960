package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// expiringID is the document that lists the kinds that ever held something that
// expires, so that a purge of every kind knows where to look.
const expiringID = "expiring-kinds"

// noteExpiring notes that a kind holds something that expires.
func (d *documents) noteExpiring(ctx context.Context, kind string) error {
	if _, known := d.expiring.Load(kind); known {
		return nil
	}
	for wait := newBackoff(ctx); ; {
		kinds, version, err := d.expiringKinds(ctx)
		if err != nil {
			return err
		}
		if slices.Contains(kinds, kind) {
			d.expiring.Store(kind, true)
			return nil
		}
		body, err := json.Marshal(append(kinds, kind))
		if err != nil {
			return fmt.Errorf("encoding a list of kinds: %w", err)
		}
		_, err = d.put(ctx, store.Document{Kind: kindOwn, ID: expiringID, Body: body}, version)
		if err == nil {
			d.expiring.Store(kind, true)
		}
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		if !wait.wait(ctx) {
			return fmt.Errorf("noting a kind that expires: %w: %w", store.ErrUnavailable, err)
		}
	}
}

func (d *documents) expiringKinds(ctx context.Context) ([]string, int, error) {
	doc, err := d.get(ctx, kindOwn, expiringID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var kinds []string
	if err := json.Unmarshal(doc.Body, &kinds); err != nil {
		return nil, 0, fmt.Errorf("reading the list of expiring kinds: %w", err)
	}
	return kinds, doc.Version, nil
}

// Purge deletes documents, each under the condition that it still fits. A batch
// that has begun is ended, whatever becomes of the caller.
func (d *documents) Purge(ctx context.Context, p store.Purge) (int, error) {
	batch, err := p.Check()
	if err != nil {
		return 0, fmt.Errorf("dynamo: purging documents: %w", err)
	}
	kinds := []string{p.Kind}
	if p.Kind == "" {
		kinds, _, err = d.expiringKinds(ctx)
	} else {
		err = checkKind(p.Kind)
	}
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, kind := range kinds {
		if err := d.purgeKind(ctx, kind, batch, p, &removed); err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// purgeKind purges one kind and adds to what is removed.
func (d *documents) purgeKind(ctx context.Context, kind string, batch int, p store.Purge, removed *int) error {
	var e expression
	in := d.store.queryInput(d.store.table, documentType(kind), &e)
	if !p.WrittenBefore.IsZero() {
		in.KeyConditionExpression = aws.String(*in.KeyConditionExpression + " AND " + e.writtenBefore(p.WrittenBefore))
	}
	if !p.ExpiredBefore.IsZero() {
		in.FilterExpression = aws.String(e.expiredBefore(p.ExpiredBefore))
	}
	in.ProjectionExpression = aws.String(e.list([]string{attrID}))
	return d.store.pages(ctx, in, &e, 0, func(items []map[string]types.AttributeValue) error {
		if p.DryRun {
			*removed += len(items)
			return nil
		}
		for some := range slices.Chunk(items, batch) {
			if err := ctx.Err(); err != nil {
				return wrap(ctx, "purging documents", err)
			}
			groups := make([][]*action, len(some))
			for i, it := range some {
				groups[i] = []*action{stillFitting(removeItem(d.store.table, (&reader{item: it}).text(attrID)), p)}
			}
			refused, err := d.store.settle(context.WithoutCancel(ctx), "purging documents", groups)
			if err != nil {
				return err
			}
			*removed += len(groups) - len(refused)
			if p.Progress != nil {
				p.Progress(*removed)
			}
		}
		return nil
	})
}

// stillFitting lets an action happen only if the document fits a purge and is
// there, for the index may show what is gone.
func stillFitting(a *action, p store.Purge) *action {
	var conditions []string
	if !p.WrittenBefore.IsZero() {
		conditions = append(conditions, a.writtenBefore(p.WrittenBefore))
	}
	if !p.ExpiredBefore.IsZero() {
		conditions = append(conditions, a.expiredBefore(p.ExpiredBefore))
	}
	if conditions == nil {
		conditions = append(conditions, "attribute_exists("+a.name(attrID)+")")
	}
	return a.only(all(conditions...), nil)
}

func (e *expression) expiredBefore(t time.Time) string { return e.compare(attrExpires, "<", micros(t)) }

// writtenBefore compares texts, which are in the order of the moments.
func (e *expression) writtenBefore(t time.Time) string {
	return e.compare(attrModifiedDate, "<", text(revision.FormatDate(t)))
}
