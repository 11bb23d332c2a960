package dynamo

import (
	"encoding/json"
	"slices"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// noun says how rows of one noun lie in the table.
type noun[T any] struct {
	name store.Noun
	meta func(*T) *revision.Meta
	// encode writes what the noun has beyond the common attributes; decode
	// reads it.
	encode func(*T, item)
	decode func(*reader, *T)
	clone  func(*T) *T
	// claim is the kind of document that claims the row's name; empty: names
	// are not claimed. named gives the name.
	claim string
	named func(*T) string
	// mapped lists what the row maps, and maps the attributes that say so.
	mapped func(*T) []string
	maps   []string
	// entry is what the catalogue tells of a row beyond its meta data.
	entry func(*T) store.Entry
	// head lists the attributes of the current row that stand outside history.
	head []string
	// own lists the attributes beyond the common ones; heavy lists those among
	// them that lists leave out, and outside those that may be amended and are
	// therefore no content.
	own, heavy, outside []string
}

// attributes names everything that a row of the noun may hold.
func (n *noun[T]) attributes() []string {
	return append([]string{attrID, attrDataType, attrRevision, attrModifiedDate, attrModifiedBy, attrEnabled}, n.own...)
}

func (n *noun[T]) current() string { return string(n.name) }
func (n *noun[T]) history() string { return "archive-" + string(n.name) }

// isCurrent and isHistory report whether an item is such a row of the noun.
func (n *noun[T]) isCurrent(it item) bool { return dataType(it) == n.current() }
func (n *noun[T]) isHistory(it item) bool { return dataType(it) == n.history() }

// row builds the item of a current row.
func (n *noun[T]) row(v *T) item {
	m := n.meta(v)
	it := item{}
	it.setText(attrID, m.ID)
	it.setText(attrDataType, n.current())
	it.setNumber(attrRevision, m.Revision)
	it.setText(attrModifiedDate, revision.FormatDate(m.ModifiedDate)) // always: without it no list shows the row
	it.setText(attrModifiedBy, m.ModifiedBy)
	n.encode(v, it)
	return it
}

// revisionRow builds the item of a historic row.
func (n *noun[T]) revisionRow(v *T) item {
	it := n.row(v)
	m := n.meta(v)
	it.setText(attrID, revision.Key(m.ID, m.Revision))
	it.setText(attrDataType, n.history())
	for _, name := range n.head {
		delete(it, name)
	}
	return it
}

// read decodes a current or historic row.
func (n *noun[T]) read(it item) (*T, error) {
	r := &reader{item: it}
	v := new(T)
	m := n.meta(v)
	m.ID = r.text(attrID)
	m.Revision = r.integer(attrRevision, 0)
	m.ModifiedDate = r.time(attrModifiedDate)
	if by := r.optional(attrModifiedBy); by != nil {
		m.ModifiedBy = *by
	}
	if r.text(attrDataType) == n.history() {
		if base, number, ok := revision.Split(m.ID); ok && number == m.Revision {
			m.ID = base
		} else {
			r.fail(attrRevision, "is not the one of the key")
		}
	}
	n.decode(r, v)
	if r.err != nil {
		return nil, r.err
	}
	return v, nil
}

// mapsOf returns what an item maps that is a current row of the noun.
func (n *noun[T]) mapsOf(it item) []string {
	if !n.isCurrent(it) {
		return nil
	}
	row := &reader{item: it}
	var ids []string
	for _, name := range n.maps {
		ids = append(ids, row.set(name)...)
	}
	return mappable(ids)
}

// Attributes of credentials and blind credentials.
const (
	attrName          = "name"
	attrPairs         = "credential_pairs"
	attrDataKey       = "data_key"
	attrKeyNames      = "credential_keys"
	attrCipherType    = "cipher_type"
	attrCipherVersion = "cipher_version"
	attrMetadata      = "metadata"
	attrDocumentation = "documentation"
	attrTags          = "tags"
	attrLastDecrypted = "last_decrypted_date"
	attrLastRotation  = "last_rotation_date"
	attrStages        = "sm_stages"
	attrLastAccessed  = "sm_last_accessed_date"
)

func credentialNoun() *noun[credential.Credential] {
	return &noun[credential.Credential]{
		name:   store.Credential,
		meta:   func(c *credential.Credential) *revision.Meta { return &c.Meta },
		clone:  (*credential.Credential).Clone,
		claim:  store.KindCredentialName,
		named:  func(c *credential.Credential) string { return c.Name },
		mapped: func(*credential.Credential) []string { return nil },
		entry: func(c *credential.Credential) store.Entry {
			return store.Entry{
				Name: c.Name, KeyNames: c.KeyNames, Tags: c.Tags, Enabled: c.Enabled,
				LastRotation: c.LastRotation, LastDecrypted: c.LastDecrypted,
			}
		},
		head: []string{attrStages, attrLastAccessed},
		own: []string{
			attrName, attrPairs, attrDataKey, attrCipherVersion, attrKeyNames, attrMetadata, attrDocumentation,
			attrTags, attrLastDecrypted, attrLastRotation, attrStages, attrLastAccessed,
		},
		heavy:   []string{attrPairs, attrDataKey},
		outside: []string{attrLastDecrypted, attrKeyNames, attrStages, attrLastAccessed},
		encode:  encodeCredential,
		decode:  decodeCredential,
	}
}

func encodeCredential(c *credential.Credential, it item) {
	it.setText(attrName, c.Name)
	it.setText(attrPairs, c.Sealed.Ciphertext)
	it.setBinary(attrDataKey, c.Sealed.DataKey)
	if c.Sealed.Version != 0 {
		it.setNumber(attrCipherVersion, c.Sealed.Version)
	}
	// A set cannot hold the empty name that old pairs may have. A row that does
	// not tell its names is opened, one that tells too few is believed.
	if !slices.Contains(c.KeyNames, "") {
		it.setSet(attrKeyNames, c.KeyNames)
	}
	it.setBool(attrEnabled, c.Enabled)
	it.setJSON(attrMetadata, c.Metadata)
	it.setOptional(attrDocumentation, c.Documentation)
	it[attrTags] = textList(c.Tags)
	it.setTime(attrLastDecrypted, c.LastDecrypted)
	it.setTime(attrLastRotation, c.LastRotation)
	if len(c.Head.Stages) > 0 {
		it.setText(attrStages, stagesText(c.Head.Stages))
	}
	it.setTime(attrLastAccessed, c.Head.LastAccessed)
}

// stagesText is the JSON object of the labels; its members are sorted, so that
// equal labels have equal text and a condition can compare it.
func stagesText(stages map[string]string) string {
	b, err := json.Marshal(stages)
	if err != nil {
		panic("dynamo: a map of strings marshals: " + err.Error())
	}
	return string(b)
}

func decodeCredential(r *reader, c *credential.Credential) {
	c.Name = r.text(attrName)
	if pairs := r.optional(attrPairs); pairs != nil {
		c.Sealed = sealed.Value{
			Ciphertext: *pairs,
			DataKey:    r.binary(attrDataKey),
			Version:    r.integer(attrCipherVersion, 0),
		}
	}
	c.KeyNames = r.set(attrKeyNames)
	c.Enabled = r.boolean(attrEnabled, true)
	c.Metadata = r.json(attrMetadata)
	c.Documentation = r.optional(attrDocumentation)
	c.Tags = r.list(attrTags)
	c.LastDecrypted = r.time(attrLastDecrypted)
	c.LastRotation = r.time(attrLastRotation)
	if raw := r.json(attrStages); raw != nil {
		if json.Unmarshal(raw, &c.Head.Stages) != nil {
			r.fail(attrStages, "is no object of texts")
		}
	}
	c.Head.LastAccessed = r.time(attrLastAccessed)
}

func blindNoun() *noun[blind.Credential] {
	return &noun[blind.Credential]{
		name:   store.BlindCredential,
		meta:   func(c *blind.Credential) *revision.Meta { return &c.Meta },
		clone:  (*blind.Credential).Clone,
		claim:  store.KindBlindName,
		named:  func(c *blind.Credential) string { return c.Name },
		mapped: func(*blind.Credential) []string { return nil },
		entry: func(c *blind.Credential) store.Entry {
			return store.Entry{Name: c.Name, KeyNames: c.KeyNames, Enabled: c.Enabled}
		},
		own: []string{
			attrName, attrPairs, attrDataKey, attrKeyNames, attrCipherType, attrCipherVersion, attrMetadata, attrDocumentation,
		},
		heavy:  []string{attrPairs, attrDataKey},
		encode: encodeBlind,
		decode: decodeBlind,
	}
}

func encodeBlind(c *blind.Credential, it item) {
	it.setText(attrName, c.Name)
	it.setJSON(attrPairs, c.Pairs)
	it.setJSON(attrDataKey, c.DataKey)
	it.setSet(attrKeyNames, c.KeyNames)
	it.setText(attrCipherType, c.CipherType)
	it.setNumber(attrCipherVersion, c.CipherVersion)
	it.setBool(attrEnabled, c.Enabled)
	it.setJSON(attrMetadata, c.Metadata)
	it.setOptional(attrDocumentation, c.Documentation)
}

func decodeBlind(r *reader, c *blind.Credential) {
	c.Name = r.text(attrName)
	c.Pairs = r.json(attrPairs)
	c.DataKey = r.json(attrDataKey)
	c.KeyNames = r.set(attrKeyNames)
	if kind := r.optional(attrCipherType); kind != nil {
		c.CipherType = *kind
	}
	c.CipherVersion = r.integer(attrCipherVersion, 0)
	c.Enabled = r.boolean(attrEnabled, true)
	c.Metadata = r.json(attrMetadata)
	c.Documentation = r.optional(attrDocumentation)
}

// Attributes of services.
const (
	attrCredentials      = "credentials"
	attrBlindCredentials = "blind_credentials"
	attrAccount          = "account"
)

func serviceNoun() *noun[service.Service] {
	return &noun[service.Service]{
		name:  store.Service,
		meta:  func(s *service.Service) *revision.Meta { return &s.Meta },
		clone: (*service.Service).Clone,
		named: func(*service.Service) string { return "" },
		mapped: func(s *service.Service) []string {
			return mappable(slices.Concat(s.Credentials, s.BlindCredentials))
		},
		entry:  func(s *service.Service) store.Entry { return store.Entry{Name: s.ID, Enabled: s.Enabled} },
		maps:   []string{attrCredentials, attrBlindCredentials},
		own:    []string{attrCredentials, attrBlindCredentials, attrAccount},
		encode: encodeService,
		decode: decodeService,
	}
}

func encodeService(s *service.Service, it item) {
	it.setSet(attrCredentials, s.Credentials)
	it.setSet(attrBlindCredentials, s.BlindCredentials)
	it.setBool(attrEnabled, s.Enabled)
	if s.Account != "" {
		it.setText(attrAccount, s.Account)
	}
}

func decodeService(r *reader, s *service.Service) {
	s.Credentials = r.set(attrCredentials)
	s.BlindCredentials = r.set(attrBlindCredentials)
	s.Enabled = r.boolean(attrEnabled, true)
	if account := r.optional(attrAccount); account != nil {
		s.Account = *account
	}
}
