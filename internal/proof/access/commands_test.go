package access

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// asAWS, when set in the environment, makes this test binary the AWS command
// line, as far as the page needs it.
const asAWS = "CONFIDANT_TEST_AS_AWS"

func TestMain(m *testing.M) {
	if os.Getenv(asAWS) != "" {
		if err := encrypt(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	server.Main(m)
}

// TestCommands runs the shell examples of the page one after the other, as one
// reads them, against a server over SQLite and a double of KMS. Only the address
// differs.
func TestCommands(t *testing.T) {
	t.Parallel()
	c := cloud.NewKMS(t)
	settings := c.Access()
	maps.Copy(settings, map[string]string{"AUTH_KEY": "alias/authnz", "AUTH_CONTEXT": cloud.Name})
	p := server.New(t, settings)
	s := p.Start()

	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", s.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shim := fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", asAWS, test)
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte(shim), 0o700); err != nil {
		t.Fatal(err)
	}

	var script strings.Builder
	for _, b := range blocks(t, "sh") {
		script.WriteString(strings.ReplaceAll(b.text, "http://127.0.0.1:8080", s.BaseURL))
	}
	shell := exec.Command("bash", "-euo", "pipefail")
	shell.Dir, shell.Stdin = t.TempDir(), strings.NewReader(script.String())
	shell.Env = []string{"PATH=" + dir + ":" + filepath.Dir(program) + ":" + os.Getenv("PATH"), "CONFIDANT_DATA_DIR=" + p.DataDir}
	for name, value := range settings {
		shell.Env = append(shell.Env, name+"="+value)
	}
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\nserver:\n%s", err, out, s.Log())
	}
	for _, want := range []string{
		`"email":"ada"`,
		"\n401 after revoke-before\n",
		"\n401 without a proof\n",
		"\n403 with a KMS token that is none\n",
		"\n403 what the policies do not allow\n",
		"\n404 SAML, which is not in use\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if got := strings.Count(string(out), `"id":"web-production"`); got != 3 {
		t.Errorf("the service is answered %d times, want 3: made, by its API token, by its KMS token\n%s", got, out)
	}
	if got := c.AWS.Calls("kms", "Decrypt"); got != 2 {
		t.Errorf("KMS was asked for %d tokens, want 2: the good one, once, and the bad one", got)
	}
}

// encrypt is "aws kms encrypt" with the arguments that the page gives.
func encrypt(args []string) error {
	given := map[string]string{}
	if len(args) < 2 || args[0] != "kms" || args[1] != "encrypt" || len(args)%2 != 0 {
		return errors.New("usage: aws kms encrypt --name value ...")
	}
	for i := 2; i < len(args); i += 2 {
		given[args[i]] = args[i+1]
	}
	file, isFile := strings.CutPrefix(given["--plaintext"], "fileb://")
	if !isFile || given["--query"] != "CiphertextBlob" || given["--output"] != "text" || len(given) != 5 {
		return fmt.Errorf("these arguments are not known here: %q", args)
	}
	plaintext, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	encryptionContext := map[string]string{}
	for pair := range strings.SplitSeq(given["--encryption-context"], ",") {
		name, value, _ := strings.Cut(pair, "=")
		encryptionContext[name] = value
	}
	client := kms.New(kms.Options{
		Region: os.Getenv("AWS_DEFAULT_REGION"), BaseEndpoint: aws.String(os.Getenv("KMS_URL")),
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})
	sealed, err := client.Encrypt(context.Background(), &kms.EncryptInput{
		KeyId: aws.String(given["--key-id"]), Plaintext: plaintext, EncryptionContext: encryptionContext,
	})
	if err != nil {
		return err
	}
	fmt.Println(base64.StdEncoding.EncodeToString(sealed.CiphertextBlob))
	return nil
}
