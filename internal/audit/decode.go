package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrLine reports a line of a log that is no record.
var ErrLine = errors.New("not an audit record")

// frame is what the chain needs of a line: the members whose place is fixed.
type frame struct {
	kind   Kind
	number uint64
	date   []byte // as it stands
	prev   digest // of an entry
	hash   digest
	body   []byte // of an entry: from the comma after "prev" up to ,"hash"
}

// head is the end of the chain once this record is its last.
func (f *frame) head() head { return head{f.number, f.hash} }

// parseFrame reads a line without its line end. It looks at nothing between
// the fixed members.
func parseFrame(line []byte) (frame, error) {
	var f frame
	rest, ok := line, false
	if rest, ok = bytes.CutPrefix(line, []byte(`{"id":`)); ok {
		f.kind = Recorded
	} else if rest, ok = bytes.CutPrefix(line, []byte(`{"checkpoint":`)); ok {
		f.kind = Checkpoint
	} else if rest, ok = bytes.CutPrefix(line, []byte(`{"tombstone":`)); ok {
		f.kind = Tombstone
	} else {
		return f, ErrLine
	}
	if f.number, rest, ok = cutNumber(rest); !ok {
		return f, ErrLine
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"date":"`)); !ok || len(rest) < len(dateLayout) {
		return f, ErrLine
	}
	f.date, rest = rest[:len(dateLayout)], rest[len(dateLayout):]
	if f.kind == Recorded {
		if rest, ok = bytes.CutPrefix(rest, []byte(`","prev":"`)); !ok || !readDigest(&f.prev, rest) {
			return f, ErrLine
		}
		rest = rest[len(f.prev):]
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`"`)); !ok {
		return f, ErrLine
	}
	tail := len(rest) - len(hashStart) - len(f.hash) - len(hashEnd)
	if tail < 0 || !bytes.HasPrefix(rest[tail:], []byte(hashStart)) || !bytes.HasSuffix(rest, []byte(hashEnd)) ||
		!readDigest(&f.hash, rest[tail+len(hashStart):]) {
		return f, ErrLine
	}
	f.body = rest[:tail]
	if f.kind != Recorded && len(f.body) > 0 {
		return f, ErrLine
	}
	return f, nil
}

// cutNumber reads a positive decimal number as appendLine writes it.
func cutNumber(b []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	if i == 0 || i > 20 || b[0] == '0' {
		return 0, b, false
	}
	n, err := strconv.ParseUint(string(b[:i]), 10, 64)
	return n, b[i:], err == nil
}

func readDigest(d *digest, b []byte) bool {
	if len(b) < len(d) {
		return false
	}
	for i, c := range b[:len(d)] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		d[i] = c
	}
	return true
}

// sum is the hash that an entry's line should name. scratch is reused.
func (f *frame) sum(line []byte, scratch *[]byte) digest {
	b := append((*scratch)[:0], line[:len(line)-len(hashStart)-len(f.hash)-len(hashEnd)]...)
	b = append(b, '}')
	*scratch = b
	s := sha256.Sum256(b)
	var d digest
	hex.Encode(d[:], s[:])
	return d
}

// wire is an entry's line for encoding/json.
type wire struct {
	Chain         string         `json:"chain"`
	Phase         Phase          `json:"phase"`
	Action        string         `json:"action"`
	Success       bool           `json:"success"`
	User          string         `json:"user"`
	UserType      string         `json:"user_type"`
	Administrator bool           `json:"administrator"`
	Client        string         `json:"client"`
	RequestID     string         `json:"request_id"`
	Door          string         `json:"door"`
	ResourceType  string         `json:"resource_type"`
	ResourceID    string         `json:"resource_id"`
	ResourceName  string         `json:"resource_name"`
	Revision      int            `json:"revision"`
	Info          map[string]any `json:"info"`
	Policies      []string       `json:"policies"`
	Duration      json.Number    `json:"duration"`
	Of            uint64         `json:"of"`
}

// decode reads the rest of a line without its line end. It does not check the
// hash. An error is or wraps ErrLine. Numbers within Info are json.Number.
func (f *frame) decode(line []byte) (Record, error) {
	date, err := time.Parse(dateLayout, string(f.date))
	if err != nil {
		return Record{}, fmt.Errorf("%w: date %q", ErrLine, f.date)
	}
	r := Record{Kind: f.kind, Number: f.number, Date: date, Hash: string(f.hash[:])}
	if f.kind != Recorded {
		return r, nil
	}
	var w wire
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&w); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrLine, err)
	}
	if d.InputOffset() != int64(len(line)) {
		return Record{}, fmt.Errorf("%w: something stands behind it", ErrLine)
	}
	duration, err := parseSeconds(string(w.Duration))
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrLine, err)
	}
	r.Previous, r.Chain = string(f.prev[:]), w.Chain
	r.Entry = Entry{
		Phase: w.Phase, Action: w.Action, Success: w.Success,
		User: w.User, UserType: w.UserType, Administrator: w.Administrator,
		Client: w.Client, RequestID: w.RequestID, Door: w.Door,
		ResourceType: w.ResourceType, ResourceID: w.ResourceID, ResourceName: w.ResourceName,
		Revision: w.Revision, Info: w.Info, Policies: w.Policies, Duration: duration, Of: w.Of,
	}
	return r, nil
}

func parseSeconds(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s + "s")
	if err != nil {
		return 0, fmt.Errorf("duration %q", s)
	}
	return d, nil
}
