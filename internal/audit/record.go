package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// Record is one line of the log as it is read back.
//
// A log is a sequence of JSON objects, one a line, each ended by "\n":
//
//	{"id":17,"date":"2026-01-02T03:04:05.000006Z","prev":H16,"phase":"done",…,"hash":H17}
//
// The first three members and the last stand exactly so and without blanks.
// "id" counts up by one from 1. "date" is when the record was written, UTC with
// six fraction digits. "prev" is the hash of the record before, 64 zeros for
// the first. "hash" is the SHA-256, in lower-case hexadecimal, of the line's
// bytes without its hash member and line end, that is of
//
//	{"id":17,"date":"2026-01-02T03:04:05.000006Z","prev":H16,"phase":"done",…}
//
// which is what `sed 's/,"hash":"[0-9a-f]*"}$/}/' | tr -d '\n' | sha256sum`
// prints for one line. Between them stand, in this order:
//
//	phase           "done", "attempt" or "failed"
//	action          the policy's action
//	success         boolean
//	user, user_type who acted
//	administrator   boolean
//	client, request_id, door, resource_type, resource_id, resource_name
//	                texts, left out when empty
//	revision        number, left out when 0
//	info            object, left out when empty
//	policies        list of names, left out when empty
//	duration        seconds with six fraction digits, left out when 0
//	of              for "failed": the id of the attempt
//
// A log on a stream has a member "chain" between "prev" and "phase": the id of
// the process that wrote it, for each process begins a chain of its own.
//
// Two more kinds of line stand for entries that were removed on purpose:
//
//	{"checkpoint":16,"date":"…","hash":H16}
//	{"tombstone":17,"date":"…","hash":H17}
//
// A checkpoint is the first line of a log whose beginning up to and with that
// number was removed. A tombstone takes the place of the one entry removed.
// "date" is when that happened and "hash" the hash of the entry removed, so
// that the entry after it still joins on.
type Record struct {
	Kind     Kind
	Number   uint64 // of the entry, or of the entry removed
	Date     time.Time
	Entry           // zero for a checkpoint and a tombstone
	Previous string // hash of the record before; empty for a checkpoint and a tombstone
	Hash     string
	Chain    string // only on a stream
}

// Kind says what a line stands for.
type Kind string

// The kinds of line.
const (
	Recorded   Kind = "entry"
	Checkpoint Kind = "checkpoint"
	Tombstone  Kind = "tombstone"
)

const (
	dateLayout = "2006-01-02T15:04:05.000000Z"
	hashStart  = `,"hash":"`
	hashEnd    = `"}`

	// maxBody bounds what an entry adds to a line, in bytes. Readers rely on
	// maxLine, which is well above it.
	maxBody = 1 << 20
	maxLine = maxBody + 4096
)

// digest is a hash as lines spell it.
type digest [2 * sha256.Size]byte

// genesis is what the first record of a chain names as its predecessor.
func genesis() (d digest) {
	for i := range d {
		d[i] = '0'
	}
	return d
}

// head is the end of a chain: what the next record joins on to.
type head struct {
	number uint64
	hash   digest
}

// appendLine appends the next record of the chain, made of the body that
// appendBody wrote, and moves the head.
func (h *head) appendLine(b, date, chain, body []byte) []byte {
	start := len(b)
	h.number++
	b = append(b, `{"id":`...)
	b = strconv.AppendUint(b, h.number, 10)
	b = append(b, `,"date":"`...)
	b = append(b, date...)
	b = append(b, `","prev":"`...)
	b = append(b, h.hash[:]...)
	b = append(b, '"')
	b = append(b, chain...)
	b = append(b, body...)
	b = append(b, '}')
	sum := sha256.Sum256(b[start:])
	hex.Encode(h.hash[:], sum[:])
	b = append(b[:len(b)-1], hashStart...)
	b = append(b, h.hash[:]...)
	return append(b, hashEnd+"\n"...)
}

// appendBody appends the members of e, each preceded by a comma. An entry whose
// details would make the line unreadably long is recorded without them.
func appendBody(b []byte, e *Entry) []byte {
	start := len(b)
	b = appendMembersOf(b, e)
	if len(b)-start <= maxBody {
		return b
	}
	short := *e
	short.Info = map[string]any{"omitted_bytes": len(b) - start}
	short.Policies = nil
	return appendMembersOf(b[:start], &short)
}

func appendMembersOf(b []byte, e *Entry) []byte {
	b = append(b, `,"phase":`...)
	b = appendText(b, string(e.Phase))
	b = append(b, `,"action":`...)
	b = appendText(b, e.Action)
	b = append(b, `,"success":`...)
	b = strconv.AppendBool(b, e.Success)
	b = append(b, `,"user":`...)
	b = appendText(b, e.User)
	b = append(b, `,"user_type":`...)
	b = appendText(b, e.UserType)
	b = append(b, `,"administrator":`...)
	b = strconv.AppendBool(b, e.Administrator)
	b = appendMember(b, `,"client":`, e.Client)
	b = appendMember(b, `,"request_id":`, e.RequestID)
	b = appendMember(b, `,"door":`, e.Door)
	b = appendMember(b, `,"resource_type":`, e.ResourceType)
	b = appendMember(b, `,"resource_id":`, e.ResourceID)
	b = appendMember(b, `,"resource_name":`, e.ResourceName)
	if e.Revision != 0 {
		b = append(b, `,"revision":`...)
		b = strconv.AppendInt(b, int64(e.Revision), 10)
	}
	if len(e.Info) > 0 {
		b = append(b, `,"info":`...)
		b = appendMembers(b, e.Info)
	}
	if len(e.Policies) > 0 {
		b = append(b, `,"policies":`...)
		b = appendTexts(b, e.Policies)
	}
	if e.Duration > 0 {
		b = append(b, `,"duration":`...)
		b = appendSeconds(b, e.Duration)
	}
	if e.Of != 0 {
		b = append(b, `,"of":`...)
		b = strconv.AppendUint(b, e.Of, 10)
	}
	return b
}

func appendMember(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(append(b, name...), text)
}

// appendSeconds appends d as seconds with six fraction digits.
func appendSeconds(b []byte, d time.Duration) []byte {
	us := d.Microseconds()
	b = strconv.AppendInt(b, us/1e6, 10)
	b = append(b, '.')
	fraction := us % 1e6
	for unit := int64(1e5); unit > 0; unit /= 10 {
		b = append(b, byte('0'+fraction/unit%10))
	}
	return b
}

func appendDate(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, dateLayout)
}
