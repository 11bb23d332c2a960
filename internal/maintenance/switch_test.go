package maintenance_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/maintenance"
)

func TestSwitch_FollowsSettingAndTouchFile(t *testing.T) {
	t.Parallel()
	touch := filepath.Join(t.TempDir(), "off")
	log := slog.New(slog.DiscardHandler)
	if maintenance.NewSwitch(false, "", log).On() {
		t.Error("on without a reason")
	}
	if !maintenance.NewSwitch(true, "", log).On() || !maintenance.NewSwitch(true, touch, log).On() {
		t.Error("off although the setting says on")
	}
	s := maintenance.NewSwitch(false, touch, log)
	for _, present := range []bool{false, true, false} {
		if present {
			if err := os.WriteFile(touch, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		} else {
			_ = os.Remove(touch)
		}
		if got := s.On(); got != present {
			t.Errorf("On() = %v with the file present: %v", got, present)
		}
	}
}

func TestSwitch_AFileThatCannotBeLookedAtCountsAsPresentAndIsLoggedOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := maintenance.NewSwitch(false, filepath.Join(file, "off"), slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		if !s.On() {
			t.Fatal("off although the file cannot be looked at")
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d error lines, want 1:\n%s", n, log.String())
	}
}
