package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
)

// codec turns rows of one noun into what the tables keep, and back.
type codec[T any] interface {
	noun() noun
	meta(v *T) *revision.Meta
	encode(v *T) content
	head(v *T) head
	decode(c *content) (*T, error)
	// remember gives a row a place for what a reader derives from it.
	remember(v *T)
}

// head is what stands outside history, which only credentials have. The zero
// head is not that of a row without one, see noHead.
type head struct {
	stages   string // JSON
	accessed int64
}

var noHead = head{accessed: noTime}

// common fills what every noun has.
func common(n noun, m revision.Meta, enabled bool) content {
	return content{
		noun: n, id: m.ID, revision: m.Revision, modified: micros(m.ModifiedDate), modifiedBy: m.ModifiedBy,
		enabled: enabled, lastDecrypted: noTime, lastRotation: noTime, head: noHead,
	}
}

func (c *content) meta() revision.Meta {
	return revision.Meta{ID: c.id, Revision: c.revision, ModifiedDate: moment(c.modified), ModifiedBy: c.modifiedBy}
}

// about names the row in an error.
func (c *content) about(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the stored row %s is damaged: %w", revision.Key(c.id, c.revision), err)
}

func optional(text *string) sql.NullString {
	if text == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: *text, Valid: true}
}

func pointer(text sql.NullString) *string {
	if !text.Valid {
		return nil
	}
	return &text.String
}

func raw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

type credentialCodec struct{}

func (credentialCodec) noun() noun                                   { return credentialNoun }
func (credentialCodec) meta(v *credential.Credential) *revision.Meta { return &v.Meta }
func (credentialCodec) remember(v *credential.Credential)            { v.Memo = &revision.Memo{} }

func (credentialCodec) head(v *credential.Credential) head {
	return head{encodeStages(v.Head.Stages), micros(v.Head.LastAccessed)}
}

func (k credentialCodec) encode(v *credential.Credential) content {
	c := common(credentialNoun, v.Meta, v.Enabled)
	c.name, c.metadata, c.documentation = v.Name, string(v.Metadata), optional(v.Documentation)
	c.keyNames, c.tags = encodeList(v.KeyNames), encodeList(v.Tags)
	c.lastDecrypted, c.lastRotation = micros(v.LastDecrypted), micros(v.LastRotation)
	c.pairs, c.dataKey, c.cipherVersion = v.Sealed.Ciphertext, string(v.Sealed.DataKey), v.Sealed.Version
	c.head = k.head(v)
	return c
}

func (credentialCodec) decode(c *content) (*credential.Credential, error) {
	keyNames, err1 := decodeList(c.keyNames)
	tags, err2 := decodeList(c.tags)
	stages, err3 := decodeStages(c.stages)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, c.about(err)
	}
	v := &credential.Credential{
		Meta: c.meta(), Name: c.name, KeyNames: keyNames, Enabled: c.enabled, Metadata: raw(c.metadata),
		Documentation: pointer(c.documentation), Tags: tags,
		LastDecrypted: moment(c.lastDecrypted), LastRotation: moment(c.lastRotation),
		Head: credential.Head{Stages: stages, LastAccessed: moment(c.accessed)},
	}
	if !c.light {
		v.Sealed = sealed.Value{Ciphertext: c.pairs, DataKey: []byte(c.dataKey), Version: c.cipherVersion}
	}
	return v, nil
}

// encodeStages returns labels as JSON with sorted members, so that equal labels
// have equal texts.
func encodeStages(stages map[string]string) string {
	if len(stages) == 0 {
		return ""
	}
	text, err := json.Marshal(stages)
	if err != nil {
		panic("sqlite: a map of texts marshals: " + err.Error())
	}
	return string(text)
}

func decodeStages(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	var stages map[string]string
	if err := json.Unmarshal([]byte(text), &stages); err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	return stages, nil
}

type blindCodec struct{}

func (blindCodec) noun() noun                              { return blindNoun }
func (blindCodec) meta(v *blind.Credential) *revision.Meta { return &v.Meta }
func (blindCodec) head(*blind.Credential) head             { return noHead }
func (blindCodec) remember(v *blind.Credential)            { v.Memo = &revision.Memo{} }

func (blindCodec) encode(v *blind.Credential) content {
	c := common(blindNoun, v.Meta, v.Enabled)
	c.name, c.metadata, c.documentation = v.Name, string(v.Metadata), optional(v.Documentation)
	c.keyNames = encodeList(v.KeyNames)
	c.pairs, c.dataKey, c.cipherType, c.cipherVersion = string(v.Pairs), string(v.DataKey), v.CipherType, v.CipherVersion
	return c
}

func (blindCodec) decode(c *content) (*blind.Credential, error) {
	keyNames, err := decodeList(c.keyNames)
	if err != nil {
		return nil, c.about(err)
	}
	return &blind.Credential{
		Meta: c.meta(), Name: c.name, Pairs: raw(c.pairs), DataKey: raw(c.dataKey), KeyNames: keyNames,
		CipherType: c.cipherType, CipherVersion: c.cipherVersion, Enabled: c.enabled, Metadata: raw(c.metadata),
		Documentation: pointer(c.documentation),
	}, nil
}

type serviceCodec struct{}

func (serviceCodec) noun() noun                             { return serviceNoun }
func (serviceCodec) meta(v *service.Service) *revision.Meta { return &v.Meta }
func (serviceCodec) head(*service.Service) head             { return noHead }
func (serviceCodec) remember(v *service.Service)            { v.Memo = &revision.Memo{} }

func (serviceCodec) encode(v *service.Service) content {
	c := common(serviceNoun, v.Meta, v.Enabled)
	c.account, c.credentials, c.blindCredentials = v.Account, encodeList(v.Credentials), encodeList(v.BlindCredentials)
	return c
}

func (serviceCodec) decode(c *content) (*service.Service, error) {
	credentials, err1 := decodeList(c.credentials)
	blinds, err2 := decodeList(c.blindCredentials)
	if err := errors.Join(err1, err2); err != nil {
		return nil, c.about(err)
	}
	return &service.Service{
		Meta: c.meta(), Credentials: credentials, BlindCredentials: blinds, Enabled: c.enabled, Account: c.account,
	}, nil
}
