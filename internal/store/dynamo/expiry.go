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

	"github.com/confidant-secrets/confidant/internal/store"
)

// expiringID is the document that lists the kinds that ever held something that
// expires, so that Sweep knows where to look.
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

// Sweep deletes what has expired. What was written anew since the index saw it
// stays.
func (d *documents) Sweep(ctx context.Context, now time.Time) (int, error) {
	kinds, _, err := d.expiringKinds(ctx)
	if err != nil {
		return 0, err
	}
	swept := 0
	for _, kind := range kinds {
		var e expression
		in := d.store.queryInput(d.store.table, documentType(kind), &e)
		in.FilterExpression = aws.String(e.compare(attrExpires, "<", micros(now)))
		in.ProjectionExpression = aws.String(e.list([]string{attrID}))
		err := d.store.pages(ctx, in, &e, 0, func(items []map[string]types.AttributeValue) error {
			groups := make([][]*action, len(items))
			for i, it := range items {
				a := removeItem(d.store.table, (&reader{item: it}).text(attrID))
				groups[i] = []*action{a.only(a.compare(attrExpires, "<", micros(now)), nil)}
			}
			refused, err := d.store.settle(ctx, "sweeping documents", groups)
			if err == nil {
				swept += len(groups) - len(refused)
			}
			return err
		})
		if err != nil {
			return swept, err
		}
	}
	return swept, nil
}
