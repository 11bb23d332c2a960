package webui

import "github.com/confidant-secrets/confidant/internal/fault"

// denial is a refusal by a page itself, after a use case has told it what it asks
// to know. The record of that use case tells of a success, so the transport
// records the refusal.
type denial struct{ fault *fault.Error }

func (d denial) Error() string { return d.fault.Error() }

// Unwrap returns the fault.
func (d denial) Unwrap() error { return d.fault }

// mayNot refuses who may see a thing but not do something with it.
func mayNot(do, noun, name string) error {
	return denial{fault.Newf(fault.Denied, "You may not %s the %s %s.", do, noun, name)}
}

// writable refuses the forms of changes in maintenance mode: what is typed there
// would be lost.
func (v *visit) writable() error {
	if v.s.readOnly() {
		return denial{fault.New(fault.ReadOnly, "Server in maintenance mode.")}
	}
	return nil
}
