package authn

import (
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// Visit is a request for a page that the gates have let through, for whoever
// renders pages.
type Visit struct {
	Caller authz.Caller
	// FormToken is what forms send back in FormTokenField; empty where the caller
	// needs none.
	FormToken string
	// Fields seals what travels through a form and back.
	Fields Fields
	// SessionEnds is when the visitor has to log in again unless he comes back
	// before; zero: never, or with the browser.
	SessionEnds time.Time
}
