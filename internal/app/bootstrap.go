package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/envelope"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
)

// bootstrapContext binds the data key of a bootstrap blob, as the older service
// bound it.
func bootstrapContext() keyring.Context { return keyring.Context{"type": "bootstrap"} }

// bootstrapBlob is the blob in JSON: the wrapped data key and a Fernet token of
// YAML text.
type bootstrapBlob struct {
	DataKey string `json:"data_key"`
	Secrets string `json:"secrets"`
}

// OpenBootstrap opens the blob that SECRETS_BOOTSTRAP holds or names, with the
// key that seals credentials, and returns the settings in it by name; nil if
// there is no blob. Every failure is a *StartError, for a server that starts
// without its secrets is worse than one that does not start.
func OpenBootstrap(ctx context.Context, cfg *config.Config, passphrase func() (string, error), log *slog.Logger) (map[string]string, error) {
	if !cfg.Keys.Bootstrap.IsSet() {
		return nil, nil
	}
	text, err := openBootstrap(ctx, cfg, passphrase, log)
	var settings map[string]string
	if err == nil {
		defer clear(text)
		settings, err = BootstrapSettings(text)
	}
	if err != nil {
		return nil, &StartError{Message: "SECRETS_BOOTSTRAP", Cause: err}
	}
	return settings, nil
}

// openBootstrap returns the YAML text in the blob.
func openBootstrap(ctx context.Context, cfg *config.Config, passphrase func() (string, error), log *slog.Logger) ([]byte, error) {
	blob, wrapped, err := readBootstrap(cfg.Keys.Bootstrap.Reveal(), log)
	if err != nil {
		return nil, err
	}
	ring, err := bootstrapKeyring(ctx, cfg, passphrase, log)
	if err != nil {
		return nil, err
	}
	return envelope.OpenOnce(ctx, ring, bootstrapContext(), wrapped, blob.Secrets)
}

// readBootstrap returns the blob that a setting holds or names, and its wrapped
// data key.
func readBootstrap(value string, log *slog.Logger) (*bootstrapBlob, []byte, error) {
	text, err := bootstrapText(value, log)
	if err != nil {
		return nil, nil, err
	}
	blob := &bootstrapBlob{}
	if err := json.Unmarshal(text, blob); err != nil || blob.DataKey == "" || blob.Secrets == "" {
		return nil, nil, errors.New("it is no JSON object with the texts data_key and secrets")
	}
	wrapped, err := base64.StdEncoding.DecodeString(blob.DataKey)
	if err != nil {
		return nil, nil, errors.New("its data_key is no base64")
	}
	return blob, wrapped, nil
}

// text is the blob as it is handed out: one line.
func (b bootstrapBlob) text() ([]byte, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encoding the bootstrap blob: %w", err)
	}
	return append(text, '\n'), nil
}

// bootstrapKeyring is the key that seals credentials, whatever store they are in.
func bootstrapKeyring(ctx context.Context, cfg *config.Config, passphrase func() (string, error), log *slog.Logger) (keyring.Keyring, error) {
	a := &App{cfg: cfg, passphrase: passphrase, log: log}
	if cfg.Keys.KMSMasterKey != "" {
		err := a.openKMS(ctx)
		return a.atRest, err
	}
	key, err := a.readKey()
	if err != nil {
		return nil, err
	}
	return key.Keyring(local.SlotData), nil
}

// bootstrapText returns the blob itself. A text that begins with file:// names a
// file by all that follows.
func bootstrapText(value string, log *slog.Logger) ([]byte, error) {
	path, named := strings.CutPrefix(value, "file://")
	if !named {
		return []byte(value), nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o004 != 0 {
		log.Warn("the bootstrap blob can be read by other users", "file", path)
	}
	return os.ReadFile(path)
}

// BootstrapSettings reads the YAML mapping that a blob holds. A scalar that is no
// text, such as a password of digits, is taken as it was written. Errors tell
// nothing of the values.
func BootstrapSettings(plaintext []byte) (map[string]string, error) {
	var document yaml.Node
	// What the parser says may quote the text, which is secret.
	if err := yaml.NewDecoder(bytes.NewReader(plaintext)).Decode(&document); err != nil {
		return nil, errors.New("what it holds is no YAML")
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("what it holds is no YAML mapping from names to values")
	}
	settings := map[string]string{}
	pairs := document.Content[0].Content
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		if name.Kind != yaml.ScalarNode || value.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("the value of %s is no single text", name.Value)
		}
		if value.Tag == "!!null" {
			continue
		}
		settings[name.Value] = value.Value
	}
	return settings, nil
}
