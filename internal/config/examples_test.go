package config

import (
	"path/filepath"
	"testing"
)

// TestExamples_Load holds every example configuration to the settings.
func TestExamples_Load(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../configs/*.env")
	if err != nil || len(paths) < 3 {
		t.Fatalf("found %d examples, %v", len(paths), err)
	}
	for _, path := range paths {
		c, err := Load(Sources{File: path}, Everything)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if c.Login.UseAuth && len(c.Warnings) > 0 {
			t.Errorf("%s warns: %q", path, c.Warnings)
		}
	}
}
