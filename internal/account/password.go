package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// Hash is the cost of an Argon2id hash (RFC 9106).
type Hash struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// DefaultHash takes 64 MiB and a good tenth of a second on one core.
var DefaultHash = Hash{Memory: 64 << 10, Passes: 3, Threads: 1}

// Bounds of passwords and of the work for them.
const (
	MinPassword = 12   // characters of a new password
	maxPassword = 1024 // bytes

	saltBytes = 16
	keyBytes  = 32

	// Two hashes at once keep two cores busy and need 128 MiB; a caller behind
	// sixteen waiting ones would time out anyway.
	hashesAtOnce  = 2
	hashesWaiting = 16
)

// passwords hashes and compares passwords, a bounded number at a time, so that
// log-ins can exhaust neither memory nor processors.
type passwords struct {
	cost    Hash
	random  io.Reader
	slots   chan struct{}
	waiting atomic.Int32
}

func newPasswords(cost Hash, random io.Reader) (*passwords, error) {
	if cost == (Hash{}) {
		cost = DefaultHash
	}
	if err := cost.check(); err != nil {
		return nil, err
	}
	return &passwords{cost: cost, random: random, slots: make(chan struct{}, hashesAtOnce)}, nil
}

// check bounds a cost, also of a stored hash: whoever can write a document
// shall not be able to exhaust the machine.
func (h Hash) check() error {
	if h.Memory < 8 || h.Memory > 256<<10 || h.Passes < 1 || h.Passes > 16 || h.Threads < 1 || h.Threads > 16 {
		return errors.New("the cost of a password hash is out of bounds")
	}
	return nil
}

// CheckPassword holds a new password to its length. Invalid: it breaks the rule.
func CheckPassword(password Secret) error {
	switch {
	case utf8.RuneCountInString(string(password)) < MinPassword:
		return fault.Newf(fault.Invalid, "A password has at least %d characters.", MinPassword)
	case len(password) > maxPassword:
		return fault.Newf(fault.Invalid, "A password has at most %d bytes.", maxPassword)
	}
	return nil
}

// hash returns a password's hash as text, in the PHC string format:
// $argon2id$v=19$m=<KiB>,t=<passes>,p=<threads>$<salt>$<key>.
func (p *passwords) hash(ctx context.Context, password Secret) (string, error) {
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(p.random, salt); err != nil {
		return "", fmt.Errorf("making a salt: %w", err)
	}
	key, err := p.derive(ctx, password, parsedHash{cost: p.cost, salt: salt, key: make([]byte, keyBytes)})
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.cost.Memory, p.cost.Passes, p.cost.Threads, b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// matches compares a password with a stored hash. Without one it does the same
// work and reports false, so that an answer's time does not tell which accounts
// exist.
func (p *passwords) matches(ctx context.Context, password Secret, stored string) (bool, error) {
	h := parsedHash{cost: p.cost, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}
	if stored != "" {
		var err error
		if h, err = parseHash(stored); err != nil {
			return false, err
		}
	}
	key, err := p.derive(ctx, password, h)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, h.key) == 1 && stored != "", nil
}

// derive computes a key of h's length and cost when it is its turn.
func (p *passwords) derive(ctx context.Context, password Secret, h parsedHash) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		defer p.waiting.Add(-1)
		if p.waiting.Add(1) > hashesWaiting {
			return nil, &fault.Error{Kind: fault.Unavailable, Message: "Too many log-ins at once.", RetryIn: time.Second}
		}
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-p.slots }()
	return argon2.IDKey([]byte(password), h.salt, h.cost.Passes, h.cost.Memory, h.cost.Threads, uint32(len(h.key))), nil
}

// parsedHash is a hash taken apart.
type parsedHash struct {
	cost Hash
	salt []byte
	key  []byte
}

var errHash = errors.New("the stored password hash is not an Argon2id hash")

func parseHash(text string) (parsedHash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return parsedHash{}, errHash
	}
	h := parsedHash{}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.cost.Memory, &h.cost.Passes, &h.cost.Threads); err != nil {
		return parsedHash{}, errHash
	}
	if err := h.cost.check(); err != nil {
		return parsedHash{}, err
	}
	var saltErr, keyErr error
	h.salt, saltErr = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.key, keyErr = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(h.salt) < 8 || len(h.key) < 16 || len(h.key) > 64 {
		return parsedHash{}, errHash
	}
	return h, nil
}

// VerifyPassword returns the account whose name and password these are. It
// takes the same time whether the name is unknown, the account has no password
// or the password is wrong, and answers all of them Unauthenticated, a disabled
// account too. Unavailable: too many log-ins at once. It reads no store.
func (a *Accounts) VerifyPassword(ctx context.Context, name string, password Secret) (Account, error) {
	wrong := fault.New(fault.Unauthenticated, "Name or password is wrong.")
	if len(password) > maxPassword {
		return Account{}, wrong
	}
	s, err := a.known()
	if err != nil {
		return Account{}, err
	}
	r := s.accounts[fold(name)]
	ok, err := a.passwords.matches(ctx, password, r.hash)
	switch {
	case err != nil:
		return Account{}, fmt.Errorf("comparing a password: %w", err)
	case !ok || !r.Enabled:
		return Account{}, wrong
	default:
		return r.Account, nil
	}
}
