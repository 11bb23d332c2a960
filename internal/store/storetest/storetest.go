// Package storetest turns the promises of package store into tests, so that
// every store is held to the same sentences and data can move between them.
//
// It asserts what package store says and no more: a store whose lists lag
// behind its rows passes with Options.EventualLists, and no test needs what a
// table with one index, conditional writes and transactions of a hundred
// actions cannot do. It knows no particular store.
package storetest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// Options says where a store makes use of what the contract leaves open.
type Options struct {
	// EventualLists says that lists, histories of all things, the catalogue and
	// what is built from them show a write only after a while. Whatever reads
	// them is then repeated until it fits or a quarter of a minute is over.
	EventualLists bool

	// Damage puts body in place of the stored claim or mapping document, or
	// removes the document if body is nil, behind the store's back. A claim is
	// only planted for an id that stands. Without it the mending of damage is
	// not tested.
	Damage func(t *testing.T, s store.Store, kind, id string, body json.RawMessage)
}

// patience is how long a lagging list may take.
const patience = 15 * time.Second

// Run tests a store. open returns a new, empty store each time it is called and
// sees to its end by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Store, o Options) {
	s := suite{open: open, options: o}
	t.Run("Credentials", func(t *testing.T) { runNoun(t, s, credentials()) })
	t.Run("BlindCredentials", func(t *testing.T) { runNoun(t, s, blindCredentials()) })
	t.Run("Services", func(t *testing.T) { runNoun(t, s, services()) })
	if open(t).ArchivedCredentials() != nil {
		t.Run("ArchivedCredentials", func(t *testing.T) { runNoun(t, s, archivedCredentials()) })
		t.Run("Archive", func(t *testing.T) { s.runAll(t, archiveTests) })
	}
	t.Run("CredentialNames", func(t *testing.T) { runClaims(t, s, credentials()) })
	t.Run("BlindCredentialNames", func(t *testing.T) { runClaims(t, s, blindCredentials()) })
	t.Run("Head", func(t *testing.T) { s.runAll(t, headTests) })
	t.Run("KeySpace", func(t *testing.T) { s.runAll(t, keySpaceTests) })
	t.Run("Mapping", func(t *testing.T) { s.runAll(t, mappingTests) })
	t.Run("DataKeys", func(t *testing.T) { s.runAll(t, dataKeyTests) })
	t.Run("Guards", func(t *testing.T) { s.runAll(t, guardTests) })
	t.Run("Documents", func(t *testing.T) { s.runAll(t, documentTests) })
	t.Run("Catalogue", func(t *testing.T) { s.runAll(t, catalogueTests) })
	t.Run("Check", func(t *testing.T) { s.runAll(t, checkTests) })
	if o.Damage != nil {
		t.Run("Reindex", func(t *testing.T) { s.runAll(t, reindexTests) })
	}
	t.Run("Store", func(t *testing.T) { s.runAll(t, storeTests) })
}

// suite is what every test needs.
type suite struct {
	open    func(t *testing.T) store.Store
	options Options
}

// test is one rule and its test, which gets a store of its own.
type test struct {
	rule string
	run  func(t *testing.T, s suite, st store.Store)
}

func (s suite) runAll(t *testing.T, tests []test) {
	t.Parallel()
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			t.Parallel()
			test.run(t, s, s.open(t))
		})
	}
}

// eventually asks check until it reports no difference: once, unless lists lag.
func (s suite) eventually(t *testing.T, check func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		difference := check()
		if difference == "" {
			return
		}
		if !s.options.EventualLists || time.Now().After(deadline) {
			t.Fatal(difference)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

var storeTests = []test{
	{"answers a ping", func(t *testing.T, _ suite, st store.Store) {
		if err := st.Ping(t.Context()); err != nil {
			t.Errorf("Ping: %v, want no error", err)
		}
	}},
	{"a cancelled context ends a ping", func(t *testing.T, _ suite, st store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, "Ping", st.Ping(ctx), context.Canceled)
	}},
}
