package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/confidant-secrets/confidant/internal/store"
)

// content is one revision as the tables keep it, whatever its noun, with the
// head of the current row. Members that a noun does not have, and lists without
// elements, are empty.
type content struct {
	noun             noun
	id               string
	revision         int
	modified         int64
	modifiedBy       string
	enabled          bool
	name             string
	metadata         string // JSON
	documentation    sql.NullString
	keyNames         string // JSON
	tags             string // JSON
	lastDecrypted    int64
	lastRotation     int64
	account          string
	credentials      string // JSON
	blindCredentials string // JSON
	cipherType       string
	cipherVersion    int
	dataKey          string
	pairs            string

	head

	// light says that dataKey and pairs were not read.
	light bool
}

// noTime is the zero time, an unknown moment, in microseconds.
const noTime = -62135596800000000

// micros returns t as the tables keep it: truncated, not rounded.
func micros(t time.Time) int64 { return t.UnixMicro() }

func moment(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// columns are those of table history in the order of args.
var columns = []string{
	"noun", "id", "revision", "modified", "modified_by", "enabled", "name", "metadata", "documentation", "key_names",
	"tags", "last_decrypted", "last_rotation", "account", "credentials", "blind_credentials", "cipher_type",
	"cipher_version", "data_key", "credential_pairs",
}

// args returns the values of columns; what is empty is NULL.
func (c *content) args() []any {
	return []any{
		string(c.noun), c.id, c.revision, c.modified, c.modifiedBy, c.enabled, c.nullableName(), null(c.metadata),
		c.documentation, null(c.keyNames), null(c.tags), nullTime(c.lastDecrypted), nullTime(c.lastRotation),
		null(c.account), null(c.credentials), null(c.blindCredentials), null(c.cipherType),
		sql.NullInt64{Int64: int64(c.cipherVersion), Valid: c.cipherVersion != 0},
		[]byte(c.dataKey), c.pairs,
	}
}

// nullableName is the name, which may well be empty, of a noun that has one.
func (c *content) nullableName() any {
	if c.noun == serviceNoun {
		return nil
	}
	return c.name
}

func null(text string) sql.NullString { return sql.NullString{String: text, Valid: text != ""} }

func nullTime(micros int64) sql.NullInt64 {
	return sql.NullInt64{Int64: micros, Valid: micros != noTime}
}

// selection is the list of columns that targets takes, from history as h.
// current is the alias of the current row, or empty where rows of history are
// read; light leaves out what is sealed.
func selection(current string, light bool) string {
	text := `h.noun, h.id, h.revision, h.modified, h.modified_by, h.enabled, coalesce(h.name, ''),
		coalesce(h.metadata, ''), h.documentation, coalesce(h.key_names, ''), coalesce(h.tags, ''),
		coalesce(h.last_decrypted, ` + noTimeText + `), coalesce(h.last_rotation, ` + noTimeText + `),
		coalesce(h.account, ''), coalesce(h.credentials, ''), coalesce(h.blind_credentials, ''),
		coalesce(h.cipher_type, ''), coalesce(h.cipher_version, 0), `
	if light {
		text += "'', '', "
	} else {
		text += "coalesce(h.data_key, ''), coalesce(h.credential_pairs, ''), "
	}
	if current == "" {
		return text + "'', " + noTimeText
	}
	return text + "coalesce(" + current + ".stages, ''), coalesce(" + current + ".accessed, " + noTimeText + ")"
}

var noTimeText = strconv.FormatInt(noTime, 10)

// targets are what a row of a selection is scanned into, with further columns
// behind it.
func (c *content) targets(further ...any) []any {
	return append([]any{
		(*string)(&c.noun), &c.id, &c.revision, &c.modified, &c.modifiedBy, &c.enabled, &c.name, &c.metadata,
		&c.documentation, &c.keyNames, &c.tags, &c.lastDecrypted, &c.lastRotation, &c.account, &c.credentials,
		&c.blindCredentials, &c.cipherType, &c.cipherVersion, &c.dataKey, &c.pairs, &c.stages, &c.accessed,
	}, further...)
}

// size is about what the row takes in the file, and what counts against
// store.MaxRowBytes.
func (c *content) size() int {
	return 64 + len(c.id) + len(c.modifiedBy) + len(c.name) + len(c.metadata) + len(c.documentation.String) +
		len(c.keyNames) + len(c.tags) + len(c.account) + len(c.credentials) + len(c.blindCredentials) +
		len(c.cipherType) + len(c.dataKey) + len(c.pairs) + len(c.stages)
}

// seen is when a person last saw the pairs, if they have not changed since; else
// noTime.
func (c *content) seen() int64 {
	if c.lastDecrypted > c.lastRotation {
		return c.lastDecrypted
	}
	return noTime
}

func (c *content) checkSize() error {
	if size := c.size(); size > store.MaxRowBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", store.ErrTooLarge, size, store.MaxRowBytes)
	}
	return nil
}

// same reports equal content as Import means it: what may be amended without
// being content does not count.
func (c *content) same(other *content) bool {
	a, b := *c, *other
	for _, x := range []*content{&a, &b} {
		x.lastDecrypted, x.head, x.light = 0, noHead, false
		if x.noun == credentialNoun {
			x.keyNames = ""
		}
		if x.metadata == "" {
			x.metadata = "{}"
		}
	}
	return a == b
}

// encodeList returns a list as JSON, and an empty one as nothing.
func encodeList(list []string) string {
	if len(list) == 0 {
		return ""
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic("sqlite: a list of texts marshals: " + err.Error())
	}
	return string(text)
}

// decodeList reverses encodeList. Most lists hold nothing that is escaped.
func decodeList(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	if list, ok := splitPlain(text); ok {
		return list, nil
	}
	var list []string
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("a list of texts: %w", err)
	}
	return list, nil
}

// splitPlain splits a compact JSON list of texts that holds no escapes and
// nothing that JSON would have replaced.
func splitPlain(text string) ([]string, bool) {
	inner, ok := strings.CutPrefix(text, `["`)
	if !ok {
		return nil, false
	}
	inner, ok = strings.CutSuffix(inner, `"]`)
	if !ok || strings.ContainsRune(inner, '\\') || !utf8.ValidString(inner) {
		return nil, false
	}
	list := strings.Split(inner, `","`)
	for _, element := range list {
		if strings.Contains(element, `"`) {
			return nil, false
		}
	}
	return list, true
}
