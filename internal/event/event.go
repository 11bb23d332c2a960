// Package event tells other systems that something changed. Delivery is best
// effort and never holds or fails a request. It knows ids and names, no row and
// no value; what an event says is decided by the use case that publishes it.
package event

// Type names what happened, as the webhook body spells it.
type Type string

// The event types.
const (
	CredentialUpdate      Type = "credential_update"
	BlindCredentialUpdate Type = "blind_credential_update"
	ServiceUpdate         Type = "service_update"
)

// Event is one change that has been stored. It carries ids and names only.
type Event struct {
	Type        Type
	Services    []string // the services concerned
	Credentials []string // ids of credentials; for ServiceUpdate the mapped ones, not blind
	Text        string   // one line for people, the "data" of the Graphite event
}

// Publisher takes events. Publish returns at once: a full queue drops the
// event and counts it.
type Publisher interface {
	Publish(Event)
}

// Discard publishes nothing.
var Discard Publisher = discard{}

type discard struct{}

func (discard) Publish(Event) {}
