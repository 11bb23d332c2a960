package authn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// AdmissionOptions say whose e-mail addresses are admitted.
type AdmissionOptions struct {
	Suffix    string // required end of an address; empty: none
	UsersFile string // file of addresses; empty: none
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now
}

// Admission decides which people may come in of those whom an identity provider
// vouches for: by the end of their e-mail address, by a file of addresses, or by
// both. Capitals make no difference. It is asked on every request, so that a
// change of the file counts at once, and is safe for concurrent use.
//
// The file is YAML: a list of addresses, or a mapping whose keys are addresses.
// An empty one admits nobody, and so does one that cannot be read or understood,
// until it can be again.
type Admission struct {
	suffix string
	path   string
	log    *slog.Logger
	now    func() time.Time

	users atomic.Pointer[users]
	mu    sync.Mutex // held while the file is read
}

// users is the file as it was read.
type users struct {
	stamp  os.FileInfo // nil: the file could not be opened
	text   []byte
	listed map[string]struct{} // lower case
	err    error               // why nobody is admitted
	// unsettled says that the file was so young when it was read that another
	// change may leave the same time behind.
	unsettled bool
}

// settles is the age at which a further change of a file is sure to get another
// modification time. The coarsest clock of a file system ticks in two seconds.
const settles = 2 * time.Second

var (
	errWrongSuffix = errors.New("the e-mail address does not end as USER_EMAIL_SUFFIX wants")
	errNotListed   = errors.New("the e-mail address is not in USERS_FILE")
)

// NewAdmission reads the users file, if there is one. It must be readable now.
func NewAdmission(o AdmissionOptions) (*Admission, error) {
	if o.Log == nil {
		return nil, errors.New("admission needs a log")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &Admission{suffix: strings.ToLower(o.Suffix), path: o.UsersFile, log: o.Log, now: o.Now}
	return a, a.Reload()
}

// Restricted reports whether anything is asked of an address. Otherwise everybody
// is admitted.
func (a *Admission) Restricted() bool { return a.suffix != "" || a.path != "" }

// Admit returns nil or Denied. Its public words are the same whatever is wrong
// with the address.
func (a *Admission) Admit(email string) error {
	email = strings.ToLower(email)
	if !strings.HasSuffix(email, a.suffix) {
		return denied(errWrongSuffix)
	}
	if a.path == "" {
		return nil
	}
	u := a.current()
	if u.err != nil {
		return denied(u.err)
	}
	if _, ok := u.listed[email]; !ok {
		return denied(errNotListed)
	}
	return nil
}

func denied(cause error) error {
	return fault.Wrap(fault.Denied, "This account is not admitted here.", cause)
}

// Reload reads the users file again, whether it seems to have changed or not. An
// error has not been logged.
func (a *Admission) Reload() error {
	if a.path == "" {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.read(nil)
	a.users.Store(u)
	return u.err
}

// current returns what the file holds now.
func (a *Admission) current() *users {
	u := a.users.Load()
	if a.fresh(u) {
		return u
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.users.Load()
	if before != u && a.fresh(before) {
		return before // another request has read it meanwhile
	}
	u = a.read(before)
	a.users.Store(u)
	switch {
	case u.err != nil && before.err == nil:
		a.log.Error("the users file is unusable; nobody is admitted until it is in order", "file", a.path, "error", u.err)
	case u.err == nil && before.err != nil:
		a.log.Info("the users file is in order again", "file", a.path, "users", len(u.listed))
	}
	return u
}

// fresh reports whether the file is still as it was read.
func (a *Admission) fresh(u *users) bool {
	if u.stamp == nil || u.unsettled {
		return false
	}
	now, err := os.Stat(a.path)
	return err == nil && os.SameFile(u.stamp, now) && u.stamp.Size() == now.Size() && u.stamp.ModTime().Equal(now.ModTime())
}

// read reads the file. What its text means is taken from before, if that has the
// same text.
func (a *Admission) read(before *users) *users {
	file, err := os.Open(a.path)
	if err != nil {
		return &users{err: fmt.Errorf("opening the users file: %w", err)}
	}
	defer file.Close()
	// The stamp is older than the text, so that a change in between shows.
	stamp, err := file.Stat()
	if err != nil {
		return &users{err: fmt.Errorf("looking at the users file: %w", err)}
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return &users{err: fmt.Errorf("reading the users file: %w", err)}
	}
	u := &users{stamp: stamp, text: text, unsettled: a.now().Sub(stamp.ModTime()) < settles}
	if before != nil && before.stamp != nil && bytes.Equal(before.text, text) {
		u.listed, u.err = before.listed, before.err
	} else if u.listed, err = parseUsers(text); err != nil {
		u.err = fmt.Errorf("understanding the users file: %w", err)
	}
	return u
}

// parseUsers returns the addresses of a users file in lower case.
func parseUsers(text []byte) (map[string]struct{}, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one document")
	}
	entries, step := document.Content[0], 1
	switch {
	case entries.Kind == yaml.MappingNode:
		step = 2 // keys and values take turns
	case entries.Kind == yaml.SequenceNode, entries.Tag == "!!null":
	default:
		return nil, errors.New("it is neither a list of e-mail addresses nor a mapping from them")
	}
	listed := make(map[string]struct{}, len(entries.Content)/step)
	for i := 0; i < len(entries.Content); i += step {
		entry := entries.Content[i]
		if entry.Kind != yaml.ScalarNode || entry.Tag != "!!str" || entry.Value == "" {
			return nil, fmt.Errorf("line %d: this is no e-mail address", entry.Line)
		}
		listed[strings.ToLower(entry.Value)] = struct{}{}
	}
	return listed, nil
}
