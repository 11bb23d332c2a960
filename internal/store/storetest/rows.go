package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// kind is what the generic tests must know of a noun.
type kind[T any] struct {
	noun    store.Noun
	of      func(store.Store) store.Revisions[T]
	meta    func(*T) *revision.Meta
	clone   func(*T) *T
	id      func(n int) string // of the n-th thing
	full    func(n int) *T     // a row with every member set, each n another
	bare    func(n int) *T     // a row without optional members
	grow    func(v *T, n int)  // makes a row take more than n bytes as stored
	light   func(*T)           // takes out what lists may leave out
	mention func(*T)           // a change that is no new revision

	claim string // kind of the name's claim; empty: names are not claimed
	name  func(*T) *string
}

// moment returns the n-th of a series of times, a second and a bit apart, none
// of them on a whole millisecond.
func moment(n int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 6_000, time.UTC).Add(time.Duration(n) * 1_000_007 * time.Microsecond)
}

func pointer[T any](v T) *T { return &v }

func meta(n int) revision.Meta {
	return revision.Meta{ModifiedDate: moment(n), ModifiedBy: fmt.Sprintf("ann%d@example.com", n)}
}

func hexID(first byte, n int) string { return fmt.Sprintf("%02x%030x", first, n) }

func credentials() kind[credential.Credential] {
	return kind[credential.Credential]{
		noun:  store.Credential,
		of:    store.Store.Credentials,
		meta:  func(c *credential.Credential) *revision.Meta { return &c.Meta },
		clone: (*credential.Credential).Clone,
		id:    func(n int) string { return hexID(0xc0, n) },
		full: func(n int) *credential.Credential {
			return &credential.Credential{
				Meta: meta(n),
				Name: fmt.Sprintf("Ünïcode payments “api” \U0001F511 %d", n),
				Sealed: sealed.Value{
					Ciphertext: fmt.Sprintf("gAAAAABeDV2l-%d==", n),
					DataKey:    []byte{0, 1, 0xff, '"', '\'', byte(n)},
					Version:    2,
				},
				KeyNames:      []string{"api_key", fmt.Sprintf("user%d", n), "ключ"},
				Enabled:       true,
				Metadata:      json.RawMessage(fmt.Sprintf(`{"team": "pay\u00e9", "n": %d, "deep": {"a": [1.50, null]}}`, n)),
				Documentation: pointer("how to \"rotate\"\nit: %s ünd so"),
				Tags:          []string{"z last", "FINANCIALLY_SENSITIVE", "ä"},
				LastDecrypted: moment(n + 1000),
				LastRotation:  moment(n - 1000),
				Head:          credential.Head{Stages: map[string]string{"AWSCURRENT": fmt.Sprintf("v%d", n), "ünder": "v0"}, LastAccessed: moment(n + 2000)},
			}
		},
		bare: func(n int) *credential.Credential {
			return &credential.Credential{
				Meta: meta(n), Name: fmt.Sprintf("bare %d", n),
				Sealed: sealed.Value{Ciphertext: fmt.Sprintf("token %d", n), DataKey: []byte{1}, Version: 2},
			}
		},
		grow:    func(c *credential.Credential, n int) { c.Sealed.Ciphertext = text(n) },
		light:   func(c *credential.Credential) { c.Sealed = sealed.Value{} },
		mention: func(c *credential.Credential) { c.LastDecrypted = c.LastDecrypted.Add(time.Hour) },
		claim:   store.KindCredentialName,
		name:    func(c *credential.Credential) *string { return &c.Name },
	}
}

func archivedCredentials() kind[credential.Credential] {
	k := credentials()
	k.of = store.Store.ArchivedCredentials
	k.claim, k.name = "", nil
	return k
}

func blindCredentials() kind[blind.Credential] {
	return kind[blind.Credential]{
		noun:  store.BlindCredential,
		of:    store.Store.BlindCredentials,
		meta:  func(c *blind.Credential) *revision.Meta { return &c.Meta },
		clone: (*blind.Credential).Clone,
		id:    func(n int) string { return hexID(0xb0, n) },
		full: func(n int) *blind.Credential {
			return &blind.Credential{
				Meta:          meta(n),
				Name:          fmt.Sprintf("Blind ünïcode %d", n),
				Pairs:         json.RawMessage(fmt.Sprintf(`{ "us-east-1":"abc%d", "ü":  "\u00fc" }`, n)),
				DataKey:       json.RawMessage(`{"us-east-1": "a2V5", "eu-west-1":"" }`),
				KeyNames:      []string{"api_key", fmt.Sprintf("user%d", n)},
				CipherType:    "fernet",
				CipherVersion: 2,
				Enabled:       true,
				Metadata:      json.RawMessage(`{"context": {"us-east-1": {"from": "ü"}}}`),
				Documentation: pointer("ask \"ops\"\n"),
			}
		},
		bare: func(n int) *blind.Credential {
			return &blind.Credential{
				Meta: meta(n), Name: fmt.Sprintf("bare %d", n),
				Pairs: json.RawMessage(`{}`), DataKey: json.RawMessage(`{}`), CipherType: "fernet", CipherVersion: 2,
			}
		},
		grow:    func(c *blind.Credential, n int) { c.Pairs = json.RawMessage(`{"r":"` + text(n) + `"}`) },
		light:   func(c *blind.Credential) { c.Pairs, c.DataKey = nil, nil },
		mention: func(c *blind.Credential) { c.CipherVersion++ },
		claim:   store.KindBlindName,
		name:    func(c *blind.Credential) *string { return &c.Name },
	}
}

func services() kind[service.Service] {
	return kind[service.Service]{
		noun:  store.Service,
		of:    store.Store.Services,
		meta:  func(s *service.Service) *revision.Meta { return &s.Meta },
		clone: (*service.Service).Clone,
		id:    func(n int) string { return fmt.Sprintf("Zahlung-%d-prödüction", n) },
		full: func(n int) *service.Service {
			return &service.Service{
				Meta:             meta(n),
				Credentials:      []string{hexID(0xc0, n), hexID(0xc1, n)},
				BlindCredentials: []string{hexID(0xb0, n)},
				Enabled:          true,
				Account:          "main ü",
			}
		},
		bare:    func(n int) *service.Service { return &service.Service{Meta: meta(n)} },
		grow:    func(s *service.Service, n int) { s.Account = text(n) },
		light:   func(*service.Service) {},
		mention: func(s *service.Service) { s.Account += "!" },
	}
}

// text returns so many bytes that do not compress to nothing.
func text(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = 'a' + byte(x>>24)%26
	}
	return string(b)
}

// sameRow compares rows: absent and empty are the same, and the memo is no part
// of a row.
var sameRow = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Memo" }, cmp.Ignore()),
}

// grown returns the n-th bare row, made larger than so many bytes.
func (k kind[T]) grown(n, bytes int) *T {
	v := k.bare(n)
	k.grow(v, bytes)
	return v
}

// diff reports how two rows, or lists of rows, differ; empty if not at all.
func diff(want, got any) string {
	if d := cmp.Diff(want, got, sameRow); d != "" {
		return "-want +got:\n" + d
	}
	return ""
}
