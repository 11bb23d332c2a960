// Package audit keeps the record of who did what. Nothing that carries a
// plaintext leaves, and nothing is changed, without a record.
//
// It takes entries, chains them by their hashes and writes them down; it proves,
// searches and writes out what was written. It knows no noun, no store and no
// transport: an entry is made of texts, and what they mean is the business of
// the use case that appends it.
package audit

import (
	"context"
	"errors"
	"time"
)

// Phase says which moment of an act a record stands for.
type Phase string

// The phases. A read is one Done record. A change is an Attempt before it and,
// if it did not happen, a Failed record that names the attempt.
const (
	Done    Phase = "done"
	Attempt Phase = "attempt"
	Failed  Phase = "failed"
)

// Entry is what a use case says about one act. The log adds number, time and
// hashes. It holds ids and names, never a value of a credential.
type Entry struct {
	Phase         Phase
	Action        string // the policy's action
	Success       bool   // false for a refusal and for Failed
	User          string
	UserType      string
	Administrator bool
	Client        string // address; empty for commands
	RequestID     string
	Door          string
	ResourceType  string
	ResourceID    string
	ResourceName  string
	Revision      int
	Info          map[string]any // ids and words beyond the above, likewise never a value; nil for none
	Policies      []string       // that decided
	Duration      time.Duration  // 0 where it is not known
	Of            uint64         // for Failed: the number of the attempt
}

// ErrUnavailable says that no record could be made: the disk is full, the file
// is gone, the log is broken. The act must not go on.
var ErrUnavailable = errors.New("the audit log does not take records")

// Receipt stands for an appended record.
type Receipt interface {
	// Number is the record's number in its chain.
	Number() uint64
	// Wait returns when the record is on the disk, or the reason why it is not.
	Wait(ctx context.Context) error
}

// Log takes records. It is safe for concurrent use.
type Log interface {
	// Append returns when the record has been handed to the operating system,
	// so that a killed process loses none; where every record must be on the
	// disk first (AUDIT_SYNC=always) it returns when it is. An error is or
	// wraps ErrUnavailable.
	Append(ctx context.Context, e Entry) (Receipt, error)
}
