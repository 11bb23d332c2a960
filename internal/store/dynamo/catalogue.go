package dynamo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

const (
	// reloadInterval is how long a row that another machine deleted may still
	// be found, and an amendment made there unseen.
	reloadInterval = 15 * time.Minute
	// freshFor is how old the catalogue may be before a search reads what
	// changed since.
	freshFor = 2 * time.Second
	// overlap is how far such a reading looks back: the index lags, a write is
	// dated when its request came, and clocks differ.
	overlap = time.Minute
)

// catalogue holds what is public about current rows in memory, without any
// ciphertext. The first search fills it, later ones read what changed since; a
// full reading follows behind them now and then. What this process writes shows
// at once.
//
// Readings run in the background, for a table may take longer to read than one
// caller has time to wait.
type catalogue struct {
	store *Store

	mu        sync.RWMutex
	entries   map[string]*listed
	uses      map[string]int       // services that map an id
	gone      map[string]tombstone // rows that this process deleted lately
	loaded    bool
	asOf      time.Time // begin of the last reading
	complete  time.Time // begin of the last full reading
	reading   *reading  // under way; nil: none
	reloading bool      // a full reading follows behind
}

// listed is an entry with what searching it needs.
type listed struct {
	store.Entry
	lower   string    // the name in lower case
	folded  string    // name, key names and tags in lower case, one per line
	maps    []string  // of services
	learned time.Time // begin of the reading that told this form, or moment of our write
	seen    time.Time // the same of the last that told of the row at all
	own     bool      // we wrote it so
}

// tombstone keeps a lagging index from bringing a deleted row back.
type tombstone struct{ modified, deleted time.Time }

// reading is one look at the index; done is closed at its end.
type reading struct {
	done chan struct{}
	err  error
}

func newCatalogue(s *Store) *catalogue {
	return &catalogue{store: s, entries: map[string]*listed{}, uses: map[string]int{}, gone: map[string]tombstone{}}
}

// close ends the readings; none begins thereafter.
func (c *catalogue) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store.stop()
}

// freshen waits until the catalogue shows a state not older than since.
func (c *catalogue) freshen(ctx context.Context, since time.Time) error {
	for {
		c.mu.Lock()
		if err := ctx.Err(); err != nil {
			c.mu.Unlock()
			return wrap(ctx, "searching", err)
		}
		if c.loaded && !c.asOf.Before(since) {
			c.mu.Unlock()
			return nil
		}
		if c.store.background.Err() != nil {
			c.mu.Unlock()
			return fmt.Errorf("searching: %w: it is closed", store.ErrUnavailable)
		}
		if c.reading == nil {
			c.reading = &reading{done: make(chan struct{})}
			c.store.work.Go(c.read)
		}
		r := c.reading
		c.mu.Unlock()
		select {
		case <-r.done:
			if r.err != nil && c.store.background.Err() == nil {
				return r.err
			}
		case <-ctx.Done():
			return wrap(ctx, "searching", ctx.Err())
		}
	}
}

// read is the goroutine of a reading.
func (c *catalogue) read() {
	c.mu.RLock()
	r, since := c.reading, time.Time{}
	if c.loaded {
		since = c.asOf.Add(-overlap)
	}
	c.mu.RUnlock()
	err := c.load(c.store.background, since)

	c.mu.Lock()
	c.reading, r.err = nil, err
	again := err == nil && !c.reloading && c.store.now().Sub(c.complete) >= reloadInterval
	c.reloading = c.reloading || again
	c.mu.Unlock()
	close(r.done)
	if !again {
		return
	}
	err = c.load(c.store.background, time.Time{})
	c.mu.Lock()
	c.reloading = false
	c.mu.Unlock()
	if err != nil && c.store.background.Err() == nil {
		c.store.log.Error("the catalogue could not be read anew", "error", err)
	}
}

// load reads rows changed after since; a zero since means all, and forgets what
// is no longer there.
func (c *catalogue) load(ctx context.Context, since time.Time) error {
	started := c.store.now()
	parts := make([][]*listed, 3)
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { parts[0], err = c.store.credentials.entries(gctx, since, started); return err })
	group.Go(func() (err error) { parts[1], err = c.store.blinds.entries(gctx, since, started); return err })
	group.Go(func() (err error) { parts[2], err = c.store.services.entries(gctx, since, started); return err })
	if err := group.Wait(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, part := range parts {
		for _, e := range part {
			c.take(e)
		}
	}
	for id, t := range c.gone {
		if started.Sub(t.deleted) > overlap {
			delete(c.gone, id)
		}
	}
	if since.IsZero() {
		c.complete = started
		for id, e := range c.entries {
			if e.seen.Before(started) && started.Sub(e.learned) > overlap {
				c.put(id, nil)
			}
		}
	}
	if started.After(c.asOf) {
		c.asOf = started
	}
	c.loaded = true
	return nil
}

// take puts in an entry that the index shows, unless that is a form of the row,
// or a row, that is known to be past.
func (c *catalogue) take(e *listed) {
	if t, ok := c.gone[e.ID]; ok && !e.ModifiedDate.After(t.modified) {
		return
	}
	if old := c.entries[e.ID]; old != nil && old.tellsMoreThan(e) {
		old.seen = e.seen
		return
	}
	c.put(e.ID, e)
}

// tellsMoreThan reports whether e, which the index showed, is a past form of the
// row: the index lags, and a longer reading may have begun before.
func (old *listed) tellsMoreThan(e *listed) bool {
	lagging := e.learned.Sub(old.learned) < overlap
	return old.learned.After(e.learned) ||
		lagging && old.Revision > e.Revision ||
		lagging && old.Revision == e.Revision && old.own
}

// put replaces an entry; nil removes it.
func (c *catalogue) put(id string, e *listed) {
	if old := c.entries[id]; old != nil {
		for _, mapped := range old.maps {
			if c.uses[mapped]--; c.uses[mapped] == 0 {
				delete(c.uses, mapped)
			}
		}
		delete(c.entries, id)
	}
	if e != nil {
		for _, mapped := range e.maps {
			c.uses[mapped]++
		}
		c.entries[id] = e
	}
}

// noted puts in a row that this process wrote. It does so before anybody has
// searched, too: the index may not show the row yet when somebody does.
func (r *revisions[T]) noted(v *T) {
	if r.archive {
		return
	}
	c := r.store.catalogue
	c.mu.Lock()
	defer c.mu.Unlock()
	e := r.listed(r.noun.clone(v), r.store.now())
	e.own = true
	delete(c.gone, e.ID)
	if old := c.entries[e.ID]; old == nil || old.Revision <= e.Revision {
		c.put(e.ID, e)
	}
	c.prune(e.learned)
}

// forgotten takes out a row that this process deleted.
func (r *revisions[T]) forgotten(v *T) {
	if r.archive {
		return
	}
	c, m := r.store.catalogue, r.noun.meta(v)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(m.ID, nil)
	c.gone[m.ID] = tombstone{m.ModifiedDate, r.store.now()}
	c.prune(r.store.now())
}

// prune forgets what was noted so long ago that a first reading will show it, so
// that a process which nobody asks holds little.
func (c *catalogue) prune(now time.Time) {
	if c.loaded || len(c.entries)+len(c.gone) < 1000 {
		return
	}
	for id, e := range c.entries {
		if now.Sub(e.learned) > overlap {
			c.put(id, nil)
		}
	}
	for id, t := range c.gone {
		if now.Sub(t.deleted) > overlap {
			delete(c.gone, id)
		}
	}
}

// entries reads one noun from the index.
func (r *revisions[T]) entries(ctx context.Context, since, started time.Time) (out []*listed, err error) {
	var e expression
	in := r.store.queryInput(r.table, r.noun.current(), &e)
	in.ProjectionExpression = aws.String(e.list(r.noun.without(append([]string{attrMetadata, attrDocumentation}, r.noun.heavy...)...)))
	if !since.IsZero() {
		in.KeyConditionExpression = aws.String(*in.KeyConditionExpression + " AND " + e.compare(attrModifiedDate, ">=", text(revision.FormatDate(since))))
	}
	err = r.store.pages(ctx, in, &e, longPatience, func(items []map[string]types.AttributeValue) error {
		for _, it := range items {
			v, err := r.noun.read(it)
			if err != nil {
				r.store.log.ErrorContext(ctx, "a row is left out of the catalogue", "error", err)
				continue
			}
			out = append(out, r.listed(v, started))
		}
		return nil
	})
	return out, err
}

// listed makes the entry of a row.
func (r *revisions[T]) listed(v *T, at time.Time) *listed {
	e, m := &listed{Entry: r.noun.entry(v), maps: missing(nil, r.noun.mapped(v)), learned: at, seen: at}, r.noun.meta(v)
	e.ID, e.Noun, e.Revision, e.ModifiedDate, e.ModifiedBy = m.ID, r.noun.name, m.Revision, m.ModifiedDate, m.ModifiedBy
	e.lower = strings.ToLower(e.Name)
	e.folded = e.lower
	for _, part := range [][]string{e.KeyNames, e.Tags} {
		for _, s := range part {
			e.folded += "\n" + strings.ToLower(s)
		}
	}
	return e
}
