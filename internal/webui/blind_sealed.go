package webui

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// What a client sealed comes as the JSON object that clients send to the API or
// got from it, pasted or as a file. Of its members these count, and metadata,
// where clients keep the context that they sealed under.
const (
	memberPairs   = "credential_pairs"
	memberDataKey = "data_key"
	memberKeys    = "credential_keys"
	memberType    = "cipher_type"
	memberVersion = "cipher_version"
)

// readSealed reads what a client sealed; metadata is nil if it brings none. An
// error is about the text and says what is wrong with it.
func readSealed(text string) (s vault.BlindSealed, metadata json.RawMessage, err error) {
	object, ok := membersOf(json.RawMessage(text))
	if !ok {
		return s, nil, fault.New(fault.Invalid, "This is no JSON object. Paste all of what the client wrote, from the first brace to the last.")
	}
	// Clients print what the server answered with a word about it around.
	if inner, ok := membersOf(object["blind_credential"]); ok {
		object = inner
	}
	var missing []string
	for _, name := range []string{memberPairs, memberDataKey, memberType, memberVersion} {
		if object[name] == nil {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return s, nil, fault.Newf(fault.Invalid, "It lacks %s.", list(missing))
	}
	s.Pairs, s.DataKey = compact(object[memberPairs]), compact(object[memberDataKey])
	regions, keyed := regionsOf(s.Pairs), regionsOf(s.DataKey)
	// This also keeps out pairs that nobody has sealed.
	if len(regions) == 0 || !slices.Equal(regions, keyed) {
		return s, nil, fault.Newf(fault.Invalid, "%s and %s hold one text for each region, and both for the same regions.", memberPairs, memberDataKey)
	}
	if json.Unmarshal(object[memberType], &s.CipherType) != nil || s.CipherType == "" {
		return s, nil, fault.Newf(fault.Invalid, "%s is a name, for example \"fernet\".", memberType)
	}
	version := strings.Trim(string(object[memberVersion]), `"`) // some clients write it as a text
	if s.CipherVersion, err = strconv.Atoi(version); err != nil || s.CipherVersion < 1 {
		return s, nil, fault.Newf(fault.Invalid, "%s is a number, for example 2.", memberVersion)
	}
	if raw := object[memberKeys]; raw != nil && json.Unmarshal(raw, &s.KeyNames) != nil {
		return s, nil, fault.Newf(fault.Invalid, "%s is a list of names.", memberKeys)
	}
	if _, ok := membersOf(object["metadata"]); ok {
		metadata = compact(object["metadata"])
	}
	return s, metadata, nil
}

// sealedText returns what a client sealed in the form that readSealed reads.
func sealedText(s vault.BlindSealed) (string, error) {
	text, err := json.Marshal(map[string]any{
		memberPairs: s.Pairs, memberDataKey: s.DataKey, memberKeys: s.KeyNames, memberType: s.CipherType, memberVersion: s.CipherVersion,
	})
	return string(text), err
}

// membersOf returns the members of a JSON object; ok is false if it is none.
func membersOf(value json.RawMessage) (members map[string]json.RawMessage, ok bool) {
	err := json.Unmarshal(value, &members)
	return members, err == nil && members != nil
}

// regionsOf returns the regions that an object has a text for, ascending; nil
// where anything else than texts stands in it.
func regionsOf(object json.RawMessage) []string {
	var texts map[string]string
	if json.Unmarshal(object, &texts) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(texts))
}

// compact returns valid JSON without what stands between its parts.
func compact(value json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return value
	}
	return b.Bytes()
}
