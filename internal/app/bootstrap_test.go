package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/awstest"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
)

// snoop is a keyring that tells the key it was asked to wrap.
type snoop struct{ key []byte }

func (s *snoop) Wrap(_ context.Context, key []byte, _ keyring.Context) ([]byte, error) {
	s.key = bytes.Clone(key)
	return []byte("wrapped"), nil
}

func (s *snoop) Unwrap(context.Context, []byte, keyring.Context) ([]byte, error) {
	return nil, keyring.ErrRefused
}

// bootstrapBlob seals text as a bootstrap blob under a key file.
func bootstrapBlob(t *testing.T, file *local.File, ec keyring.Context, text string) string {
	t.Helper()
	maker := &snoop{}
	sealer, err := envelope.New(envelope.Options{Keyring: maker, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	value, err := sealer.Seal(t.Context(), "x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := file.Keyring(local.SlotData).Wrap(t.Context(), maker.key, ec)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := json.Marshal(map[string]string{
		"data_key": base64.StdEncoding.EncodeToString(wrapped), "secrets": value.Ciphertext,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(blob)
}

func TestOpenBootstrap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, err := local.Create(filepath.Join(dir, "enckey"), local.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ec := keyring.Context{"type": "bootstrap"}
	const text = "SESSION_SECRET: 'a long secret'\nGRAPHITE_PASSWORD: 0123\nWEBHOOK_USERNAME: null\nOTHER: |\n  two\n  lines\n"
	good := bootstrapBlob(t, file, ec, text)
	named := filepath.Join(dir, "blob.json")
	if err := os.WriteFile(named, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"SESSION_SECRET": "a long secret", "GRAPHITE_PASSWORD": "0123", "OTHER": "two\nlines\n"}
	for name, tt := range map[string]struct {
		blob string
		want map[string]string // nil: an error
	}{
		"inline":           {good, want},
		"in a file":        {"file://" + named, want},
		"missing file":     {"file://" + named + "x", nil},
		"no JSON":          {"gAAAA-s3cret", nil},
		"no data key":      {`{"secrets": "x"}`, nil},
		"wrong context":    {bootstrapBlob(t, file, keyring.Context{"id": "x"}, text), nil},
		"no mapping":       {bootstrapBlob(t, file, ec, "- s3cret\n"), nil},
		"no YAML":          {bootstrapBlob(t, file, ec, "a: [s3cret"), nil},
		"nested":           {bootstrapBlob(t, file, ec, "a: {b: s3cret}"), nil},
		"cut":              {strings.Replace(good, `"secrets":"gAAAA`, `"secrets":"gAAA`, 1), nil},
		"nothing in it":    {bootstrapBlob(t, file, ec, ""), nil},
		"an empty mapping": {bootstrapBlob(t, file, ec, "{}"), map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := config.Load(config.Sources{Environ: []string{"CONFIDANT_DATA_DIR=" + dir, "SECRETS_BOOTSTRAP=" + tt.blob}}, config.ForKeys)
			if err != nil {
				t.Fatal(err)
			}
			got, err := app.OpenBootstrap(t.Context(), cfg, nil, slog.New(slog.DiscardHandler))
			if tt.want == nil {
				var start *app.StartError
				if !errors.As(err, &start) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%v, %v; want a StartError that tells no secret", got, err)
				}
				return
			}
			if err != nil || !maps.Equal(got, tt.want) {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// Not parallel: the SDK takes its access key from the environment.
func TestMakeBootstrap_OverKMS(t *testing.T) {
	double := awstest.New(t)
	key := double.Key("alias/confidant", "", nil)
	t.Setenv("AWS_ACCESS_KEY_ID", awstest.Root.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", awstest.Root.Secret)
	load := func(blob string) *config.Config {
		t.Helper()
		cfg, err := config.Load(config.Sources{Environ: []string{
			"CONFIDANT_DATA_DIR=" + t.TempDir(), "KMS_MASTER_KEY=" + key, "KMS_URL=" + double.URL,
			"AWS_DEFAULT_REGION=us-east-1", "SECRETS_BOOTSTRAP=" + blob,
		}}, config.ForKeys)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	log := slog.New(slog.DiscardHandler)
	const text = "# by hand\nSESSION_SECRET: 'a long secret'\n"
	blob, err := app.MakeBootstrap(t.Context(), load(""), nil, log, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := app.BootstrapText(t.Context(), load(string(blob)), nil, log); err != nil || string(got) != text {
		t.Errorf("BootstrapText = %q, %v; want what was sealed", got, err)
	}
	double.SetEnabled(key, false)
	if blob, err := app.MakeBootstrap(t.Context(), load(""), nil, log, []byte(text)); err == nil || blob != nil {
		t.Errorf("with a disabled key: %q, %v; want an error alone", blob, err)
	}
}
