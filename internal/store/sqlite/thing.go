package sqlite

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// thing is a row of table current.
type thing struct {
	number   int64
	noun     noun
	revision int
	content  int64 // number of its row of history
	digest   int64 // of its content, see content.digest
	head

	details *details // read where they are asked for
}

// details are what else has to be written, or taken away, when the content of a
// thing changes in what its digest is of.
type details struct {
	author, folded, sought        string
	enabled                       bool
	claim                         []byte
	name, keyNames, tags          string
	credentials, blindCredentials string
}

// thing reads a current row; nil: there is none.
func (t *transaction) thing(sp *space, id string) (*thing, error) {
	digest := "0"
	if sp.main {
		digest = "digest"
	}
	x := &thing{}
	found, err := t.row("SELECT number, noun, revision, content, "+digest+", coalesce(stages, ''), coalesce(accessed, "+noTimeText+") FROM "+
		sp.current+" WHERE id = ?", []any{id}, &x.number, (*string)(&x.noun), &x.revision, &x.content, &x.digest, &x.stages, &x.accessed)
	if err != nil || !found {
		return nil, err
	}
	return x, nil
}

// detailsOf reads the details of a thing; of none, or in the archive, they are
// empty.
func (t *transaction) detailsOf(sp *space, x *thing) (*details, error) {
	if x == nil || !sp.main {
		return &details{}, nil
	}
	if x.details == nil {
		d := &details{}
		_, err := t.row(`SELECT c.author, c.folded, c.sought, c.enabled, c.claim, coalesce(h.name, ''), coalesce(h.key_names, ''),
				coalesce(h.tags, ''), coalesce(h.credentials, ''), coalesce(h.blind_credentials, '')
			FROM current c CROSS JOIN history h ON h.number = c.content WHERE c.number = ?`, []any{x.number},
			&d.author, &d.folded, &d.sought, &d.enabled, &d.claim, &d.name, &d.keyNames, &d.tags, &d.credentials, &d.blindCredentials)
		if err != nil {
			return nil, err
		}
		x.details = d
	}
	return x.details, nil
}

// digest is of everything that searches, claims and mappings depend on. Most
// updates change only sealed values; an equal digest tells, from one number in
// the current row, that there is nothing else to read or to write.
func (c *content) digest() int64 {
	var text []byte
	for _, part := range []string{c.modifiedBy, c.name, c.keyNames, c.tags, c.credentials, c.blindCredentials} {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(strconv.AppendBool(text, c.enabled))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// keeps reports whether the content of a thing changes in nothing that its digest
// is of.
func (x *thing) keeps(sp *space, c *content) bool {
	return x != nil && (!sp.main || x.digest == c.digest())
}

// columnValue is a column of table current and its new value.
type columnValue struct {
	name  string
	value any
}

// place makes a row of history the content of a current row, which is new if
// old is nil, and writes what follows from that: what searches use, and the
// mapping. The claim is the caller's to decide. before is the content that is
// replaced, if it is known.
func (t *transaction) place(sp *space, old *thing, before, c *content, number int64, claim []byte) error {
	values := []columnValue{{"revision", c.revision}, {"content", number}}
	set := func(changed bool, name string, value any) {
		if changed {
			values = append(values, columnValue{name, value})
		}
	}
	set(before == nil || before.modified != c.modified, "modified", c.modified)
	set(old == nil || old.stages != c.stages, "stages", null(c.stages))
	set(old == nil || old.accessed != c.accessed, "accessed", nullTime(c.accessed))
	if sp.main {
		set(before == nil || before.lastRotation != c.lastRotation, "rotated", c.lastRotation)
		set(before == nil || before.seen() != c.seen(), "seen", nullTime(c.seen()))
	}
	if !sp.main || old.keeps(sp, c) {
		_, err := t.putCurrent(sp, old, c, values)
		return err
	}
	was, err := t.detailsOf(sp, old)
	if err != nil {
		return err
	}
	folded := fold(c.title())
	sought := c.sought(folded)
	set(true, "digest", c.digest())
	set(old == nil || was.author != c.modifiedBy, "author", c.modifiedBy)
	set(old == nil || was.enabled != c.enabled, "enabled", c.enabled)
	set(old == nil || was.folded != folded, "folded", folded)
	set(old == nil || was.sought != sought, "sought", sought)
	set(old == nil || !bytes.Equal(was.claim, claim), "claim", claim)
	if old == nil { // a service may have been there first
		mapped, err := t.exists("SELECT 1 FROM mapping WHERE credential = ?", c.id)
		if err != nil {
			return err
		}
		set(mapped, "mapped", true)
	}
	thingNumber, err := t.putCurrent(sp, old, c, values)
	if err != nil {
		return err
	}
	if err := t.indexText(old, was, thingNumber, sought); err != nil {
		return err
	}
	if err := t.indexLabels(was, c, thingNumber); err != nil {
		return err
	}
	return t.remap(was, c)
}

// putCurrent inserts or updates a current row. An index whose columns are not
// named is not touched.
func (t *transaction) putCurrent(sp *space, old *thing, c *content, values []columnValue) (number int64, err error) {
	var names []string
	var args []any
	for _, v := range values {
		names, args = append(names, v.name), append(args, v.value)
	}
	if old != nil {
		return old.number, t.exec("UPDATE "+sp.current+" SET "+strings.Join(names, " = ?, ")+" = ? WHERE number = ?", append(args, old.number)...)
	}
	result, err := t.run("INSERT INTO "+sp.current+" (noun, id, "+strings.Join(names, ", ")+") VALUES (?, ?"+strings.Repeat(", ?", len(names))+")",
		append([]any{string(c.noun), c.id}, args...)...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// remove takes a current row away with what follows from it.
func (t *transaction) remove(sp *space, old *thing, id string) error {
	was, err := t.detailsOf(sp, old)
	if err != nil {
		return err
	}
	if err := t.exec("DELETE FROM "+sp.current+" WHERE number = ?", old.number); err != nil || !sp.main {
		return err
	}
	if err := t.forgetText(old.number, was.sought); err != nil {
		return err
	}
	nothing := &content{noun: old.noun, id: id}
	if err := t.indexLabels(was, nothing, old.number); err != nil {
		return err
	}
	if old.noun == serviceNoun {
		return t.remap(was, nothing)
	}
	return t.forgetMapping(id)
}

// takenKey says that a key belongs to something else.
func takenKey(key, holder string, n noun) error {
	return &store.TakenError{Key: key, Holder: holder, Noun: n.name()}
}

// takenName says that another id claims a name.
func takenName(name, holder string, n noun) error {
	return &store.TakenError{Key: name, Claim: true, Holder: holder, Noun: n.name()}
}

func staleRow(id string) error { return &store.StaleError{Own: true, What: id} }

// keyOfHistory reports who holds a key as a key of history; an empty holder:
// nobody.
func (t *transaction) keyOfHistory(sp *space, key string) (holder string, n noun, err error) {
	base, number, ok := revision.Split(key)
	if !ok {
		return "", "", nil
	}
	found, err := t.row("SELECT noun FROM "+sp.history+" WHERE id = ? AND revision = ?", []any{base, number}, (*string)(&n))
	if err != nil || !found {
		return "", "", err
	}
	return base, n, nil
}

// addHistory inserts a row unless its key is taken; number 0: it is.
func (t *transaction) addHistory(sp *space, c *content) (number int64, err error) {
	result, err := t.run(sp.insert, append(c.args(), revision.Key(c.id, c.revision))...)
	if err != nil {
		return 0, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return 0, err
	}
	return result.LastInsertId()
}

// nameClaim returns the claim that a row takes with its name, nil where names
// are not claimed, and who holds it now.
func (t *transaction) nameClaim(sp *space, c *content) (claim []byte, holder string, err error) {
	if !sp.main || c.noun.claims() == "" {
		return nil, "", nil
	}
	sum := sha256.Sum256([]byte(c.name))
	_, err = t.row("SELECT id FROM current WHERE noun = ? AND claim = ?", []any{string(c.noun), sum[:]}, &holder)
	return sum[:], holder, err
}

// remap brings the mappings of a service to what its new content says.
func (t *transaction) remap(was *details, c *content) error {
	added, removed, err := mappingChanges(was, c)
	if err != nil {
		return err
	}
	for _, id := range added {
		if err := t.setMapping(id, c.id, true); err != nil {
			return err
		}
	}
	for _, id := range removed {
		if err := t.setMapping(id, c.id, false); err != nil {
			return err
		}
	}
	return nil
}

// mappingChanges compares what a service maps before and after.
func mappingChanges(was *details, c *content) (added, removed []string, err error) {
	if c.noun != serviceNoun || was.credentials == c.credentials && was.blindCredentials == c.blindCredentials {
		return nil, nil, nil
	}
	after, err := mappedIDs(c.credentials, c.blindCredentials)
	if err != nil {
		return nil, nil, c.about(err)
	}
	before, err := mappedIDs(was.credentials, was.blindCredentials)
	if err != nil {
		return nil, nil, c.about(err)
	}
	return minus(after, before), minus(before, after), nil
}

// mappedIDs returns the ids of both lists, sorted, each once.
func mappedIDs(credentials, blinds string) ([]string, error) {
	ids, err := decodeList(credentials)
	if err != nil {
		return nil, err
	}
	more, err := decodeList(blinds)
	if err != nil {
		return nil, err
	}
	ids = append(ids, more...)
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// minus returns what of the sorted a is not in the sorted b.
func minus(a, b []string) []string {
	var out []string
	for _, id := range a {
		if _, found := slices.BinarySearch(b, id); !found {
			out = append(out, id)
		}
	}
	return out
}

// checkLimits holds a write against the limits that every store has.
func checkLimits(guards, mappings int) error {
	if mappings > store.MaxMappingChanges {
		return fmt.Errorf("%w: %d mapping changes, at most %d", store.ErrTooLarge, mappings, store.MaxMappingChanges)
	}
	if guards > 0 && guards+mappings > store.MaxGuards {
		return fmt.Errorf("%w: %d guards and %d mapping changes, together at most %d", store.ErrTooLarge, guards, mappings, store.MaxGuards)
	}
	return nil
}
