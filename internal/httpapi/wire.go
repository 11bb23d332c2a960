package httpapi

import (
	"maps"
	"slices"
	"strconv"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// The wire forms of the three nouns. Every member is always present; "no value"
// is null or empty. This is the only place where pairs become JSON.

// appendCredential writes a credential.
func appendCredential(b []byte, v *vault.CredentialView) []byte {
	b = append(b, `{"id":`...)
	b = appendID(b, v.Row.Meta, v.Historic)
	b = appendPublic(b, v.Row.Memo, v.Row, appendCredentialRow)
	b = append(b, `,"credential_keys":`...)
	b = appendStrings(b, v.KeyNames)
	b = append(b, `,"credential_pairs":`...)
	if v.Pairs != nil {
		b = v.Pairs.AppendJSON(b)
	} else {
		b = append(b, "{}"...)
	}
	b = append(b, `,"next_rotation_date":`...)
	b = appendDateOrNull(b, v.NextRotation)
	b = append(b, `,"permissions":`...)
	b = appendBools(b, v.Permissions)
	return append(b, '}')
}

// appendCredentialRow writes the public part of a credential.
func appendCredentialRow(b []byte, row *credential.Credential) []byte {
	b = append(b, `,"name":`...)
	b = appendString(b, row.Name)
	b = append(b, `,"metadata":`...)
	b = appendRaw(b, row.Metadata)
	b = append(b, `,"enabled":`...)
	b = strconv.AppendBool(b, row.Enabled)
	b = append(b, `,"documentation":`...)
	b = appendStringOrNull(b, row.Documentation)
	b = append(b, `,"tags":`...)
	b = appendStrings(b, row.Tags)
	b = append(b, `,"last_rotation_date":`...)
	b = appendDateOrNull(b, row.LastRotation)
	return appendMeta(b, row.Meta)
}

// appendMeta writes who made the revision when.
func appendMeta(b []byte, m revision.Meta) []byte {
	b = append(b, `,"revision":`...)
	b = strconv.AppendInt(b, int64(m.Revision), 10)
	b = append(b, `,"modified_date":`...)
	b = appendDate(b, m.ModifiedDate)
	b = append(b, `,"modified_by":`...)
	return appendString(b, m.ModifiedBy)
}

// appendBlind writes a blind credential.
func appendBlind(b []byte, v *vault.BlindView) []byte {
	b = append(b, `{"id":`...)
	b = appendID(b, v.Row.Meta, v.Historic)
	b = appendPublic(b, v.Row.Memo, v.Row, appendBlindRow)
	b = append(b, `,"credential_pairs":`...)
	if v.Sealed {
		b = appendRaw(b, v.Row.Pairs)
		b = append(b, `,"data_key":`...)
		b = appendRaw(b, v.Row.DataKey)
	} else {
		b = append(b, `{},"data_key":{}`...)
	}
	return append(b, '}')
}

// appendBlindRow writes the public part of a blind credential.
func appendBlindRow(b []byte, row *blind.Credential) []byte {
	b = append(b, `,"metadata":`...)
	b = appendRaw(b, row.Metadata)
	b = append(b, `,"credential_keys":`...)
	b = appendStrings(b, row.KeyNames)
	b = append(b, `,"cipher_type":`...)
	b = appendString(b, row.CipherType)
	b = append(b, `,"cipher_version":`...)
	b = strconv.AppendInt(b, int64(row.CipherVersion), 10)
	return appendBlindSummary(b, row)
}

// appendBlindItem writes a blind credential as the list of current ones shows
// it.
func appendBlindItem(b []byte, v *vault.BlindView) []byte {
	b = append(b, `{"id":`...)
	b = appendID(b, v.Row.Meta, v.Historic)
	b = appendBlindSummary(b, v.Row)
	return append(b, '}')
}

// appendBlindSummary writes the members that a list item has too.
func appendBlindSummary(b []byte, row *blind.Credential) []byte {
	b = append(b, `,"name":`...)
	b = appendString(b, row.Name)
	b = append(b, `,"enabled":`...)
	b = strconv.AppendBool(b, row.Enabled)
	b = append(b, `,"documentation":`...)
	b = appendStringOrNull(b, row.Documentation)
	return appendMeta(b, row.Meta)
}

// appendService writes a service with what is mapped to it, as far as the view
// tells it.
func appendService(b []byte, v *vault.ServiceView) []byte {
	b = append(b, `{"id":`...)
	b = appendID(b, v.Row.Meta, v.Historic)
	b = appendPublic(b, v.Row.Memo, v.Row, appendServiceRow)
	b = append(b, `,"credentials":[`...)
	for i := range v.Credentials {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendCredential(b, &v.Credentials[i])
	}
	b = append(b, `],"blind_credentials":[`...)
	for i := range v.BlindCredentials {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendBlind(b, &v.BlindCredentials[i])
	}
	b = append(b, `],"permissions":`...)
	b = appendBools(b, v.Permissions)
	return append(b, '}')
}

// appendServiceRow writes the public part of a service.
func appendServiceRow(b []byte, row *service.Service) []byte {
	b = append(b, `,"account":`...)
	if row.Account == "" {
		b = append(b, "null"...)
	} else {
		b = appendString(b, row.Account)
	}
	b = append(b, `,"enabled":`...)
	b = strconv.AppendBool(b, row.Enabled)
	return appendMeta(b, row.Meta)
}

// appendDependents writes the services that map a credential.
func appendDependents(b []byte, services []vault.Dependent) []byte {
	b = append(b, `{"services":[`...)
	for i, s := range services {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		b = appendString(b, s.ID)
		b = append(b, `,"enabled":`...)
		b = strconv.AppendBool(b, s.Enabled)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// appendConflicts writes who would hand a service the same key. Both lists of
// ids are always there; services are named where a credential is changed.
func appendConflicts(b []byte, conflicts vault.Conflicts) []byte {
	b = append(b, '{')
	for i, key := range slices.Sorted(maps.Keys(conflicts)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, key)
		b = append(b, `:{`...)
		if c := conflicts[key]; c.Services != nil {
			b = append(b, `"services":`...)
			b = appendStrings(b, c.Services)
			b = append(b, ',')
		}
		b = append(b, `"credentials":`...)
		b = appendStrings(b, conflicts[key].Credentials)
		b = append(b, `,"blind_credentials":`...)
		b = appendStrings(b, conflicts[key].BlindCredentials)
		b = append(b, '}')
	}
	return append(b, '}')
}
