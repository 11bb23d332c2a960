package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"reflect"
	"time"
)

// A Fernet token (https://github.com/fernet/spec) is, in base64url with padding,
//
//	0x80 | seconds since 1970, 8 big-endian | IV, 16 | ciphertext | MAC, 32
//
// The ciphertext is AES-128-CBC with PKCS #7 padding under the second half of
// the key; the MAC is HMAC-SHA256 of all that precedes it under the first half.
// The time says when the token was made; values are kept for ever, so nothing
// hangs on it.
const (
	tokenVersion = 0x80
	ivSize       = aes.BlockSize
	headerSize   = 1 + 8 + ivSize
	minToken     = headerSize + aes.BlockSize + macSize
)

// Keys are 32 bytes. Their text form, which is what is wrapped, is base64url of
// them with padding.
const (
	keySize     = 32
	keyTextSize = 44
)

// base64url is the text form of keys and tokens. Decoding is strict: each has
// one text.
var base64url = base64.URLEncoding.Strict()

// fernetKey is a key ready for use. Setting a cipher and a MAC up costs more
// than opening a short token with them.
type fernetKey struct {
	block cipher.Block
	mac   macKey
}

// parseKey prepares an unwrapped key: the text form, or the bare 32 bytes, as
// other tools have written them.
func parseKey(unwrapped []byte) (*fernetKey, error) {
	var raw [keySize]byte
	defer clear(raw[:])
	switch len(unwrapped) {
	case keySize:
		copy(raw[:], unwrapped)
	case keyTextSize:
		var room [keyTextSize / 4 * 3]byte // a text without padding has more than 32 bytes
		defer clear(room[:])
		if n, err := base64url.Decode(room[:], unwrapped); err != nil || n != keySize {
			return nil, fmt.Errorf("%w: its data key is not the text of 32 bytes", ErrDecrypt)
		}
		copy(raw[:], room[:])
	default:
		return nil, fmt.Errorf("%w: its data key has %d bytes", ErrDecrypt, len(unwrapped))
	}
	return newFernetKey(&raw), nil
}

func newFernetKey(raw *[keySize]byte) *fernetKey {
	block, err := aes.NewCipher(raw[keySize/2:])
	if err != nil {
		panic("envelope: " + err.Error()) // impossible for this size
	}
	return &fernetKey{block: block, mac: newMACKey(raw[:keySize/2])}
}

// wipe overwrites the key. It must not be used any more.
func (k *fernetKey) wipe() {
	k.mac.wipe()
	// The key schedule is out of reach but for reflection.
	if p := reflect.ValueOf(k.block); p.Kind() == reflect.Pointer {
		p.Elem().SetZero()
	}
}

// seal returns the token of the plaintext.
func (k *fernetKey) seal(sc *scratch, plaintext []byte, iv *[ivSize]byte, at time.Time) string {
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	token := make([]byte, headerSize, headerSize+len(plaintext)+padding+macSize)
	token[0] = tokenVersion
	binary.BigEndian.PutUint64(token[1:], uint64(at.Unix()))
	copy(token[1+8:], iv[:])
	token = append(token, plaintext...)
	for range padding {
		token = append(token, byte(padding))
	}
	encryptCBC(k.block, token[headerSize-ivSize:])
	token = append(token, k.mac.sum(sc, token)...)
	return base64url.EncodeToString(token)
}

// open returns what a token holds. The MAC is compared before anything is
// decrypted, so that nothing can be learned from the padding.
func (k *fernetKey) open(sc *scratch, text string) ([]byte, error) {
	token, err := sc.decode(text)
	if err != nil {
		return nil, fmt.Errorf("%w: its token is malformed: %w", ErrDecrypt, err)
	}
	if len(token) < minToken || (len(token)-minToken)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: a token cannot have %d bytes", ErrDecrypt, len(token))
	}
	if token[0] != tokenVersion {
		return nil, fmt.Errorf("%w: token version %#x is unknown", ErrDecrypt, token[0])
	}
	signed, mac := token[:len(token)-macSize], token[len(token)-macSize:]
	if subtle.ConstantTimeCompare(k.mac.sum(sc, signed), mac) != 1 {
		return nil, fmt.Errorf("%w: the data key and the token do not belong together, or one is damaged", ErrDecrypt)
	}
	plaintext := decryptCBC(k.block, signed[headerSize-ivSize:])
	padding := int(plaintext[len(plaintext)-1])
	if padding < 1 || padding > aes.BlockSize {
		return nil, badPadding(plaintext)
	}
	body, tail := plaintext[:len(plaintext)-padding], plaintext[len(plaintext)-padding:]
	for _, b := range tail {
		if int(b) != padding {
			return nil, badPadding(plaintext)
		}
	}
	return body, nil
}

func badPadding(plaintext []byte) error {
	clear(plaintext)
	return fmt.Errorf("%w: its padding is malformed", ErrDecrypt)
}
