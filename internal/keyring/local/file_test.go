package local_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/keyringtest"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
)

func TestKeyring_KeepsItsPromises(t *testing.T) {
	t.Parallel()
	file, other := create(t, local.CreateOptions{}), create(t, local.CreateOptions{})
	for _, slot := range []local.Slot{local.SlotData, local.SlotTokens, local.SlotSecrets} {
		t.Run(slot.String(), func(t *testing.T) {
			t.Parallel()
			keyringtest.Run(t, keyringtest.Suite{
				Open:          func(*testing.T) keyring.Keyring { return file.Keyring(slot) },
				Other:         func(*testing.T) keyring.Keyring { return other.Keyring(slot) },
				TellsOtherKey: true,
			})
		})
	}
}

func TestKeyring_NoSlotOpensAnothersBoxes(t *testing.T) {
	t.Parallel()
	file := create(t, local.CreateOptions{})
	ec := keyring.Context{"id": "one"}
	wrapped, err := file.Keyring(local.SlotData).Wrap(t.Context(), []byte("key"), ec)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range []local.Slot{local.SlotTokens, local.SlotSecrets} {
		if _, err := file.Keyring(slot).Unwrap(t.Context(), wrapped, ec); !errors.Is(err, keyring.ErrOtherKey) {
			t.Errorf("slot %v: %v, want ErrOtherKey", slot, err)
		}
	}
}

// The values come from another implementation of HKDF and AES-GCM. They must
// never change: boxes and tokens of every installation hang on them.
func TestFile_DerivationsAreFixed(t *testing.T) {
	t.Parallel()
	file := create(t, local.CreateOptions{Base64: countingKey()})
	if got, want := file.Fingerprint(), "a7cb6e78e2a27180"; got != want {
		t.Errorf("Fingerprint() = %s, want %s", got, want)
	}
	for _, tt := range []struct {
		slot   local.Slot
		box    string // of dataKey under {"id": "one"}
		secret string // 32 bytes for the label "api-token"
	}{
		{
			local.SlotData,
			"01a7cb6e78e2a271806465666768696a6b6c6d6e6f906dbc6014c028ab4d47010b0bcc7b8fe0ec26bda7ebf7cef1e50f3a76357f1212d765c1f256fa1a11e4253a8478be76be65dee2aefa8ccf1d9a8aae",
			"93d312852980ab0f9ccc9a7ce93e41fdfdfc4057f12af76ddc17ada90f8056e3",
		},
		{
			local.SlotTokens,
			"0129add7ba6e4079806465666768696a6b6c6d6e6f8ea1cd8b2d54f49e85d435ecc1e132426e68a4c54ca587d68f774db72b36675f92ab47b3dd167b9a93a791cd5526c8fac7550124b6a95b39619e90bb",
			"f7bc0a8664f22f0d328bfd93220ea565c6a594a83baa6b6d2dd2db49a18126eb",
		},
		{
			local.SlotSecrets,
			"01078f0452fbcb60756465666768696a6b6c6d6e6f8ab9479b55a13e77c4fe0596f27c663a8f426cb6f51b5ebe6f85ea5be1e068dc5b361e11c5b1f82b726e1d42e15e197456a64ba27b4b8968879ac645",
			"c235588c7f614f8f2f7d1955b887e6c0b1ffe0a058a2f20131529b6a763fa4da",
		},
	} {
		box, err := hex.DecodeString(tt.box)
		if err != nil {
			t.Fatal(err)
		}
		const dataKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
		got, err := file.Keyring(tt.slot).Unwrap(t.Context(), box, keyring.Context{"id": "one"})
		if err != nil || string(got) != dataKey {
			t.Errorf("slot %v: Unwrap = %q, %v; want %q", tt.slot, got, err, dataKey)
		}
		if got := hex.EncodeToString(file.Derive(tt.slot, "api-token", 32)); got != tt.secret {
			t.Errorf("slot %v: Derive = %s, want %s", tt.slot, got, tt.secret)
		}
	}
}

func TestDerive_SeparatesSlotsLabelsAndFiles(t *testing.T) {
	t.Parallel()
	file, other := create(t, local.CreateOptions{}), create(t, local.CreateOptions{})
	seen := map[string]string{}
	for name, got := range map[string][]byte{
		"tokens a":       file.Derive(local.SlotTokens, "a", 32),
		"tokens b":       file.Derive(local.SlotTokens, "b", 32),
		"secrets a":      file.Derive(local.SlotSecrets, "a", 32),
		"other tokens a": other.Derive(local.SlotTokens, "a", 32),
	} {
		if len(got) != 32 {
			t.Errorf("%s: %d bytes, want 32", name, len(got))
		}
		if same, ok := seen[string(got)]; ok {
			t.Errorf("%s and %s are the same", name, same)
		}
		seen[string(got)] = name
	}
	if !bytes.Equal(file.Derive(local.SlotTokens, "a", 64), file.Derive(local.SlotTokens, "a", 64)) {
		t.Error("Derive gives two answers to one question")
	}
}

func TestFile_ShowsNoKey(t *testing.T) {
	t.Parallel()
	file := create(t, local.CreateOptions{Base64: countingKey()})
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "file", file)
	encoded, err := json.Marshal(map[string]any{"file": file})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", file, file, file, file), log.String(), string(encoded)} {
		for _, piece := range []string{"1 2 3", "0x1", "010203", "AAEC", "keys"} {
			if strings.Contains(text, piece) {
				t.Errorf("%q shows %q", text, piece)
			}
		}
	}
}

func TestSecret_ShowsNothing(t *testing.T) {
	t.Parallel()
	o := local.CreateOptions{Base64: "hidden-key", Passphrase: "hidden-phrase"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("creating", "options", o, "secret", o.Base64)
	encoded, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", o, o, o), log.String(), string(encoded)} {
		if strings.Contains(text, "hidden") || !strings.Contains(text, "[secret]") {
			t.Errorf("%q shows a secret, or hides that there is one", text)
		}
	}
}
