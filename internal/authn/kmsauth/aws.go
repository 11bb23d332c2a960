package kmsauth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/confidant-secrets/confidant/internal/keyring"
)

// KMS opens tokens by AWS KMS.
type KMS struct{ Client *kms.Client }

var _ Service = KMS{}

// Decrypt opens a ciphertext.
func (k KMS) Decrypt(ctx context.Context, ciphertext []byte, ec map[string]string) ([]byte, string, error) {
	out, err := k.Client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: ciphertext, EncryptionContext: ec})
	if err != nil {
		return nil, "", classify("opening a token", err)
	}
	return out.Plaintext, aws.ToString(out.KeyId), nil
}

// Resolve looks up a key. Earlier documentation of the older service showed bare
// alias names: one that is neither id nor ARN nor alias is tried as an alias too.
func (k KMS) Resolve(ctx context.Context, name string) (string, error) {
	key, err := k.describe(ctx, name)
	if errors.Is(err, keyring.ErrRefused) && !strings.ContainsAny(name, ":/") {
		return k.describe(ctx, "alias/"+name)
	}
	return key, err
}

func (k KMS) describe(ctx context.Context, name string) (string, error) {
	out, err := k.Client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(name)})
	if err != nil {
		return "", classify("looking up a key", err)
	}
	return aws.ToString(out.KeyMetadata.Arn), nil
}

// classify tells what will never open from what may be mended: an unreachable,
// throttled or forbidden key service is no reason to call a token bad. A
// disabled key opens nothing, and its tokens are refused.
func classify(doing string, err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "InvalidCiphertextException", "IncorrectKeyException", "ValidationException", "NotFoundException",
			"InvalidArnException", "DisabledException", "KMSInvalidStateException":
			return fmt.Errorf("%s: %w: %w", doing, keyring.ErrRefused, err)
		}
	}
	return fmt.Errorf("%s: %w: %w", doing, keyring.ErrUnavailable, err)
}
