package awstest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// kmsInput holds the members of all KMS requests that the double reads.
type kmsInput struct {
	KeyId             string
	Plaintext         []byte
	CiphertextBlob    []byte
	EncryptionContext map[string]string
	AliasName         string
	TargetKeyId       string
	GranteePrincipal  string
	GrantId           string
	Name              string
	Operations        []string
	Limit             int
	Marker            string
	Constraints       struct {
		EncryptionContextSubset map[string]string
		EncryptionContextEquals map[string]string
	}
}

type kmsOperation func(k *keyService, region string, caller AccessKey, in kmsInput) (any, *apiError)

func kmsOperations() map[string]kmsOperation {
	return map[string]kmsOperation{
		"CreateKey":   createKey,
		"CreateAlias": createAlias,
		"UpdateAlias": updateAlias,
		"DescribeKey": describeKey,
		"EnableKey":   setEnabled(true),
		"DisableKey":  setEnabled(false),
		"Encrypt":     encrypt,
		"Decrypt":     decrypt,
		"CreateGrant": createGrant,
		"ListGrants":  listGrants,
		"RevokeGrant": revokeGrant,
	}
}

func (s *Server) serveKMS(w http.ResponseWriter, r *http.Request, body []byte, caller AccessKey, region string) {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	operation := kmsOperations()[name]
	if !ok || operation == nil {
		s.fail(w, "kms", refuse("UnknownOperationException", ""))
		return
	}
	var in kmsInput
	var raw map[string]any
	if json.Unmarshal(body, &in) != nil || json.Unmarshal(body, &raw) != nil {
		s.fail(w, "kms", refuse("SerializationException", "the body is no JSON object of the expected types"))
		return
	}
	lose, ok := s.begin(w, r, "kms", name, raw)
	if !ok {
		return
	}
	s.kms.mu.Lock()
	out, e := operation(s.kms, region, caller, in)
	s.kms.mu.Unlock()
	switch {
	case lose:
		drop(w)
	case e != nil:
		s.fail(w, "kms", e)
	default:
		writeJSON(w, http.StatusOK, out)
	}
}

type object map[string]any

func onlyRoot(caller AccessKey, action string) *apiError {
	if caller.ARN == Root.ARN {
		return nil
	}
	return refuse("AccessDeniedException", caller.ARN+" is not authorized to perform kms:"+action)
}

func metadata(k *key) object {
	state := "Enabled"
	if !k.enabled {
		state = "Disabled"
	}
	return object{"KeyMetadata": object{
		"AWSAccountId": Account, "KeyId": k.id, "Arn": k.arn, "Enabled": k.enabled, "KeyState": state,
		"CreationDate": seconds(k.created), "KeyUsage": "ENCRYPT_DECRYPT", "KeyManager": "CUSTOMER",
		"KeySpec": "SYMMETRIC_DEFAULT", "EncryptionAlgorithms": []string{"SYMMETRIC_DEFAULT"},
	}}
}

// seconds is a time as the JSON protocol writes it: seconds since the epoch.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func createKey(k *keyService, region string, caller AccessKey, _ kmsInput) (any, *apiError) {
	if e := onlyRoot(caller, "CreateKey"); e != nil {
		return nil, e
	}
	return metadata(k.create(region, "", nil)), nil
}

func createAlias(k *keyService, region string, caller AccessKey, in kmsInput) (any, *apiError) {
	if e := onlyRoot(caller, "CreateAlias"); e != nil {
		return nil, e
	}
	if !strings.HasPrefix(in.AliasName, "alias/") {
		return nil, refuse("ValidationException", "an alias begins with alias/")
	}
	if _, taken := k.aliases[region+" "+in.AliasName]; taken {
		return nil, refuse("AlreadyExistsException", in.AliasName)
	}
	return point(k, region, in)
}

func updateAlias(k *keyService, region string, caller AccessKey, in kmsInput) (any, *apiError) {
	if e := onlyRoot(caller, "UpdateAlias"); e != nil {
		return nil, e
	}
	if _, known := k.aliases[region+" "+in.AliasName]; !known {
		return nil, refuse("NotFoundException", in.AliasName)
	}
	return point(k, region, in)
}

func point(k *keyService, region string, in kmsInput) (any, *apiError) {
	target, e := k.find(region, in.TargetKeyId)
	if e != nil {
		return nil, e
	}
	k.aliases[region+" "+in.AliasName] = target.id
	return object{}, nil
}

func describeKey(k *keyService, region string, _ AccessKey, in kmsInput) (any, *apiError) {
	found, e := k.find(region, in.KeyId)
	if e != nil {
		return nil, e
	}
	return metadata(found), nil
}

func setEnabled(enabled bool) kmsOperation {
	action := "DisableKey"
	if enabled {
		action = "EnableKey"
	}
	return func(k *keyService, region string, caller AccessKey, in kmsInput) (any, *apiError) {
		if e := onlyRoot(caller, action); e != nil {
			return nil, e
		}
		found, e := k.find(region, in.KeyId)
		if e != nil {
			return nil, e
		}
		found.enabled = enabled
		return object{}, nil
	}
}

func encrypt(k *keyService, region string, caller AccessKey, in kmsInput) (any, *apiError) {
	if len(in.Plaintext) == 0 || len(in.Plaintext) > maxPlaintext {
		return nil, refuse("ValidationException", "a plaintext has 1 to 4096 bytes")
	}
	found, e := k.find(region, in.KeyId)
	if e != nil {
		return nil, e
	}
	if e := found.usable(caller, "Encrypt", in.EncryptionContext); e != nil {
		return nil, e
	}
	return object{
		"KeyId": found.arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
		"CiphertextBlob": found.seal(in.Plaintext, in.EncryptionContext),
	}, nil
}

func decrypt(k *keyService, region string, caller AccessKey, in kmsInput) (any, *apiError) {
	if len(in.CiphertextBlob) == 0 || len(in.CiphertextBlob) > maxCiphertext {
		return nil, refuse("ValidationException", "a ciphertext has 1 to 6144 bytes")
	}
	found, plaintext, e := k.open(region, in.CiphertextBlob, in.EncryptionContext)
	if e != nil {
		return nil, e
	}
	if in.KeyId != "" {
		named, e := k.find(region, in.KeyId)
		if e != nil {
			return nil, e
		}
		if named != found {
			return nil, refuse("IncorrectKeyException", "the ciphertext was made under another key")
		}
	}
	if e := found.usable(caller, "Decrypt", in.EncryptionContext); e != nil {
		return nil, e
	}
	return object{"KeyId": found.arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "Plaintext": plaintext}, nil
}

// usable checks permission before state, as the real service does.
func (k *key) usable(caller AccessKey, operation string, context map[string]string) *apiError {
	if e := k.may(caller, operation, context); e != nil {
		return e
	}
	if !k.enabled {
		return refuse("DisabledException", k.arn+" is disabled.")
	}
	return nil
}

// createGrant is idempotent for a grant with a name: the same request gives
// the same grant.
func createGrant(k *keyService, region string, caller AccessKey, in kmsInput) (any, *apiError) {
	if e := onlyRoot(caller, "CreateGrant"); e != nil {
		return nil, e
	}
	found, e := k.find(region, in.KeyId)
	if e != nil {
		return nil, e
	}
	if in.GranteePrincipal == "" || len(in.Operations) == 0 {
		return nil, refuse("ValidationException", "a grant needs a grantee and operations")
	}
	if !strings.HasPrefix(in.GranteePrincipal, "arn:aws:iam::") {
		return nil, refuse("InvalidArnException", in.GranteePrincipal)
	}
	made := grant{
		ID: randomHex(32), Name: in.Name, Grantee: in.GranteePrincipal, Operations: in.Operations, Created: time.Now(),
		Subset: in.Constraints.EncryptionContextSubset, Equals: in.Constraints.EncryptionContextEquals,
	}
	if in.Name != "" {
		for _, g := range found.grants {
			if g.Name == in.Name && g.Grantee == made.Grantee && slices.Equal(g.Operations, made.Operations) {
				return object{"GrantId": g.ID, "GrantToken": randomHex(16)}, nil
			}
		}
	}
	found.grants = append(found.grants, made)
	return object{"GrantId": made.ID, "GrantToken": randomHex(16)}, nil
}

func listGrants(k *keyService, region string, caller AccessKey, in kmsInput) (any, *apiError) {
	if e := onlyRoot(caller, "ListGrants"); e != nil {
		return nil, e
	}
	found, e := k.find(region, in.KeyId)
	if e != nil {
		return nil, e
	}
	limit := in.Limit
	if limit == 0 {
		limit = listLimit
	}
	page, started, next := []object{}, in.Marker == "", ""
	for _, g := range found.grants {
		if !started {
			started = g.ID == in.Marker
			continue
		}
		if in.GrantId != "" && g.ID != in.GrantId || in.GranteePrincipal != "" && g.Grantee != in.GranteePrincipal {
			continue
		}
		if len(page) == limit {
			next = page[limit-1]["GrantId"].(string)
			break
		}
		entry := object{
			"KeyId": found.arn, "GrantId": g.ID, "Name": g.Name, "GranteePrincipal": g.Grantee,
			"Operations": g.Operations, "CreationDate": seconds(g.Created), "IssuingAccount": Root.ARN,
		}
		constraints := object{}
		if g.Subset != nil {
			constraints["EncryptionContextSubset"] = g.Subset
		}
		if g.Equals != nil {
			constraints["EncryptionContextEquals"] = g.Equals
		}
		if len(constraints) > 0 {
			entry["Constraints"] = constraints
		}
		page = append(page, entry)
	}
	if !started {
		return nil, refuse("InvalidMarkerException", in.Marker)
	}
	out := object{"Grants": page, "Truncated": next != ""}
	if next != "" {
		out["NextMarker"] = next
	}
	return out, nil
}

func revokeGrant(k *keyService, region string, caller AccessKey, in kmsInput) (any, *apiError) {
	if e := onlyRoot(caller, "RevokeGrant"); e != nil {
		return nil, e
	}
	found, e := k.find(region, in.KeyId)
	if e != nil {
		return nil, e
	}
	before := len(found.grants)
	found.grants = slices.DeleteFunc(found.grants, func(g grant) bool { return g.ID == in.GrantId })
	if len(found.grants) == before {
		return nil, refuse("NotFoundException", "grant "+in.GrantId)
	}
	return object{}, nil
}
