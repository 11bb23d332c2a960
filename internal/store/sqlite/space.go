package sqlite

import (
	"strings"

	"github.com/confidant-secrets/confidant/internal/store"
)

// space is a key space: a table of current rows and one of history. Only the
// main one has claims, mappings and a catalogue.
type space struct {
	current, history string // tables
	main             bool
	insert           string // adds a row of history, unless its key is taken
}

var (
	mainSpace    = newSpace("current", "history", true)
	archiveSpace = newSpace("archive_current", "archive_history", false)
)

func newSpace(current, history string, main bool) *space {
	return &space{
		current: current, history: history, main: main,
		insert: "INSERT INTO " + history + " (" + strings.Join(columns, ", ") + ") SELECT ?" + strings.Repeat(", ?", len(columns)-1) +
			" WHERE NOT EXISTS (SELECT 1 FROM " + current + " WHERE id = ?) ON CONFLICT (id, revision) DO NOTHING",
	}
}

// noun is how the tables spell a store.Noun.
type noun string

const (
	credentialNoun noun = "c"
	blindNoun      noun = "b"
	serviceNoun    noun = "s"
)

var nouns = []noun{credentialNoun, blindNoun, serviceNoun}

// name returns the noun as callers know it.
func (n noun) name() store.Noun {
	switch n {
	case credentialNoun:
		return store.Credential
	case blindNoun:
		return store.BlindCredential
	case serviceNoun:
		return store.Service
	default:
		return ""
	}
}

// claims is the kind of document that claims the noun's names; empty for
// services, whose names are their ids.
func (n noun) claims() string {
	switch n {
	case credentialNoun:
		return store.KindCredentialName
	case blindNoun:
		return store.KindBlindName
	default:
		return ""
	}
}
