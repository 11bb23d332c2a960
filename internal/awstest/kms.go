package awstest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of the real service.
const (
	maxPlaintext  = 4096 // bytes of one Encrypt
	maxCiphertext = 6144 // bytes of one Decrypt
	listLimit     = 50   // grants on a page where none is asked for
)

// key is a symmetric key. Its backing keys encrypt; a ciphertext names the one
// that made it.
type key struct {
	id, arn string
	region  string
	backing [][32]byte
	enabled bool
	created time.Time
	grants  []grant
}

type grant struct {
	ID, Name, Grantee string
	Operations        []string
	Subset, Equals    map[string]string
	Created           time.Time
}

type keyService struct {
	mu      sync.Mutex
	keys    map[string]*key   // by id
	aliases map[string]string // region + alias -> key id
}

func newKeyService() *keyService {
	return &keyService{keys: map[string]*key{}, aliases: map[string]string{}}
}

// Key makes a key with an alias ("alias/…") in us-east-1 and returns its ARN.
// The id and the backing key may be given, so that recorded ciphertexts open;
// empty ones are drawn.
func (s *Server) Key(alias, id string, backing []byte) string {
	s.kms.mu.Lock()
	defer s.kms.mu.Unlock()
	k := s.kms.create("us-east-1", id, backing)
	if alias != "" {
		s.kms.aliases["us-east-1 "+alias] = k.id
	}
	return k.arn
}

// SetEnabled enables or disables a key by its ARN.
func (s *Server) SetEnabled(arn string, enabled bool) {
	s.kms.mu.Lock()
	defer s.kms.mu.Unlock()
	if k := s.kms.keys[arn[strings.LastIndexByte(arn, '/')+1:]]; k != nil {
		k.enabled = enabled
	}
}

// PointAlias lets an alias name another key.
func (s *Server) PointAlias(alias, arn string) {
	s.kms.mu.Lock()
	defer s.kms.mu.Unlock()
	s.kms.aliases["us-east-1 "+alias] = arn[strings.LastIndexByte(arn, '/')+1:]
}

func (k *keyService) create(region, id string, backing []byte) *key {
	if id == "" {
		h := randomHex(16)
		id = h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
	}
	made := &key{
		id: id, region: region, enabled: true, created: time.Now(),
		arn:     "arn:aws:kms:" + region + ":" + Account + ":key/" + id,
		backing: make([][32]byte, 1),
	}
	if backing != nil {
		copy(made.backing[0][:], backing)
	} else {
		_, _ = rand.Read(made.backing[0][:])
	}
	k.keys[id] = made
	return made
}

// find resolves a key id, key ARN, alias or alias ARN.
func (k *keyService) find(region, name string) (*key, *apiError) {
	missing := refuse("NotFoundException", fmt.Sprintf("key %q is not found", name))
	if rest, ok := strings.CutPrefix(name, "arn:aws:kms:"+region+":"+Account+":"); ok {
		name = strings.TrimPrefix(rest, "key/")
	}
	if strings.HasPrefix(name, "arn:") {
		return nil, missing
	}
	if strings.HasPrefix(name, "alias/") {
		name = k.aliases[region+" "+name]
	}
	found := k.keys[name]
	if found == nil || found.region != region {
		return nil, missing
	}
	return found, nil
}

// may enforces grants: the account's root may everything, a role what a grant
// with a fitting constraint allows.
func (k *key) may(caller AccessKey, operation string, context map[string]string) *apiError {
	if caller.ARN == Root.ARN {
		return nil
	}
	for _, g := range k.grants {
		if g.Grantee != caller.ARN || !slices.Contains(g.Operations, operation) {
			continue
		}
		if g.Equals != nil && !maps.Equal(g.Equals, context) {
			continue
		}
		fits := true
		for name, value := range g.Subset {
			fits = fits && context[name] == value
		}
		if fits {
			return nil
		}
	}
	return refuse("AccessDeniedException", caller.ARN+" is not authorized to perform kms:"+operation)
}

// ours marks, in the index of the backing key, a ciphertext that was made here.
// One without it was recorded from a local key service, whose authenticated data
// do not tell {"a": "bc"} from {"ab": "c"}.
const ours = 1 << 31

// additional is the encryption context as authenticated data: pairs sorted by
// name. Here each text has its length before it.
func additional(context map[string]string, lengths bool) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(context)) {
		for _, text := range []string{name, context[name]} {
			if lengths {
				b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
			}
			b = append(b, text...)
		}
	}
	return b
}

// seal makes a ciphertext blob: length of the ARN, ARN, index of the backing
// key (little endian), nonce, AES-256-GCM.
func (k *key) seal(plaintext []byte, context map[string]string) []byte {
	index := len(k.backing) - 1
	gcm := k.gcm(index)
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce)
	blob := append([]byte{byte(len(k.arn))}, k.arn...)
	blob = binary.LittleEndian.AppendUint32(blob, uint32(index)|ours)
	blob = append(blob, nonce...)
	return gcm.Seal(blob, nonce, plaintext, additional(context, true))
}

func (k *key) gcm(index int) cipher.AEAD {
	block, err := aes.NewCipher(k.backing[index][:])
	if err != nil {
		panic("awstest: backing keys have 32 bytes: " + err.Error())
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("awstest: " + err.Error())
	}
	return gcm
}

// open finds the key of a blob and opens it.
func (k *keyService) open(region string, blob []byte, context map[string]string) (*key, []byte, *apiError) {
	bad := refuse("InvalidCiphertextException", "")
	if len(blob) == 0 || len(blob) < 1+int(blob[0])+4+12 {
		return nil, nil, bad
	}
	head := 1 + int(blob[0])
	arn, rest := string(blob[1:head]), blob[head:]
	found, e := k.find(region, arn)
	if e != nil {
		return nil, nil, bad
	}
	index := binary.LittleEndian.Uint32(rest)
	number := int(index &^ ours)
	if number >= len(found.backing) {
		return nil, nil, bad
	}
	plaintext, err := found.gcm(number).Open(nil, rest[4:16], rest[16:], additional(context, index&ours != 0))
	if err != nil {
		return nil, nil, bad
	}
	return found, plaintext, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("awstest: %T does not marshal: %v", v, err))
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-RequestId", randomHex(16))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
