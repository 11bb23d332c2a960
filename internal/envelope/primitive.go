package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"errors"
	"hash"
	"slices"
)

// Opening a token with crypto/cipher's CBC and crypto/hmac allocates a kilobyte
// each time, half of it another copy of the key schedule that nobody can
// overwrite. The few lines here are the same constructions over keys that were
// set up once; tests hold them to the standard library's.

// encryptCBC encrypts in place what follows the IV in chain, whole blocks.
func encryptCBC(block cipher.Block, chain []byte) {
	for i := aes.BlockSize; i < len(chain); i += aes.BlockSize {
		b := chain[i : i+aes.BlockSize]
		subtle.XORBytes(b, b, chain[i-aes.BlockSize:])
		block.Encrypt(b, b)
	}
}

// decryptCBC decrypts what follows the IV in chain, whole blocks, into a slice
// of its own.
func decryptCBC(block cipher.Block, chain []byte) []byte {
	ciphertext := chain[aes.BlockSize:]
	out := make([]byte, len(ciphertext))
	for i := 0; i < len(out); i += aes.BlockSize {
		block.Decrypt(out[i:i+aes.BlockSize], ciphertext[i:i+aes.BlockSize])
	}
	// Each block was chained to the ciphertext before it, the first to the IV.
	subtle.XORBytes(out, out, chain)
	return out
}

const macSize = sha256.Size

// macKey is an HMAC-SHA256 key as the two hash states after its padded block,
// which FIPS 198-1 (section 6) allows to keep in place of the key, and as
// secret.
type macKey struct{ inner, outer []byte }

func newMACKey(key []byte) macKey {
	return macKey{inner: padState(key, 0x36), outer: padState(key, 0x5c)}
}

func padState(key []byte, pad byte) []byte {
	var block [sha256.BlockSize]byte
	defer clear(block[:])
	copy(block[:], key)
	for i := range block {
		block[i] ^= pad
	}
	h := sha256.New()
	h.Write(block[:])
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic("envelope: " + err.Error()) // a hash can always be saved
	}
	h.Reset()
	return state
}

// sum returns the MAC of data, valid until the scratch is used again.
func (k *macKey) sum(sc *scratch, data []byte) []byte {
	sc.resume(k.inner)
	sc.hash.Write(data)
	digest := sc.hash.Sum(sc.mac[:0])
	sc.resume(k.outer)
	sc.hash.Write(digest)
	digest = sc.hash.Sum(digest[:0])
	sc.hash.Reset() // it is derived from the key
	return digest
}

func (k *macKey) wipe() {
	clear(k.inner)
	clear(k.outer)
}

// scratch is working memory that is used again. It holds nothing secret between
// uses.
type scratch struct {
	hash interface {
		hash.Hash
		encoding.BinaryUnmarshaler
	}
	mac   [macSize]byte
	token []byte
}

func newScratch() *scratch {
	sc := &scratch{}
	sc.hash = sha256.New().(interface {
		hash.Hash
		encoding.BinaryUnmarshaler
	})
	return sc
}

func (sc *scratch) resume(state []byte) {
	if err := sc.hash.UnmarshalBinary(state); err != nil {
		panic("envelope: " + err.Error()) // it was saved by this very hash
	}
}

// maxScratch bounds what a scratch keeps: rows are rarely larger, and a few
// large ones shall not stay in memory.
const maxScratch = 64 << 10

var errNotCanonical = errors.New("not the canonical base64url text")

// decode returns the bytes of a token, valid until the scratch is used again.
func (sc *scratch) decode(text string) ([]byte, error) {
	room := base64url.DecodedLen(len(text))
	buf := sc.token
	if cap(buf) < room {
		buf = slices.Grow(buf[:0], room)
		if cap(buf) <= maxScratch {
			sc.token = buf
		}
	}
	buf = buf[:room]
	n, err := base64url.Decode(buf, []byte(text))
	if err != nil {
		return nil, err
	}
	// The decoder skips line ends, which would give one token many texts.
	if base64url.EncodedLen(n) != len(text) {
		return nil, errNotCanonical
	}
	return buf[:n], nil
}
