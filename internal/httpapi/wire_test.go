package httpapi

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// The structs below are the wire forms as encoding/json writes them: the plain
// way, against which the fast one is held.

type wireCredential struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	Keys          []string          `json:"credential_keys"`
	Pairs         json.RawMessage   `json:"credential_pairs"`
	Metadata      json.RawMessage   `json:"metadata"`
	Revision      int               `json:"revision"`
	Enabled       bool              `json:"enabled"`
	Documentation *string           `json:"documentation"`
	ModifiedDate  string            `json:"modified_date"`
	ModifiedBy    string            `json:"modified_by"`
	Permissions   vault.Permissions `json:"permissions"`
	Tags          []string          `json:"tags"`
	LastRotation  *string           `json:"last_rotation_date"`
	NextRotation  *string           `json:"next_rotation_date"`
}

type wireBlind struct {
	ID            string          `json:"id"`
	Name          string          `json:"name"`
	Pairs         json.RawMessage `json:"credential_pairs"`
	Keys          []string        `json:"credential_keys"`
	CipherType    string          `json:"cipher_type"`
	CipherVersion int             `json:"cipher_version"`
	Metadata      json.RawMessage `json:"metadata"`
	Revision      int             `json:"revision"`
	Enabled       bool            `json:"enabled"`
	DataKey       json.RawMessage `json:"data_key"`
	ModifiedDate  string          `json:"modified_date"`
	ModifiedBy    string          `json:"modified_by"`
	Documentation *string         `json:"documentation"`
}

type wireService struct {
	ID               string            `json:"id"`
	Revision         int               `json:"revision"`
	Enabled          bool              `json:"enabled"`
	ModifiedDate     string            `json:"modified_date"`
	ModifiedBy       string            `json:"modified_by"`
	Account          *string           `json:"account"`
	Credentials      []wireCredential  `json:"credentials"`
	BlindCredentials []wireBlind       `json:"blind_credentials"`
	Permissions      vault.Permissions `json:"permissions"`
}

func plainDate(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000+00:00") }

func plainDateOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := plainDate(t)
	return &s
}

func plainID(m revision.Meta, historic bool) string {
	if historic {
		return revision.Key(m.ID, m.Revision)
	}
	return m.ID
}

func orObject(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("{}")
	}
	return raw
}

func notNil[T ~[]E, E any](list T) T {
	if list == nil {
		return T{}
	}
	return list
}

func plainCredential(v vault.CredentialView) wireCredential {
	pairs := json.RawMessage("{}")
	if v.Pairs != nil {
		pairs = v.Pairs.Encode()
	}
	permissions := v.Permissions
	if permissions == nil {
		permissions = vault.Permissions{}
	}
	return wireCredential{
		ID: plainID(v.Row.Meta, v.Historic), Name: v.Row.Name, Keys: notNil(v.KeyNames), Pairs: pairs,
		Metadata: orObject(v.Row.Metadata), Revision: v.Row.Revision, Enabled: v.Row.Enabled,
		Documentation: v.Row.Documentation, ModifiedDate: plainDate(v.Row.ModifiedDate), ModifiedBy: v.Row.ModifiedBy,
		Permissions: permissions, Tags: notNil(v.Row.Tags), LastRotation: plainDateOrNull(v.Row.LastRotation),
		NextRotation: plainDateOrNull(v.NextRotation),
	}
}

func plainBlind(v vault.BlindView) wireBlind {
	pairs, key := json.RawMessage("{}"), json.RawMessage("{}")
	if v.Sealed {
		pairs, key = orObject(v.Row.Pairs), orObject(v.Row.DataKey)
	}
	return wireBlind{
		ID: plainID(v.Row.Meta, v.Historic), Name: v.Row.Name, Pairs: pairs, Keys: notNil(v.Row.KeyNames),
		CipherType: v.Row.CipherType, CipherVersion: v.Row.CipherVersion, Metadata: orObject(v.Row.Metadata),
		Revision: v.Row.Revision, Enabled: v.Row.Enabled, DataKey: key,
		ModifiedDate: plainDate(v.Row.ModifiedDate), ModifiedBy: v.Row.ModifiedBy, Documentation: v.Row.Documentation,
	}
}

func plainService(v vault.ServiceView) wireService {
	s := wireService{
		ID: plainID(v.Row.Meta, v.Historic), Revision: v.Row.Revision, Enabled: v.Row.Enabled,
		ModifiedDate: plainDate(v.Row.ModifiedDate), ModifiedBy: v.Row.ModifiedBy,
		Credentials: []wireCredential{}, BlindCredentials: []wireBlind{}, Permissions: v.Permissions,
	}
	if v.Row.Account != "" {
		s.Account = &v.Row.Account
	}
	if s.Permissions == nil {
		s.Permissions = vault.Permissions{}
	}
	for _, c := range v.Credentials {
		s.Credentials = append(s.Credentials, plainCredential(c))
	}
	for _, b := range v.BlindCredentials {
		s.BlindCredentials = append(s.BlindCredentials, plainBlind(b))
	}
	return s
}

// sameJSON fails the test unless both texts are the same JSON value.
func sameJSON(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if g, w := jsonValue(t, got), jsonValue(t, want); !reflect.DeepEqual(g, w) {
		t.Fatalf("%s\ngot  %s\nwant %s", what, got, want)
	}
}

// jsonValue decodes a text, numbers as they are written.
func jsonValue(t testing.TB, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("no JSON: %v\n%s", err, text)
	}
	if d.More() {
		t.Fatalf("something follows the JSON value: %s", text)
	}
	return v
}

// FuzzFastJSON holds the appending encoder to encoding/json, with and without a
// memo of the public part, for a service with everything in it.
func FuzzFastJSON(f *testing.F) {
	f.Add("svc", "acct", "Name \"x\"\n", "doc\u2028", `{"a":[1,2.50,null]}`, `{"Key":"v\u0000","n":1e400,"b":true}`, "k1,k2", "T1,T2", int64(1_700_000_000_123_456), 7, uint8(0b111111))
	f.Add("", "", "", "", ``, ``, "", "", int64(0), 1, uint8(0))
	f.Add("ü-1", "\xff", "\xed\xa0\x80", "\\", `{}`, `{"a":"\ud800"}`, ",", "<script>&", int64(-1), -3, uint8(0b101010))
	f.Fuzz(func(t *testing.T, id, account, name, documentation, metadata, pairsText, keys, tags string, micros int64, n int, flags uint8) {
		flag := func(i int) bool { return flags>>i&1 == 1 }
		// Years beyond four digits have no wire form.
		micros %= 200_000_000_000_000_000
		at := time.UnixMicro(micros)
		if at.Year() < 1 || at.Year() > 9999 {
			at = time.UnixMicro(0)
		}
		list := func(s string) []string {
			if s == "" {
				return nil
			}
			return strings.Split(s, ",")
		}
		raw := func(s string) json.RawMessage {
			var object map[string]json.RawMessage
			if json.Unmarshal([]byte(s), &object) != nil || object == nil || !utf8.ValidString(s) {
				return nil
			}
			return json.RawMessage(s)
		}
		meta := revision.Meta{ID: id, Revision: n, ModifiedDate: at, ModifiedBy: name}
		row := &credential.Credential{
			Meta: meta, Name: name, Enabled: flag(0), Metadata: raw(metadata), Tags: list(tags), Memo: &revision.Memo{},
		}
		if flag(1) {
			row.Documentation = &documentation
			row.LastRotation = at
		}
		view := vault.CredentialView{Row: row, Historic: flag(2), KeyNames: list(keys)}
		if pairs, err := credential.OpenPairs([]byte(pairsText)); err == nil && flag(3) {
			view.Pairs = &pairs
			view.KeyNames = pairs.Keys()
		}
		if flag(4) {
			view.NextRotation = at.AddDate(0, 0, 1)
			view.Permissions = vault.Permissions{"get": flag(0), "update": true, name: false}
		}
		blindRow := &blind.Credential{
			Meta: meta, Name: name, Pairs: raw(pairsText), DataKey: raw(metadata), KeyNames: list(keys),
			CipherType: account, CipherVersion: n, Enabled: flag(5), Metadata: raw(metadata),
			Documentation: row.Documentation, Memo: &revision.Memo{},
		}
		whole := vault.ServiceView{
			Row:         &service.Service{Meta: meta, Enabled: flag(0), Account: account, Memo: &revision.Memo{}},
			Historic:    flag(5),
			Credentials: []vault.CredentialView{view, {Row: row}},
			BlindCredentials: []vault.BlindView{
				{Row: blindRow, Historic: flag(2), Sealed: flag(3)}, {Row: blindRow},
			},
			Permissions: view.Permissions,
		}
		want, err := json.Marshal(plainService(whole))
		if err != nil {
			t.Fatal(err)
		}
		first := appendService(nil, &whole)
		sameJSON(t, "a service", first, want)
		if again := appendService(nil, &whole); !slices.Equal(again, first) {
			t.Fatalf("a service from its memo\ngot  %s\nwant %s", again, first)
		}
	})
}

func TestAppendCredential_IsNotChangedByWhoSawTheRowBefore(t *testing.T) {
	t.Parallel()
	row := &credential.Credential{
		Meta: revision.Meta{ID: "c1", Revision: 3, ModifiedDate: time.Unix(1, 0), ModifiedBy: "ada"},
		Name: "n", Memo: &revision.Memo{},
	}
	pairs, err := credential.ParsePairs([]byte(`{"a":"secret"}`))
	if err != nil {
		t.Fatal(err)
	}
	seen := vault.CredentialView{
		Row: row, KeyNames: []string{"a"}, Pairs: &pairs,
		NextRotation: time.Unix(2, 0), Permissions: vault.Permissions{"get": true},
	}
	appendCredential(nil, &seen)
	listed := vault.CredentialView{Row: row}
	got := appendCredential(nil, &listed)
	want, err := json.Marshal(plainCredential(listed))
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "a listed credential", got, want)
	if kept := row.Memo.Load().(publicPart); strings.Contains(string(kept), "secret") {
		t.Errorf("the memo holds plaintext: %s", kept)
	}
}

func TestAppendConflicts_NamesServicesOnlyWhereThereAreSome(t *testing.T) {
	t.Parallel()
	got := appendConflicts(nil, vault.Conflicts{
		"b": {Services: []string{"s1", "s2"}, Credentials: []string{"c1"}},
		"a": {Credentials: []string{"c1", "c2"}, BlindCredentials: []string{"b1"}},
	})
	sameJSON(t, "conflicts", got, []byte(`{
		"a": {"credentials": ["c1","c2"], "blind_credentials": ["b1"]},
		"b": {"services": ["s1","s2"], "credentials": ["c1"], "blind_credentials": []}}`))
}

// fiveCredentials is a service as the machines fetch it.
func fiveCredentials(t testing.TB) vault.ServiceView {
	t.Helper()
	view := vault.ServiceView{
		Row: &service.Service{
			Meta:    revision.Meta{ID: "payments-production", Revision: 4, ModifiedDate: time.Unix(1_700_000_000, 0), ModifiedBy: "ada@example.com"},
			Enabled: true, Memo: &revision.Memo{},
		},
		Permissions: vault.Permissions{"metadata": true, "get": true, "update": false},
	}
	pairs, err := credential.ParsePairs([]byte(`{"user":"shop","password":"0123456789abcdef0123456789abcdef","url":"https://gateway.example.com/v2"}`))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		view.Credentials = append(view.Credentials, vault.CredentialView{
			Row: &credential.Credential{
				Meta:    revision.Meta{ID: "9c41f1b2a5de4c0c8f6a2b7d1e0f3a5" + string(rune('0'+i)), Revision: i + 1, ModifiedDate: time.Unix(1_700_000_000, 0), ModifiedBy: "ada@example.com"},
				Name:    "Payments gateway",
				Enabled: true, LastRotation: time.Unix(1_700_000_000, 0), Memo: &revision.Memo{},
			},
			KeyNames: pairs.Keys(), Pairs: &pairs, NextRotation: time.Unix(1_800_000_000, 0),
		})
	}
	return view
}

func BenchmarkAppendService(b *testing.B) {
	view := fiveCredentials(b)
	buffer := make([]byte, 0, 16<<10)
	b.ReportAllocs()
	for b.Loop() {
		buffer = appendService(buffer[:0], &view)
	}
	b.SetBytes(int64(len(buffer)))
}

func TestBuffers_AreWipedBeforeTheyAreLentAgain(t *testing.T) {
	t.Parallel()
	var p buffers
	b := p.get(20_000)
	if cap(*b) < 20_000 || len(*b) != 0 {
		t.Fatalf("a buffer of %d and %d bytes, want room for 20000", len(*b), cap(*b))
	}
	*b = append(*b, "plaintext"...)
	seen := (*b)[:cap(*b)]
	p.put(b)
	if bytes.Contains(seen, []byte("plaintext")) {
		t.Error("what is given back still holds plaintext")
	}
}
