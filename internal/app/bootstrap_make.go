package app

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"time"

	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/envelope"
)

// MakeBootstrap seals YAML text as it is with the key that seals credentials and
// returns the blob: one line of JSON, in the form that the older service reads
// too. The error is a *StartError where the key is to blame.
func MakeBootstrap(ctx context.Context, cfg *config.Config, passphrase func() (string, error), log *slog.Logger, text []byte) ([]byte, error) {
	ring, err := bootstrapKeyring(ctx, cfg, passphrase, log)
	if err != nil {
		return nil, &StartError{Message: "the key does not open", Cause: err}
	}
	wrapped, token, err := envelope.SealOnce(ctx, ring, bootstrapContext(), text, time.Now())
	if err != nil {
		return nil, fmt.Errorf("sealing the bootstrap blob: %w", err)
	}
	return bootstrapBlob{base64.StdEncoding.EncodeToString(wrapped), token}.text()
}

// PlaceBootstrap writes a blob to a new file with mode 0600, whole or not at all.
func PlaceBootstrap(path string, blob []byte) error {
	closeToOthers()
	return placeNew(path, blob)
}

// BootstrapText returns the text in the blob that SECRETS_BOOTSTRAP holds or
// names, exactly as it was sealed. Every failure is a *StartError, also that
// there is no blob.
func BootstrapText(ctx context.Context, cfg *config.Config, passphrase func() (string, error), log *slog.Logger) ([]byte, error) {
	if !cfg.Keys.Bootstrap.IsSet() {
		return nil, startError("SECRETS_BOOTSTRAP is not set, so there is no blob to open")
	}
	text, err := openBootstrap(ctx, cfg, passphrase, log)
	if err != nil {
		return nil, &StartError{Message: "SECRETS_BOOTSTRAP", Cause: err}
	}
	return text, nil
}
