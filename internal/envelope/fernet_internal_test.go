package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The vector published with the Fernet specification.
const (
	publishedKey   = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	publishedToken = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="
	publishedText  = "hello"
)

var (
	publishedIV   = [ivSize]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	publishedTime = time.Date(1985, 10, 26, 8, 20, 0, 0, time.UTC)
)

func publishedFernetKey(t testing.TB) *fernetKey {
	t.Helper()
	key, err := parseKey([]byte(publishedKey))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestFernet_PublishedVector(t *testing.T) {
	t.Parallel()
	key, sc := publishedFernetKey(t), newScratch()
	if got := key.seal(sc, []byte(publishedText), &publishedIV, publishedTime); got != publishedToken {
		t.Errorf("seal = %s, want %s", got, publishedToken)
	}
	if got, err := key.open(sc, publishedToken); err != nil || string(got) != publishedText {
		t.Errorf("open = %q, %v; want %q", got, err, publishedText)
	}
}

// forge signs whatever it is given, so that what comes after the MAC is
// reached.
func forge(t *testing.T, key *fernetKey, version byte, chain []byte) string {
	t.Helper()
	token := append(binary.BigEndian.AppendUint64([]byte{version}, 1), chain...)
	return base64url.EncodeToString(append(token, key.mac.sum(newScratch(), token)...))
}

func TestFernet_RefusesSignedTokensThatBreakTheForm(t *testing.T) {
	t.Parallel()
	key := publishedFernetKey(t)
	chain := func(blocks ...string) []byte { // encrypted after an IV of zeros
		b := make([]byte, ivSize)
		for _, block := range blocks {
			b = append(b, block...)
		}
		encryptCBC(key.block, b)
		return b
	}
	const fifteen = "123456789012345"
	for name, tt := range map[string]struct {
		token string
		words string
	}{
		"version 0x81":           {forge(t, key, 0x81, chain(fifteen+"\x01")), "version 0x81"},
		"version 0":              {forge(t, key, 0, chain(fifteen+"\x01")), "version 0x0"},
		"no ciphertext":          {forge(t, key, 0x80, chain()), "57 bytes"},
		"half an IV":             {forge(t, key, 0x80, make([]byte, 8)), "49 bytes"},
		"half a block":           {forge(t, key, 0x80, append(chain(fifteen+"\x01"), make([]byte, 8)...)), "81 bytes"},
		"padding of 0":           {forge(t, key, 0x80, chain(fifteen+"\x00")), "padding"},
		"padding of 17":          {forge(t, key, 0x80, chain(fifteen+"\x11")), "padding"},
		"padding of 255":         {forge(t, key, 0x80, chain(fifteen+"\xff")), "padding"},
		"padding not all alike":  {forge(t, key, 0x80, chain(fifteen+"\x02")), "padding"},
		"padding begins earlier": {forge(t, key, 0x80, chain(strings.Repeat("\x10", 15)+"\x0f", strings.Repeat("\x11", 16))), "padding"},
	} {
		got, err := key.open(newScratch(), tt.token)
		if !errors.Is(err, ErrDecrypt) || !strings.Contains(fmt.Sprint(err), tt.words) || got != nil {
			t.Errorf("%s: open = %q, %v; want ErrDecrypt with %q", name, got, err, tt.words)
		}
	}
	if got, err := key.open(newScratch(), forge(t, key, 0x80, chain(fifteen+"\x01"))); err != nil || string(got) != fifteen {
		t.Errorf("a good forgery: open = %q, %v; want %q", got, err, fifteen)
	}
}

func TestFernet_RefusesEveryChange(t *testing.T) {
	t.Parallel()
	key, sc := publishedFernetKey(t), newScratch()
	refused := func(what, token string) {
		t.Helper()
		if got, err := key.open(sc, token); !errors.Is(err, ErrDecrypt) || got != nil {
			t.Errorf("%s: open = %q, %v; want ErrDecrypt", what, got, err)
		}
	}
	raw, err := base64url.DecodeString(publishedToken)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			refused(fmt.Sprintf("byte %d bit %d", i, bit), base64url.EncodeToString(bad))
		}
		refused(fmt.Sprintf("the first %d bytes", i), base64url.EncodeToString(raw[:i]))
		refused(fmt.Sprintf("from byte %d", i+1), base64url.EncodeToString(raw[i+1:]))
	}
	refused("a byte more", base64url.EncodeToString(append(bytes.Clone(raw), 0)))
	refused("a block more", base64url.EncodeToString(append(bytes.Clone(raw), make([]byte, 16)...)))

	// The same bytes in another text.
	refused("without padding", strings.TrimRight(publishedToken, "="))
	refused("other alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(publishedToken))
	refused("bits behind the end", strings.Replace(publishedToken, "DA==", "DB==", 1))
	for i := range len(publishedToken) + 1 {
		for _, space := range []string{"\n", "\r", " ", "\x00", "\r\n\r\n"} {
			refused(fmt.Sprintf("%q at %d", space, i), publishedToken[:i]+space+publishedToken[i:])
		}
	}
}

func TestMAC_IsHMAC(t *testing.T) {
	t.Parallel()
	sc := newScratch()
	for size := range 300 {
		key, data := make([]byte, 16), make([]byte, size)
		rand.Read(key)
		rand.Read(data)
		want := hmac.New(sha256.New, key)
		want.Write(data)
		k := newMACKey(key)
		if got := k.sum(sc, data); !bytes.Equal(got, want.Sum(nil)) {
			t.Fatalf("%d bytes: sum = %x, want %x", size, got, want.Sum(nil))
		}
	}
}

func TestCBC_IsCBC(t *testing.T) {
	t.Parallel()
	for blocks := range 20 {
		key, chain := make([]byte, 16), make([]byte, (1+blocks)*aes.BlockSize)
		rand.Read(key)
		rand.Read(chain)
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		iv, plain := chain[:aes.BlockSize], bytes.Clone(chain[aes.BlockSize:])
		want := make([]byte, len(plain))
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(want, plain)
		encryptCBC(block, chain)
		if got := chain[aes.BlockSize:]; !bytes.Equal(got, want) {
			t.Fatalf("%d blocks: encryptCBC = %x, want %x", blocks, got, want)
		}
		if got := decryptCBC(block, chain); !bytes.Equal(got, plain) {
			t.Fatalf("%d blocks: decryptCBC = %x, want %x", blocks, got, plain)
		}
	}
}

func TestFernetKey_WipeLeavesNothing(t *testing.T) {
	t.Parallel()
	key := publishedFernetKey(t)
	key.wipe()
	if !reflect.ValueOf(key.block).Elem().IsZero() {
		t.Error("the key schedule is still there")
	}
	if zero := make([]byte, len(key.mac.inner)); !bytes.Equal(key.mac.inner, zero) || !bytes.Equal(key.mac.outer, zero) {
		t.Error("the MAC key is still there")
	}
}

func TestScratch_KeepsNothingSecretAndNothingHuge(t *testing.T) {
	t.Parallel()
	key, sc := publishedFernetKey(t), newScratch()
	plaintext := bytes.Repeat([]byte("plain"), 1000)
	token := key.seal(sc, plaintext, &publishedIV, publishedTime)
	if _, err := key.open(sc, token); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sc.token[:cap(sc.token)], []byte("plainplain")) {
		t.Error("the scratch holds plaintext")
	}
	if !bytes.Equal(sc.hash.Sum(nil), sha256.New().Sum(nil)) {
		t.Error("the scratch holds a hash state that follows from the key")
	}
	huge := key.seal(sc, make([]byte, 2*maxScratch), &publishedIV, publishedTime)
	if got, err := key.open(sc, huge); err != nil || len(got) != 2*maxScratch {
		t.Fatalf("open = %d bytes, %v", len(got), err)
	}
	if got := cap(sc.token); got > maxScratch {
		t.Errorf("the scratch keeps %d bytes, want at most %d", got, maxScratch)
	}
}

// FuzzFernet holds two properties: nothing that is not the token of some
// plaintext opens, and every plaintext comes back.
func FuzzFernet(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/FuzzFernet")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	key := publishedFernetKey(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		sc := newScratch()
		if plaintext, err := key.open(sc, string(data)); err == nil {
			raw, err := base64url.DecodeString(string(data))
			if err != nil {
				t.Fatalf("%q opened: %v", data, err)
			}
			at := time.Unix(int64(binary.BigEndian.Uint64(raw[1:])), 0)
			if again := key.seal(sc, plaintext, (*[ivSize]byte)(raw[9:]), at); again != string(data) {
				t.Errorf("%q opened, but is sealed as %q", data, again)
			}
		} else if !errors.Is(err, ErrDecrypt) {
			t.Errorf("open(%q) = %v, want ErrDecrypt", data, err)
		}

		token := key.seal(sc, data, &publishedIV, publishedTime)
		if got, err := key.open(sc, token); err != nil || !bytes.Equal(got, data) {
			t.Errorf("open(seal(%q)) = %q, %v", data, got, err)
		}
	})
}
