//go:build moto

package awstest_test

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/confidant-secrets/confidant/internal/awstest"
)

// startMoto starts a double of AWS that somebody else wrote, for the time of the
// test. It needs Python with the package moto[server].
func startMoto(t *testing.T) aws.Config {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-m", "moto.server", "-H", "127.0.0.1", "-p", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	url := "http://127.0.0.1:" + port
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(url + "/moto-api/")
		if err == nil {
			_ = resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("moto does not answer: %v", err)
		}
	}
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDMOTO", "secret", ""),
	}
}

// conversation holds the same conversation with a double and returns what came
// of each step, in words that do not depend on ids.
func conversation(t *testing.T, cfg aws.Config) map[string]string {
	t.Helper()
	ctx, c := t.Context(), kms.NewFromConfig(cfg)
	heard := map[string]string{}
	note := func(step string, err error, result ...any) {
		heard[step] = strings.TrimSpace(fmt.Sprintln(result...))
		if err != nil {
			heard[step] = code(err)
		}
	}
	key, err := c.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	id, arn := key.KeyMetadata.KeyId, key.KeyMetadata.Arn
	_, err = c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/main"), TargetKeyId: id})
	note("an alias", err)
	for name, by := range map[string]*string{"id": id, "ARN": arn, "alias": aws.String("alias/main")} {
		out, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: by})
		note("describe by "+name, err, out != nil && out.KeyMetadata != nil && *out.KeyMetadata.Arn == *arn)
	}
	_, err = c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/none")})
	note("describe what is not there", err)

	bound := map[string]string{"from": "svc-a", "to": "confidant"}
	sealed, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String("alias/main"), Plaintext: []byte("text"), EncryptionContext: bound})
	if err != nil {
		t.Fatal(err)
	}
	for name, ec := range map[string]map[string]string{
		"the context": bound, "none": nil, "a part": {"from": "svc-a"},
		"another": {"from": "svc-b", "to": "confidant"}, "more": {"from": "svc-a", "to": "confidant", "x": "y"},
	} {
		out, err := c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: ec})
		text, same := "", false
		if out != nil && out.KeyId != nil {
			text, same = string(out.Plaintext), *out.KeyId == *arn
		}
		note("decrypt under "+name, err, text, same)
	}
	_, err = c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: []byte("no ciphertext of anybody, whatever it is"), EncryptionContext: bound})
	note("decrypt nonsense", err)
	for _, size := range []int{4096, 4097} {
		_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: make([]byte, size)})
		note(fmt.Sprintf("encrypt %d bytes", size), err)
	}
	grant, err := c.CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: id, GranteePrincipal: aws.String("arn:aws:iam::123456789012:role/svc-a"),
		Operations:  []types.GrantOperation{types.GrantOperationEncrypt, types.GrantOperationDecrypt},
		Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"from": "svc-a"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	listed := func(step string) {
		out, err := c.ListGrants(ctx, &kms.ListGrantsInput{KeyId: id, GrantId: grant.GrantId})
		if err != nil || len(out.Grants) == 0 {
			note(step, err, "none")
			return
		}
		g := out.Grants[0]
		note(step, nil, len(out.Grants), *g.GranteePrincipal, g.Operations, g.Constraints.EncryptionContextSubset)
	}
	listed("a grant")
	_, err = c.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: id, GrantId: grant.GrantId})
	note("revoke it", err)
	listed("the grant revoked")

	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	note("who asks", err, who != nil && *who.Account == awstest.Account && strings.HasPrefix(*who.Arn, "arn:aws:"))
	return heard
}

// What the two doubles answer is the same wherever moto is right. It is known to
// be wrong about disabled keys and about the paging and filters of grants, which
// other tests hold this double to.
func TestDouble_AgreesWithMoto(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	ours, theirs := conversation(t, config(s, awstest.Root)), conversation(t, startMoto(t))
	for step, want := range theirs {
		if got := ours[step]; got != want {
			t.Errorf("%s: %q, moto says %q", step, got, want)
		}
	}
	if len(ours) != len(theirs) || len(ours) < 15 {
		t.Errorf("%d and %d steps, want the same and at least 15", len(ours), len(theirs))
	}
}
