package bench

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
	"github.com/confidant-secrets/confidant/internal/proof/server"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/sqlite"
	"golang.org/x/sync/errgroup"
)

// library is the store of a program that does not run, opened to fill it faster
// than requests could, or to search it.
type library struct {
	store  *sqlite.Store
	sealer *envelope.Sealer
}

// openLibrary makes the store and its key, if there are none, by starting the
// program once.
func openLibrary(t *testing.T, p *server.Program) *library {
	t.Helper()
	p.Start().Stop()
	key, err := local.Open(filepath.Join(p.DataDir, "enckey"), nil)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := envelope.New(envelope.Options{Keyring: key.Keyring(local.SlotData)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(p.DataDir, "confidant.db"),
		Log:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &library{s, sealer}
}

func (l *library) close(t *testing.T) {
	t.Helper()
	if err := l.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// id and name of the i-th credential.
func credentialID(i int) string   { return fmt.Sprintf("%032x", i+1) }
func credentialName(i int) string { return fmt.Sprintf("team-%02d database %06d", i%37, i) }

// keyName is a key that the i-th credential alone bears.
func keyName(i int) string { return fmt.Sprintf("key_%06d", i) }

// sharedKey is a key that every credential bears.
const sharedKey = "password"

// fill writes n credentials, many at once, so that they share flushes.
func (l *library) fill(t *testing.T, n int) {
	t.Helper()
	began := revision.Instant(time.Now())
	parallel(t, n, func(ctx context.Context, i int) error {
		id := credentialID(i)
		pairs := fmt.Sprintf(`{%q:"the value of credential %d",%q:"swordfish"}`, keyName(i), i, sharedKey)
		sealed, err := l.sealer.Seal(ctx, id, []byte(pairs))
		if err != nil {
			return err
		}
		documentation := "Log in to the console, make a new one, put it here, restart the service."
		_, err = l.store.Credentials().Append(ctx, store.Write[credential.Credential]{ID: id, Rows: []*credential.Credential{{
			Meta:          revision.Meta{ModifiedDate: began.Add(time.Duration(i) * time.Millisecond), ModifiedBy: "bench@example.com"},
			Name:          credentialName(i),
			Sealed:        sealed,
			KeyNames:      []string{keyName(i), sharedKey},
			Enabled:       true,
			Documentation: &documentation,
			Tags:          []string{fmt.Sprintf("team-%02d", i%37)},
			LastRotation:  began,
		}}})
		return err
	})
}

// mapTo makes n services that all map one credential.
func (l *library) mapTo(t *testing.T, n int, id string) {
	t.Helper()
	now := revision.Instant(time.Now())
	parallel(t, n, func(ctx context.Context, i int) error {
		_, err := l.store.Services().Append(ctx, store.Write[service.Service]{
			ID: fmt.Sprintf("service-of-%05d", i),
			Rows: []*service.Service{{
				Meta:        revision.Meta{ModifiedDate: now, ModifiedBy: "bench@example.com"},
				Credentials: []string{id},
				Enabled:     true,
			}},
		})
		return err
	})
}

// parallel calls f for 0 to n-1.
func parallel(t *testing.T, n int, f func(ctx context.Context, i int) error) {
	t.Helper()
	var next atomic.Int64
	g, ctx := errgroup.WithContext(t.Context())
	for range 64 {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := f(ctx, i); err != nil {
					return err
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
