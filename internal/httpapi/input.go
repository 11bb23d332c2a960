package httpapi

import (
	"encoding/json"
	"strconv"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// input reads the members of a body and keeps what is wrong with each. The use
// cases report it in their turn: a caller who may not act at all is told that,
// not what is wrong with the body.
type input struct {
	body   object
	unread vault.Unread
}

// input reads the body and the precondition of a change. An error is one that
// ends the call before any use case: a body that is too large.
func (c *call) input() (in input, ifRevision int, err error) {
	if in.body, err = c.readBody(); fault.Is(err, fault.TooLarge) {
		return in, 0, err
	}
	in.note("", err)
	ifRevision, err = c.ifMatch()
	in.note("", err)
	return in, ifRevision, nil
}

// note keeps what is wrong with a member, or under "" with the request.
func (in *input) note(member string, err error) {
	if err == nil || in.unread[member] != nil {
		return
	}
	if in.unread == nil {
		in.unread = vault.Unread{}
	}
	in.unread[member] = err
}

func (in *input) invalid(member, words string) { in.note(member, fault.New(fault.Invalid, words)) }

// text reads a string; nil if absent.
func (in *input) text(member, words string) *string {
	value := in.body.get(member)
	if value == nil {
		return nil
	}
	s, ok := textOf(value)
	if !ok {
		in.invalid(member, words)
	}
	return &s
}

// textOrNull reads a string or null; nil if absent, a pointer to nil for null.
func (in *input) textOrNull(member string) **string {
	value := in.body.get(member)
	if value == nil {
		return nil
	}
	var s *string
	if !isNull(value) {
		s = in.text(member, member+" must be a string or null")
	}
	return &s
}

// enabled reads the member of that name; nil if absent.
func (in *input) enabled() *bool {
	value := in.body.get("enabled")
	if value == nil {
		return nil
	}
	v, ok := boolOf(value)
	if !ok {
		in.invalid("enabled", "Enabled must be a boolean.")
	}
	return &v
}

// texts reads an array of strings; nil if absent.
func (in *input) texts(member, words string) *[]string {
	value := in.body.get(member)
	if value == nil {
		return nil
	}
	list, ok := textsOf(value)
	if !ok {
		in.invalid(member, words)
	}
	return &list
}

// pairs reads credential pairs; absent and null are none.
func (in *input) pairs() credential.Pairs {
	value := in.body.get("credential_pairs")
	if value == nil {
		return credential.Pairs{}
	}
	pairs, err := credential.ParsePairs(value)
	in.note("credential_pairs", err)
	return pairs
}

// raw returns a member's text for the use case to judge; nil if absent.
func (in *input) raw(member string) *json.RawMessage {
	value := in.body.get(member)
	if value == nil {
		return nil
	}
	return &value
}

// number reads an integer, also one that stands in a string; 0 if absent.
func (in *input) number(member string) int {
	value := in.body.get(member)
	if value == nil || isNull(value) {
		return 0
	}
	text := string(value)
	if s, ok := textOf(value); ok {
		text = s
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		in.invalid(member, member+" must be an integer")
	}
	return n
}

// orElse returns what p points to, or fallback for nil.
func orElse[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}

const (
	nameWords = "name is a required field"
	tagsWords = "tags must be a list of strings"
	keysWords = "credential_keys must be a list."
)

func (in *input) newCredential() vault.NewCredential {
	n := vault.NewCredential{
		Documentation: orElse(in.textOrNull("documentation"), nil),
		Metadata:      in.body.get("metadata"),
		Pairs:         in.pairs(),
		Name:          orElse(in.text("name", nameWords), ""),
		Enabled:       orElse(in.enabled(), true),
		Tags:          orElse(in.texts("tags", tagsWords), nil),
	}
	n.Unread = in.unread
	return n
}

func (in *input) credentialChange(ifRevision int) vault.CredentialChange {
	change := vault.CredentialChange{
		Metadata:          in.raw("metadata"),
		Name:              in.text("name", nameWords),
		Documentation:     in.textOrNull("documentation"),
		SkipDocumentation: blind.Filled(in.body.get("revision")),
		Enabled:           in.enabled(),
		Tags:              in.texts("tags", tagsWords),
		IfRevision:        ifRevision,
	}
	if in.body.get("credential_pairs") != nil {
		change.Pairs = credential.Whole(in.pairs())
	}
	change.Unread = in.unread
	return change
}

// sealed reads what a client sealed, and the names it gives to the keys inside.
func (in *input) sealed() vault.BlindSealed {
	return vault.BlindSealed{
		Pairs:         in.body.get("credential_pairs"),
		DataKey:       in.body.get("data_key"),
		KeyNames:      orElse(in.texts("credential_keys", keysWords), nil),
		CipherType:    orElse(orElse(in.textOrNull("cipher_type"), nil), ""),
		CipherVersion: in.number("cipher_version"),
	}
}

func (in *input) newBlind() vault.NewBlind {
	s := in.sealed()
	n := vault.NewBlind{
		Pairs: s.Pairs, DataKey: s.DataKey, KeyNames: s.KeyNames,
		CipherType: s.CipherType, CipherVersion: s.CipherVersion,
		Documentation: orElse(in.textOrNull("documentation"), nil),
		Metadata:      in.body.get("metadata"),
		Name:          orElse(in.text("name", nameWords), ""),
		Enabled:       orElse(in.enabled(), true),
	}
	n.Unread = in.unread
	return n
}

func (in *input) blindChange(ifRevision int) vault.BlindChange {
	change := vault.BlindChange{
		Enabled:       in.enabled(),
		Metadata:      in.raw("metadata"),
		Name:          in.text("name", nameWords),
		Documentation: in.textOrNull("documentation"),
		IfRevision:    ifRevision,
	}
	if in.body.get("credential_pairs") != nil {
		s := in.sealed()
		change.Sealed = &s
	}
	change.Unread = in.unread
	return change
}

func (in *input) serviceChange(ifRevision int) vault.ServiceChange {
	change := vault.ServiceChange{
		Credentials:      in.texts("credentials", "credentials must be a list of strings"),
		BlindCredentials: in.texts("blind_credentials", "blind_credentials must be a list of strings"),
		Enabled:          in.enabled(),
		Account:          orElse(orElse(in.textOrNull("account"), nil), ""),
		IfRevision:       ifRevision,
	}
	change.Unread = in.unread
	return change
}
