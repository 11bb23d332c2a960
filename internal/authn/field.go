package authn

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// fieldLifetime is how long a sealed form field can be sent back.
const fieldLifetime = 15 * time.Minute

// ErrFieldEnded says that a sealed form field comes too late, from another
// session, or was not made here.
var ErrFieldEnded = fault.New(fault.Invalid, "What was kept from this form is no longer readable: it is kept for 15 minutes and for one session. Type it again.")

// Fields seals what somebody typed into a form, so that the page of a second
// step can carry it without showing it. A sealed field is
//
//	base64url( version (1 byte) ‖ nonce (24 bytes) ‖ XChaCha20-Poly1305 of end ‖ text )
//
// where end is the second of Unix time at which it ends, 8 bytes, big-endian.
// Session and purpose are associated data: only the session that typed a value
// can send it back, and only into a field for the same purpose.
type Fields struct {
	keys    []cipher.AEAD // the first seals, all open
	session string
	random  io.Reader
	now     func() time.Time
}

// Fields returns what seals for a session; nil is for callers who bring a proof
// with each request, or need none.
func (s *Sessions) Fields(session *Session) Fields {
	f := Fields{keys: s.fieldKeys, random: s.Random, now: s.Now}
	if session != nil {
		f.session = session.csrf
	}
	return f
}

// newFieldKeys derives the keys of form fields. Without a secret the key is
// drawn for this process: fields then end with it.
func newFieldKeys(secrets [][]byte, random io.Reader) ([]cipher.AEAD, error) {
	if len(secrets) == 0 {
		secret := make([]byte, 32)
		if _, err := io.ReadFull(random, secret); err != nil {
			return nil, fmt.Errorf("drawing the key of form fields: %w", err)
		}
		secrets = [][]byte{secret}
	}
	var keys []cipher.AEAD
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, "confidant form field v1", chacha20poly1305.KeySize)
		if err != nil {
			return nil, fmt.Errorf("deriving the key of form fields: %w", err)
		}
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			return nil, fmt.Errorf("preparing the key of form fields: %w", err)
		}
		keys = append(keys, aead)
	}
	return keys, nil
}

func (f Fields) associated(purpose string) []byte { return []byte(f.session + "\x00" + purpose) }

// Seal returns text sealed for one purpose.
func (f Fields) Seal(purpose, text string) (string, error) {
	const head = 1 + chacha20poly1305.NonceSizeX
	sealed := make([]byte, head, head+8+len(text)+chacha20poly1305.Overhead)
	sealed[0] = sealVersion
	nonce := sealed[1:]
	if _, err := io.ReadFull(f.random, nonce); err != nil {
		return "", fmt.Errorf("drawing a nonce: %w", err)
	}
	body := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(text)), uint64(f.now().Add(fieldLifetime).Unix()))
	body = append(body, text...)
	return base64.RawURLEncoding.EncodeToString(f.keys[0].Seal(sealed, nonce, body, f.associated(purpose))), nil
}

// Open returns the text of a field that was sealed for the purpose, or
// ErrFieldEnded.
func (f Fields) Open(purpose, field string) (string, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(field)
	if err != nil || len(sealed) < 1+chacha20poly1305.NonceSizeX || sealed[0] != sealVersion {
		return "", ErrFieldEnded
	}
	nonce, box := sealed[1:1+chacha20poly1305.NonceSizeX], sealed[1+chacha20poly1305.NonceSizeX:]
	for _, key := range f.keys {
		body, err := key.Open(nil, nonce, box, f.associated(purpose))
		if err != nil {
			continue
		}
		if len(body) < 8 || f.now().Unix() >= int64(binary.BigEndian.Uint64(body)) {
			return "", ErrFieldEnded
		}
		return string(body[8:]), nil
	}
	return "", ErrFieldEnded
}
