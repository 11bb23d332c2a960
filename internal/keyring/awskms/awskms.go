// Package awskms wraps data keys under a key of AWS KMS. It calls Encrypt and
// Decrypt alone: a key drawn by GenerateDataKey would have another form than the
// older service can read.
package awskms

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/confidant-secrets/confidant/internal/keyring"
)

// Keyring is one key of KMS.
type Keyring struct {
	client *kms.Client
	key    string
	count  func()
}

var _ keyring.Keyring = (*Keyring)(nil)

// New returns the keyring of a key: "alias/…", a key id or an ARN. count, if not
// nil, is called once per call to KMS.
func New(client *kms.Client, key string, count func()) (*Keyring, error) {
	if client == nil || key == "" {
		return nil, errors.New("awskms: client and key are needed")
	}
	if count == nil {
		count = func() {}
	}
	return &Keyring{client: client, key: key, count: count}, nil
}

// Wrap encrypts a data key.
func (k *Keyring) Wrap(ctx context.Context, key []byte, ec keyring.Context) ([]byte, error) {
	k.count()
	out, err := k.client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(k.key), Plaintext: key, EncryptionContext: ec})
	if err != nil {
		return nil, classify(ctx, "wrapping a data key", err)
	}
	return out.CiphertextBlob, nil
}

// Unwrap decrypts a data key. It names no key: the ciphertext does, so that what
// was wrapped before an alias moved still opens.
func (k *Keyring) Unwrap(ctx context.Context, wrapped []byte, ec keyring.Context) ([]byte, error) {
	if len(wrapped) == 0 {
		return nil, fmt.Errorf("unwrapping a data key: %w: it is empty", keyring.ErrRefused)
	}
	k.count()
	out, err := k.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: wrapped, EncryptionContext: ec})
	if err != nil {
		return nil, classify(ctx, "unwrapping a data key", err)
	}
	return out.Plaintext, nil
}

// refusals are the errors that say that this ciphertext will never open, however
// often one tries. Everything else (no permission, a disabled key, throttling,
// no answer) may be mended without touching the row.
var refusals = []string{"InvalidCiphertextException", "IncorrectKeyException", "ValidationException"}

func classify(ctx context.Context, doing string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	var api smithy.APIError
	if errors.As(err, &api) && slices.Contains(refusals, api.ErrorCode()) {
		return fmt.Errorf("%s: %w: %w", doing, keyring.ErrRefused, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, keyring.ErrUnavailable, err)
}
