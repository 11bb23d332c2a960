package dynamo_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

func sampleMeta() revision.Meta {
	return revision.Meta{ModifiedDate: revision.Instant(time.Now()), ModifiedBy: "ann@example.com"}
}

// sampleCredential is a row to append.
func sampleCredential(name string) *credential.Credential {
	documentation := "ask ops"
	return &credential.Credential{
		Meta: sampleMeta(), Name: name, Enabled: true,
		Sealed:   sealed.Value{Ciphertext: "gAAAAABeDV2l", DataKey: []byte{0, 1, 0xff}, Version: 2},
		KeyNames: []string{"password", "user"}, Metadata: json.RawMessage(`{"team":"pay"}`), Documentation: &documentation,
		Tags: []string{"FIN"}, LastRotation: revision.Instant(time.Now()),
	}
}

// sampleService is a row to append that maps credentials.
func sampleService(ids ...string) *service.Service {
	return &service.Service{Meta: sampleMeta(), Credentials: ids, Enabled: true}
}

// read returns a current or historic row.
func read[T any](ctx context.Context, r store.Revisions[T], current bool, id string, n int) (*T, error) {
	if current {
		return r.Get(ctx, id)
	}
	return r.Revision(ctx, id, n)
}

// wire builds an item from attributes, leaving out those that say nothing.
type wire wireItem

func (w wire) text(name, value string) { w[name] = map[string]any{"S": value} }

func (w wire) optional(name string, value *string) {
	if value != nil {
		w.text(name, *value)
	}
}

func (w wire) json(name string, value json.RawMessage) {
	if value != nil {
		w.text(name, string(value))
	}
}

func (w wire) date(name string, value time.Time) {
	if !value.IsZero() {
		w.text(name, value.Format("2006-01-02T15:04:05.000000-0700"))
	}
}

func (w wire) number(name string, n int) { w[name] = map[string]any{"N": strconv.Itoa(n)} }

func (w wire) set(name string, values []string) {
	if len(values) > 0 {
		w[name] = map[string]any{"SS": anyOf(values, func(s string) any { return s })}
	}
}

func anyOf(values []string, f func(string) any) []any {
	out := []any{}
	for _, v := range values {
		out = append(out, f(v))
	}
	return out
}

func wireOfMeta(m revision.Meta, enabled bool) wire {
	w := wire{"enabled": {"BOOL": enabled}}
	w.text("id", m.ID)
	w.number("revision", m.Revision)
	w.date("modified_date", m.ModifiedDate)
	w.text("modified_by", m.ModifiedBy)
	return w
}

func wireOfCredential(c *credential.Credential) wireItem {
	w := wireOfMeta(c.Meta, c.Enabled)
	w.text("name", c.Name)
	w.text("credential_pairs", c.Sealed.Ciphertext)
	once := base64.StdEncoding.EncodeToString(c.Sealed.DataKey)
	w["data_key"] = map[string]any{"B": base64.StdEncoding.EncodeToString([]byte(once))}
	w.number("cipher_version", c.Sealed.Version)
	w.set("credential_keys", c.KeyNames)
	w.json("metadata", c.Metadata)
	w.optional("documentation", c.Documentation)
	w["tags"] = map[string]any{"L": anyOf(c.Tags, func(s string) any { return map[string]any{"S": s} })}
	w.date("last_decrypted_date", c.LastDecrypted)
	w.date("last_rotation_date", c.LastRotation)
	return wireItem(w)
}

func wireOfBlind(c *blind.Credential) wireItem {
	w := wireOfMeta(c.Meta, c.Enabled)
	w.text("name", c.Name)
	w.json("credential_pairs", c.Pairs)
	w.json("data_key", c.DataKey)
	w.set("credential_keys", c.KeyNames)
	w.text("cipher_type", c.CipherType)
	w.number("cipher_version", c.CipherVersion)
	w.json("metadata", c.Metadata)
	w.optional("documentation", c.Documentation)
	return wireItem(w)
}

func wireOfService(s *service.Service) wireItem {
	w := wireOfMeta(s.Meta, s.Enabled)
	w.set("credentials", s.Credentials)
	w.set("blind_credentials", s.BlindCredentials)
	if s.Account != "" {
		w.text("account", s.Account)
	}
	return wireItem(w)
}
