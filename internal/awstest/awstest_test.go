package awstest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/confidant-secrets/confidant/internal/awstest"
)

func config(s *awstest.Server, k awstest.AccessKey) aws.Config {
	return aws.Config{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(s.URL),
		Credentials:      credentials.NewStaticCredentialsProvider(k.ID, k.Secret, ""),
		RetryMaxAttempts: 1,
	}
}

func client(s *awstest.Server, k awstest.AccessKey) *kms.Client {
	return kms.NewFromConfig(config(s, k))
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestKMS_ContextMustMatchAndOrderDoesNot(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	arn := s.Key("alias/main", "", nil)
	c := client(s, awstest.Root)
	sealed, err := c.Encrypt(t.Context(), &kms.EncryptInput{
		KeyId: aws.String("alias/main"), Plaintext: []byte("text"), EncryptionContext: map[string]string{"a": "1", "b": "2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if *sealed.KeyId != arn {
		t.Errorf("KeyId = %s, want %s", *sealed.KeyId, arn)
	}
	opened, err := c.Decrypt(t.Context(), &kms.DecryptInput{
		CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: map[string]string{"b": "2", "a": "1"},
	})
	if err != nil || string(opened.Plaintext) != "text" || *opened.KeyId != arn {
		t.Fatalf("Decrypt = %+v, %v", opened, err)
	}
	for name, ec := range map[string]map[string]string{
		"none": nil, "missing": {"a": "1"}, "changed": {"a": "1", "b": "3"}, "extra": {"a": "1", "b": "2", "c": "3"},
	} {
		_, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: ec})
		if code(err) != "InvalidCiphertextException" {
			t.Errorf("%s: %v, want InvalidCiphertextException", name, err)
		}
	}
	for i := range sealed.CiphertextBlob {
		bad := bytes.Clone(sealed.CiphertextBlob)
		bad[i] ^= 1
		_, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: bad, EncryptionContext: map[string]string{"a": "1", "b": "2"}})
		if code(err) != "InvalidCiphertextException" {
			t.Fatalf("byte %d changed: %v, want InvalidCiphertextException", i, err)
		}
	}
}

// The blob and its key are from a published layout of a local key service, with
// a plaintext that was recorded beside it.
func TestKMS_OpensARecordedCiphertext(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	s.Key("alias/confidant", "11111111-1111-4111-8111-111111111111",
		[]byte("\x5c\xda\xea\xd2\x7f\xe7\xda\x2d\xe4\x79\x45\xd7\x3c\xd6\xd7\x9e\x36\x49\x4e\x73\x80\x2f\x3c\xd3\x86\x9f\x1d\x2c\xb0\xb5\xd7\xa9"))
	blob, err := base64.StdEncoding.DecodeString("S2Fybjphd3M6a21zOnVzLWVhc3QtMToxMjM0NTY3ODkwMTI6a2V5LzExMTExMTExLTExMTEtNDExMS04MTExLTExMTExMTExMTExMQAAAADKjFnab1mXYDRWsLKhZBIL0v+yDdZobNLO4/imeMtsxGNO1kdf+QInIpWc6Aa9IimNzm3QXk6NcTk72gsKrwy3mnobfelIuFM=")
	if err != nil {
		t.Fatal(err)
	}
	out, err := client(s, awstest.Root).Decrypt(t.Context(), &kms.DecryptInput{
		CiphertextBlob: blob, EncryptionContext: map[string]string{"id": "5ea644b1bb56424d86da3e1b13fd064c"},
	})
	if err != nil || string(out.Plaintext) != "B4EZgJ66ELdMrIC34QQOTWPhL6h2gcw1xun-Qf-gVzo=" {
		t.Fatalf("Decrypt = %+v, %v", out, err)
	}
}

func TestKMS_RefusesWhatTheRealServiceRefuses(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	arn := s.Key("alias/main", "", nil)
	disabled := s.Key("alias/off", "", nil)
	c := client(s, awstest.Root)
	off, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(disabled), Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	s.SetEnabled(disabled, false)
	on, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(arn), Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	encrypt := func(key string, size int) error {
		_, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(key), Plaintext: make([]byte, size)})
		return err
	}
	decrypt := func(key *string, blob []byte) error {
		_, err := c.Decrypt(t.Context(), &kms.DecryptInput{KeyId: key, CiphertextBlob: blob})
		return err
	}
	tests := map[string]struct {
		err  error
		want string
	}{
		"4096 bytes":            {encrypt(arn, 4096), ""},
		"4097 bytes":            {encrypt(arn, 4097), "ValidationException"},
		"unknown alias":         {encrypt("alias/none", 1), "NotFoundException"},
		"key of other region":   {encrypt(strings.Replace(arn, "us-east-1", "eu-west-1", 1), 1), "NotFoundException"},
		"disabled, encrypt":     {encrypt("alias/off", 1), "DisabledException"},
		"disabled, decrypt":     {decrypt(nil, off.CiphertextBlob), "DisabledException"},
		"named key is another":  {decrypt(aws.String(disabled), on.CiphertextBlob), "IncorrectKeyException"},
		"short ciphertext":      {decrypt(nil, []byte{200, 1}), "InvalidCiphertextException"},
		"longest name of a key": {decrypt(nil, bytes.Repeat([]byte{255}, 300)), "InvalidCiphertextException"},
		"long ciphertext":       {decrypt(nil, make([]byte, 6145)), "ValidationException"},
	}
	for name, tt := range tests {
		if tt.want == "" && tt.err != nil || tt.want != "" && code(tt.err) != tt.want {
			t.Errorf("%s: %v, want %q", name, tt.err, tt.want)
		}
	}
}

func TestKMS_ARoleMayWhatAGrantAllows(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	arn := s.Key("alias/auth", "", nil)
	role := s.Role("svc-a")
	root, svc := client(s, awstest.Root), client(s, role)
	encrypt := func(from string) error {
		_, err := svc.Encrypt(t.Context(), &kms.EncryptInput{
			KeyId: aws.String(arn), Plaintext: []byte("x"), EncryptionContext: map[string]string{"from": from, "to": "server"},
		})
		return err
	}
	if got := code(encrypt("svc-a")); got != "AccessDeniedException" {
		t.Fatalf("without a grant: %s", got)
	}
	in := &kms.CreateGrantInput{
		KeyId: aws.String(arn), GranteePrincipal: aws.String(role.ARN), Name: aws.String("n"),
		Operations:  []types.GrantOperation{types.GrantOperationEncrypt},
		Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"from": "svc-a"}},
	}
	first, err := root.CreateGrant(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := root.CreateGrant(t.Context(), in)
	if err != nil || *again.GrantId != *first.GrantId {
		t.Errorf("the same named grant again: %v, %v; want id %s", again, err, *first.GrantId)
	}
	if err := encrypt("svc-a"); err != nil {
		t.Errorf("with a grant: %v", err)
	}
	if got := code(encrypt("svc-b")); got != "AccessDeniedException" {
		t.Errorf("outside the constraint: %s", got)
	}
	if _, err := svc.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: aws.String(arn)}); code(err) != "AccessDeniedException" {
		t.Errorf("a role lists grants: %v", err)
	}
	if _, err := root.RevokeGrant(t.Context(), &kms.RevokeGrantInput{KeyId: aws.String(arn), GrantId: first.GrantId}); err != nil {
		t.Fatal(err)
	}
	if got := code(encrypt("svc-a")); got != "AccessDeniedException" {
		t.Errorf("after revoking: %s", got)
	}
}

func TestKMS_ListGrantsPagesAndFilters(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	arn := s.Key("", "", nil)
	c := client(s, awstest.Root)
	grantee := func(i int) string { return fmt.Sprintf("arn:aws:iam::%s:role/svc-%d", awstest.Account, i%3) }
	for i := range 7 {
		if _, err := c.CreateGrant(t.Context(), &kms.CreateGrantInput{
			KeyId: aws.String(arn), GranteePrincipal: aws.String(grantee(i)),
			Operations: []types.GrantOperation{types.GrantOperationDecrypt},
		}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	pages := kms.NewListGrantsPaginator(c, &kms.ListGrantsInput{KeyId: aws.String(arn), Limit: aws.Int32(3)})
	count := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		count++
		for _, g := range page.Grants {
			seen[*g.GrantId] = true
		}
	}
	if len(seen) != 7 || count != 3 {
		t.Errorf("%d grants on %d pages, want 7 on 3", len(seen), count)
	}
	only, err := c.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: aws.String(arn), GranteePrincipal: aws.String(grantee(0))})
	if err != nil || len(only.Grants) != 3 {
		t.Errorf("ListGrants of one grantee = %d, %v; want 3", len(only.Grants), err)
	}
}

func TestKMS_AliasesAreResolvedAtEachCall(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	first := s.Key("alias/a", "", nil)
	second := s.Key("", "", nil)
	c := client(s, awstest.Root)
	describe := func(name string) string {
		out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String(name)})
		if err != nil {
			t.Fatal(err)
		}
		return *out.KeyMetadata.Arn
	}
	if got := describe("alias/a"); got != first {
		t.Errorf("alias = %s, want %s", got, first)
	}
	s.PointAlias("alias/a", second)
	if got := describe("arn:aws:kms:us-east-1:" + awstest.Account + ":alias/a"); got != second {
		t.Errorf("alias ARN after pointing = %s, want %s", got, second)
	}
}

func TestSignatures_AreVerified(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	s.Key("alias/main", "", nil)
	in := &kms.DescribeKeyInput{KeyId: aws.String("alias/main")}
	wrong := awstest.Root
	wrong.Secret = "other"
	if _, err := client(s, wrong).DescribeKey(t.Context(), in); code(err) != "InvalidSignatureException" {
		t.Errorf("wrong secret: %v", err)
	}
	if _, err := client(s, awstest.AccessKey{ID: "AKIDNOBODY", Secret: "x"}).DescribeKey(t.Context(), in); code(err) != "UnrecognizedClientException" {
		t.Errorf("unknown access key: %v", err)
	}
	resp, err := http.Post(s.URL, "application/x-amz-json-1.1", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("unsigned: %d, want 403", resp.StatusCode)
	}
}

func TestSTS_SaysWhoSigns(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	role := s.Role("svc-a")
	out, err := sts.NewFromConfig(config(s, role)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *out.Arn != role.ARN || *out.Account != awstest.Account {
		t.Errorf("GetCallerIdentity = %+v, %v", out, err)
	}
	role.Secret = "other"
	if _, err := sts.NewFromConfig(config(s, role)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); code(err) != "InvalidSignatureException" {
		t.Errorf("wrong secret: %v", err)
	}
}

func TestIntercept_MakesCallsFail(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	arn := s.Key("", "", nil)
	c := client(s, awstest.Root)
	encrypt := func(ctx context.Context) error {
		_, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(arn), Plaintext: []byte("x")})
		return err
	}
	s.Intercept(func(call awstest.Call) *awstest.Fault {
		return &awstest.Fault{Status: http.StatusBadRequest, Code: "ThrottlingException"}
	})
	if got := code(encrypt(t.Context())); got != "ThrottlingException" {
		t.Errorf("throttled: %s", got)
	}
	s.Intercept(func(awstest.Call) *awstest.Fault { return &awstest.Fault{Hang: true} })
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := encrypt(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging: %v", err)
	}
	s.Intercept(func(awstest.Call) *awstest.Fault { return &awstest.Fault{Lose: true} })
	if err := encrypt(t.Context()); err == nil {
		t.Error("a lost answer looks like success")
	}
	s.Intercept(nil)
	if err := encrypt(t.Context()); err != nil {
		t.Errorf("after removing the fault: %v", err)
	}
	if got := s.Calls("kms", "Encrypt"); got != 4 {
		t.Errorf("Calls = %d, want 4", got)
	}
}
