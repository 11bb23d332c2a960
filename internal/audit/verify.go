package audit

import (
	"bufio"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
)

// VerifyOptions say what Verify checks beyond the chain.
type VerifyOptions struct {
	Key crypto.PublicKey // checks the signatures of segments; nil: they are not looked at
}

// Report is what Verify found.
type Report struct {
	Segments   int
	Entries    uint64
	Tombstones uint64
	Checkpoint uint64 // the last number removed from the beginning; 0: none was
	Remains    int    // segments before that checkpoint, which an interrupted rotation left and the next removes
	First      uint64 // number of the first entry or tombstone; 0: the log is empty
	Last       uint64 // number of the last one; of the last good one, if the log is broken
	Hash       string // of that one; whoever notes it elsewhere can prove the log later

	TornAside int   // how often a crash left an incomplete end that was moved aside
	TornEnd   int64 // bytes of such an end that still stands there: what the next start moves aside

	Signed   int    // closed segments with a good signature, if a key was given
	Unsigned int    // closed segments without one
	SignedTo uint64 // the last record that a signature vouches for

	Index IndexState // whether the index remembers the same end

	Broken *Break // the first place where the log is not what was written; nil: it is whole
}

// IndexState says how the log compares with what its index remembers.
type IndexState string

// The index states. Without an index nothing but the files speaks for how the
// log ends.
const (
	IndexAbsent     IndexState = "absent"
	IndexUnreadable IndexState = "unreadable"
	IndexAgrees     IndexState = "agrees"
	IndexDisagrees  IndexState = "disagrees" // Report.Broken says how
)

// Break is a place where the log is not what was written.
type Break struct {
	Segment string // file name; empty when no file is to blame
	Line    int    // counts from 1; 0 when no line is to blame
	Number  uint64 // the record expected there
	Reason  string
}

// String returns the break as one line for people.
func (b *Break) String() string {
	switch {
	case b.Segment == "":
		return fmt.Sprintf("record %d: %s", b.Number, b.Reason)
	case b.Line == 0:
		return fmt.Sprintf("%s: %s", b.Segment, b.Reason)
	}
	return fmt.Sprintf("%s line %d (record %d): %s", b.Segment, b.Line, b.Number, b.Reason)
}

// Verify checks a log from its first line to its last, as it stands between two
// batches, so that it can run beside a server. A log that is not what was
// written is no error: Report.Broken says where. An error means that the files
// could not be read.
func Verify(ctx context.Context, dir string, o VerifyOptions) (Report, error) {
	if o.Key != nil {
		if _, _, err := scheme(o.Key); err != nil {
			return Report{}, err
		}
	}
	v := verifier{dir: dir, key: o.Key}
	// The index is read before the log: what it knows must then be there.
	var err error
	if v.known, v.r.Index, err = readHeads(ctx, dir); err != nil {
		return Report{}, err
	}
	segments, err := snapshot(dir)
	if err != nil {
		return Report{}, err
	}
	defer closeAll(segments)
	if v.r.TornAside, err = countTorn(dir); err != nil {
		return Report{}, err
	}
	if err := v.run(ctx, segments); err != nil {
		return Report{}, err
	}
	v.r.Last, v.r.Hash = v.chain.head.number, string(v.chain.head.hash[:])
	return v.r, nil
}

// verifier is a verification under way.
type verifier struct {
	dir   string
	key   crypto.PublicKey
	known []head // what the index remembers
	r     Report
	chain chain
}

func (v *verifier) run(ctx context.Context, segments []opened) error {
	v.r.Remains = beginning(segments)
	segments = segments[v.r.Remains:]
	v.r.Segments = len(segments)
	v.chain.head = head{hash: genesis()}
	for i, s := range segments {
		if i > 0 && s.ordinal == segments[i-1].ordinal {
			v.r.Broken = &Break{Segment: s.name(), Reason: "another segment has the same place"}
			return nil
		}
		closed := i < len(segments)-1
		if err := v.segment(ctx, s, closed); err != nil || v.r.Broken != nil {
			return err
		}
		if closed && v.key != nil && !v.signature(s) {
			return nil
		}
	}
	v.compare()
	return nil
}

// segment checks the lines of one segment.
func (v *verifier) segment(ctx context.Context, s opened, closed bool) error {
	lines := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, s.size), maxLine)
	for n := 1; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		at := Break{Segment: s.name(), Line: n, Number: v.chain.head.number + 1}
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil
		case errors.Is(err, io.EOF) && !closed:
			v.r.TornEnd = int64(len(line))
			return nil
		case errors.Is(err, io.EOF):
			v.broken(at, "the line is incomplete")
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			v.broken(at, "the line is too long for a record")
			return nil
		case err != nil:
			return fmt.Errorf("read %s: %w", s.name(), err)
		}
		if err := v.line(line[:len(line)-1]); err != nil {
			v.broken(at, err.Error())
			return nil
		}
	}
}

func (v *verifier) broken(at Break, reason string) {
	at.Reason = reason
	v.r.Broken = &at
}

// line checks one line. Its error is a reason for Break.
func (v *verifier) line(line []byte) error {
	if v.r.First == 0 && v.r.Checkpoint == 0 {
		if f, err := parseFrame(line); err == nil && f.kind == Checkpoint {
			v.r.Checkpoint, v.chain.head = f.number, f.head()
			return v.recognise(f)
		}
	}
	f, err := v.chain.step(line)
	if err != nil {
		return err
	}
	if v.r.First == 0 {
		v.r.First = f.number
	}
	if f.kind == Tombstone {
		v.r.Tombstones++
	} else {
		v.r.Entries++
	}
	return v.recognise(f)
}

// recognise compares a record with what the index remembers of it.
func (v *verifier) recognise(f frame) error {
	for _, h := range v.known {
		if h.number == f.number && h.hash != f.hash {
			v.r.Index = IndexDisagrees
			return errors.New("the index remembers another record of this number: the log was written anew from here or before")
		}
	}
	return nil
}

// compare looks for heads that the index remembers and the log did not reach.
func (v *verifier) compare() {
	last := v.chain.head.number
	for _, h := range v.known {
		if h.number > last {
			v.r.Index = IndexDisagrees
			v.r.Broken = &Break{
				Number: last + 1,
				Reason: fmt.Sprintf("the index remembers record %d, the log ends with %d: its end was cut off", h.number, last),
			}
		}
	}
}

// signature checks a closed segment's signature and reports whether to go on.
// One may be missing as long as none came before: signing was not yet switched
// on.
func (v *verifier) signature(s opened) bool {
	switch err := checkSignature(v.dir, s.segment, v.chain.head, v.key); {
	case err == nil:
		v.r.Signed++
		v.r.SignedTo = v.chain.head.number
	case !errors.Is(err, errUnsigned):
		v.r.Broken = &Break{Segment: s.name() + signatureSuffix, Reason: err.Error()}
	case v.r.Signed > 0:
		v.r.Broken = &Break{Segment: s.name(), Reason: "the segment has no signature, those before it have"}
	default:
		v.r.Unsigned++
	}
	return v.r.Broken == nil
}
