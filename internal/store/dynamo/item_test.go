package dynamo

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/sealed"
	"github.com/confidant-secrets/confidant/internal/service"
)

// wire reads the JSON form of an item, as the service writes it.
func wire(t *testing.T, text string) item {
	t.Helper()
	var raw map[string]map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	it := item{}
	for name, typed := range raw {
		for kind, value := range typed {
			it[name] = wireValue(t, kind, value)
		}
	}
	return it
}

func wireValue(t *testing.T, kind string, value json.RawMessage) types.AttributeValue {
	t.Helper()
	decode := func(v any) {
		if err := json.Unmarshal(value, v); err != nil {
			t.Fatalf("%s %s: %v", kind, value, err)
		}
	}
	switch kind {
	case "S":
		v := &types.AttributeValueMemberS{}
		decode(&v.Value)
		return v
	case "N":
		v := &types.AttributeValueMemberN{}
		decode(&v.Value)
		return v
	case "BOOL":
		v := &types.AttributeValueMemberBOOL{}
		decode(&v.Value)
		return v
	case "NULL":
		return &types.AttributeValueMemberNULL{Value: true}
	case "SS":
		v := &types.AttributeValueMemberSS{}
		decode(&v.Value)
		return v
	case "B":
		v := &types.AttributeValueMemberB{}
		decode(&v.Value)
		return v
	case "L":
		var raw []map[string]json.RawMessage
		decode(&raw)
		v := &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
		for _, typed := range raw {
			for kind, value := range typed {
				v.Value = append(v.Value, wireValue(t, kind, value))
			}
		}
		return v
	}
	t.Fatalf("unknown type %s", kind)
	return nil
}

const exampleToken = "gAAAAABeDV2lAAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8"

const exampleRow = `{
  "id": {"S": "9f0c2b6a4d1e4f7f8b1a2c3d4e5f6071"},
  "data_type": {"S": "credential"},
  "revision": {"N": "1"},
  "name": {"S": "payments api"},
  "credential_pairs": {"S": "` + exampleToken + `"},
  "enabled": {"BOOL": true},
  "data_key": {"B": "YTIxekxXTnBjR2hsY25SbGVIUXRZbXh2WWc9PQ=="},
  "cipher_version": {"N": "2"},
  "metadata": {"S": "{\"team\": \"payments\"}"},
  "modified_date": {"S": "2020-01-02T03:04:05.000000+0000"},
  "modified_by": {"S": "ann@example.com"},
  "tags": {"L": [{"S": "FINANCIALLY_SENSITIVE"}]},
  "last_rotation_date": {"S": "2020-01-02T03:04:05.000000+0000"}
}`

func example() *credential.Credential {
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	return &credential.Credential{
		Meta:         revision.Meta{ID: "9f0c2b6a4d1e4f7f8b1a2c3d4e5f6071", Revision: 1, ModifiedDate: at, ModifiedBy: "ann@example.com"},
		Name:         "payments api",
		Sealed:       sealed.Value{Ciphertext: exampleToken, DataKey: []byte("kms-ciphertext-blob"), Version: 2},
		Enabled:      true,
		Metadata:     json.RawMessage(`{"team": "payments"}`),
		Tags:         []string{"FINANCIALLY_SENSITIVE"},
		LastRotation: at,
	}
}

var ignoreTypes = cmpopts.IgnoreUnexported(
	types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{}, types.AttributeValueMemberBOOL{},
	types.AttributeValueMemberL{}, types.AttributeValueMemberSS{}, types.AttributeValueMemberNULL{},
)

func TestRow_IsTheOlderServicesAttributeByAttribute(t *testing.T) {
	t.Parallel()
	n := credentialNoun()
	if diff := cmp.Diff(wire(t, exampleRow), n.row(example()), ignoreTypes, cmpopts.IgnoreUnexported(revision.Memo{})); diff != "" {
		t.Errorf("row differs (-want +got):\n%s", diff)
	}
	got, err := n.read(wire(t, exampleRow))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), got); diff != "" {
		t.Errorf("read differs (-want +got):\n%s", diff)
	}
}

func TestRevisionRow_DiffersInKeyAndTypeAlone(t *testing.T) {
	t.Parallel()
	n := credentialNoun()
	v := example()
	v.Head = credential.Head{Stages: map[string]string{"AWSCURRENT": "x"}, LastAccessed: v.ModifiedDate}
	want := wire(t, exampleRow)
	want.setText(attrID, v.ID+"-1")
	want.setText(attrDataType, "archive-credential")
	if diff := cmp.Diff(want, n.revisionRow(v), ignoreTypes); diff != "" {
		t.Errorf("revision row differs (-want +got):\n%s", diff)
	}
	back, err := n.read(n.revisionRow(v))
	if err != nil || back.ID != v.ID || back.Revision != 1 {
		t.Errorf("read = %+v, %v", back, err)
	}
}

func TestRow_WritesNeitherNullNorEmptySet(t *testing.T) {
	t.Parallel()
	c := example()
	c.Tags, c.KeyNames, c.Metadata, c.Documentation = nil, []string{}, nil, nil
	it := credentialNoun().row(c)
	if l, ok := it[attrTags].(*types.AttributeValueMemberL); !ok || l.Value == nil || len(l.Value) != 0 {
		t.Errorf("tags = %#v, want an empty list", it[attrTags])
	}
	for _, name := range []string{attrKeyNames, attrMetadata, attrDocumentation, attrLastDecrypted, attrStages, attrLastAccessed} {
		if v, ok := it[name]; ok {
			t.Errorf("%s = %#v, want it absent", name, v)
		}
	}
	empty := ""
	c.Documentation = &empty
	if s, ok := credentialNoun().row(c)[attrDocumentation].(*types.AttributeValueMemberS); !ok || s.Value != "" {
		t.Error("an empty documentation is not stored as an empty text")
	}
	s := serviceNoun().row(&service.Service{Meta: revision.Meta{ID: "s", Revision: 1}, Credentials: []string{"b", "a", "b"}})
	if set := s[attrCredentials].(*types.AttributeValueMemberSS); !cmp.Equal(set.Value, []string{"a", "b"}) {
		t.Errorf("set = %v, want it without repetition", set.Value)
	}
	if _, ok := s[attrBlindCredentials]; ok {
		t.Error("an empty set is written")
	}
}

func TestRead_TakesOlderForms(t *testing.T) {
	t.Parallel()
	it := wire(t, exampleRow)
	it[attrEnabled] = number(0)
	it[attrDataKey] = &types.AttributeValueMemberB{Value: []byte("\x01raw\xff")}
	it[attrDocumentation] = &types.AttributeValueMemberNULL{Value: true}
	delete(it, attrTags)
	delete(it, attrCipherVersion)
	delete(it, attrLastRotation)
	got, err := credentialNoun().read(it)
	if err != nil {
		t.Fatal(err)
	}
	if got.Enabled || string(got.Sealed.DataKey) != "\x01raw\xff" || got.Documentation != nil ||
		got.Tags != nil || got.Sealed.Version != 0 || !got.LastRotation.IsZero() {
		t.Errorf("read = %+v", got)
	}
	s, err := serviceNoun().read(item{
		attrID: text("svc"), attrDataType: text("service"), attrRevision: number(1),
		attrCredentials: &types.AttributeValueMemberSS{Value: []string{`"abc"`, "def", `"`}},
	})
	if err != nil || !cmp.Equal(s.Credentials, []string{`"`, "abc", "def"}) || !s.Enabled {
		t.Errorf("read = %+v, %v", s, err)
	}
}

func TestRead_SaysWhichRowAndAttributeIsBad(t *testing.T) {
	t.Parallel()
	tests := map[string]types.AttributeValue{
		attrEnabled:      text("yes"),
		attrRevision:     text("1"),
		attrModifiedDate: text("2020-01-02T03:04:05Z"),
		attrMetadata:     text("{"),
		attrTags:         text("x"),
		attrKeyNames:     text("x"),
		attrName:         number(1),
		attrDataKey:      text("x"),
		attrStages:       text("[]"),
	}
	for name, value := range tests {
		it := wire(t, exampleRow)
		it[name] = value
		_, err := credentialNoun().read(it)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "9f0c2b6a") {
			t.Errorf("%s: %v, want an error that names row and attribute", name, err)
		}
	}
}

func TestSetBinary_IsTheBase64TextAsBytes(t *testing.T) {
	t.Parallel()
	it := item{}
	it.setBinary("k", []byte("kms-ciphertext-blob"))
	got := it["k"].(*types.AttributeValueMemberB).Value
	if string(got) != base64.StdEncoding.EncodeToString([]byte("kms-ciphertext-blob")) || len(got) != 28 {
		t.Errorf("stored %q", got)
	}
}

// TestRead_SurvivesAnyTypeAnywhere puts a value of each type into each attribute.
func TestRead_SurvivesAnyTypeAnywhere(t *testing.T) {
	t.Parallel()
	values := map[string]types.AttributeValue{
		"nothing": nil, "text": text(""), "letters": text("ü\x00"), "number": number(-1),
		"much":  &types.AttributeValueMemberN{Value: "1e400"},
		"no":    &types.AttributeValueMemberBOOL{},
		"null":  &types.AttributeValueMemberNULL{Value: true},
		"bytes": &types.AttributeValueMemberB{Value: []byte{0xff}},
		"set":   &types.AttributeValueMemberSS{Value: []string{`"`, `""`, `"\ud800"`}},
		"sums":  &types.AttributeValueMemberNS{Value: []string{"1"}},
		"blobs": &types.AttributeValueMemberBS{Value: [][]byte{nil}},
		"list":  &types.AttributeValueMemberL{Value: []types.AttributeValue{number(1), nil}},
		"map":   &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"a": nil}},
	}
	survives := func(name string, read func(item) error, it item) {
		for attribute := range it {
			for what, v := range values {
				bad := item{}
				for k, old := range it {
					bad[k] = old
				}
				bad[attribute] = v
				if err := read(bad); err != nil && !strings.Contains(err.Error(), "cannot be read") {
					t.Errorf("%s with a %s as %s: %v", name, what, attribute, err)
				}
				_ = bad.size()
			}
		}
	}
	credentials, services := credentialNoun(), serviceNoun()
	survives("credential", func(it item) error { _, err := credentials.read(it); return err }, credentials.row(example()))
	survives("revision", func(it item) error { _, err := credentials.read(it); return err }, credentials.revisionRow(example()))
	survives("service", func(it item) error { _ = services.mapsOf(it); _, err := services.read(it); return err },
		services.row(&service.Service{Meta: revision.Meta{ID: "s", Revision: 1}, Credentials: []string{"a"}, BlindCredentials: []string{"b"}, Account: "x"}))
	survives("claim", func(it item) error { _ = holderOf(it); _, err := readDocument(it); return err }, credentials.claimRow("name", "id"))
	survives("mapping", func(it item) error { _, err := readDocument(it); return err }, mappingRow("id", []string{"s"}, 1))
}
