package awskms_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/confidant-secrets/confidant/internal/awstest"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/awskms"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
)

func client(s *awstest.Server) *kms.Client {
	return kms.New(kms.Options{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(s.URL),
		Credentials:      credentials.NewStaticCredentialsProvider(awstest.Root.ID, awstest.Root.Secret, ""),
		RetryMaxAttempts: 1,
		HTTPClient:       &http.Client{Timeout: 2 * time.Second},
	})
}

func open(t *testing.T, s *awstest.Server, alias string) keyring.Keyring {
	t.Helper()
	k, err := awskms.New(client(s), alias, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyring_KeepsItsPromises(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	s.Key("alias/one", "", nil)
	// KMS finds the key by itself, so that what another server's KMS wrapped
	// is simply unknown.
	other := awstest.New(t)
	other.Key("alias/other", "", nil)
	keyringtest.Run(t, keyringtest.Suite{
		Open:  func(t *testing.T) keyring.Keyring { return open(t, s, "alias/one") },
		Other: func(t *testing.T) keyring.Keyring { return open(t, other, "alias/other") },
		Unreachable: func(t *testing.T) keyring.Keyring {
			down := awstest.New(t)
			down.Intercept(func(awstest.Call) *awstest.Fault {
				return &awstest.Fault{Status: http.StatusServiceUnavailable, Code: "KMSInternalException"}
			})
			return open(t, down, "alias/one")
		},
	})
}

func TestUnwrap_TellsWhatNeverOpensFromWhatMayBeMended(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	arn := s.Key("alias/one", "", nil)
	k := open(t, s, "alias/one")
	ec := keyring.Context{"id": "a"}
	wrapped, err := k.Wrap(t.Context(), []byte("data key"), ec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unwrap(t.Context(), wrapped, keyring.Context{"id": "b"}); !errors.Is(err, keyring.ErrRefused) {
		t.Errorf("another context: %v, want ErrRefused", err)
	}
	s.SetEnabled(arn, false)
	if _, err := k.Unwrap(t.Context(), wrapped, ec); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("a disabled key: %v, want ErrUnavailable", err)
	}
	s.SetEnabled(arn, true)
	for _, code := range []string{"ThrottlingException", "AccessDeniedException", "DependencyTimeoutException", "KMSInternalException"} {
		s.Intercept(func(awstest.Call) *awstest.Fault { return &awstest.Fault{Status: http.StatusBadRequest, Code: code} })
		if _, err := k.Unwrap(t.Context(), wrapped, ec); !errors.Is(err, keyring.ErrUnavailable) || errors.Is(err, keyring.ErrRefused) {
			t.Errorf("%s: %v, want ErrUnavailable alone", code, err)
		}
	}
	s.Intercept(nil)
	if got, err := k.Unwrap(t.Context(), wrapped, ec); err != nil || string(got) != "data key" {
		t.Errorf("after all that: %q, %v", got, err)
	}
}

func TestUnwrap_OpensWhatWasWrappedBeforeTheAliasMoved(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	s.Key("alias/one", "", nil)
	second := s.Key("", "", nil)
	k := open(t, s, "alias/one")
	wrapped, err := k.Wrap(t.Context(), []byte("data key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.PointAlias("alias/one", second)
	if got, err := k.Unwrap(t.Context(), wrapped, nil); err != nil || string(got) != "data key" {
		t.Errorf("Unwrap = %q, %v", got, err)
	}
}

func TestKeyring_CountsCallsAndNeverGenerates(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	s.Key("alias/one", "", nil)
	var calls atomic.Int32
	k, err := awskms.New(client(s), "alias/one", func() { calls.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := k.Wrap(t.Context(), []byte("data key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unwrap(t.Context(), wrapped, nil); err != nil {
		t.Fatal(err)
	}
	if calls.Load() != 2 || s.Calls("kms", "Encrypt") != 1 || s.Calls("kms", "Decrypt") != 1 || s.Calls("kms", "GenerateDataKey") != 0 {
		t.Errorf("%d calls counted, %d Encrypt, %d Decrypt; want 2, 1, 1", calls.Load(), s.Calls("kms", "Encrypt"), s.Calls("kms", "Decrypt"))
	}
}
