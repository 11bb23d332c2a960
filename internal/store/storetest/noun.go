package storetest

import (
	"testing"

	"github.com/confidant-secrets/confidant/internal/store"
)

// rule is one sentence and its test for a noun, which gets a store of its own.
type rule[T any] struct {
	name string
	run  func(t *testing.T, s suite, k kind[T], st store.Store)
}

// runNoun tests what holds for every noun alike.
func runNoun[T any](t *testing.T, s suite, k kind[T]) {
	t.Parallel()
	for _, group := range []struct {
		name  string
		rules []rule[T]
	}{
		{"Read", readRules[T]()},
		{"Append", appendRules[T]()},
		{"List", listRules[T]()},
		{"History", historyRules[T]()},
		{"Amend", amendRules[T]()},
		{"Import", importRules[T]()},
		{"Delete", deleteRules[T]()},
		{"Contention", contentionRules[T]()},
	} {
		t.Run(group.name, func(t *testing.T) { runRules(t, s, k, group.rules) })
	}
}

func runRules[T any](t *testing.T, s suite, k kind[T], rules []rule[T]) {
	t.Parallel()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.run(t, s, k, s.open(t))
		})
	}
}
