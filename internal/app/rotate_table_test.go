package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/confidant-secrets/confidant/internal/awstest/dynamolocal"
)

// One table is rotated again and again, killed at another point each time.
//
// Not parallel: the SDK takes its access key from the environment.
func TestRotateKey_OfATableKilledAnywhereTheNextRunFinishes(t *testing.T) {
	if !dynamolocal.Wanted() {
		return
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "anybody")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "anything")
	dir := t.TempDir()
	const settings = "DYNAMODB_TABLE=confidant DYNAMODB_TABLE_ARCHIVE=confidant-archive DYNAMODB_CREATE_TABLE=true AWS_DEFAULT_REGION=us-east-1 DYNAMODB_URL="
	if err := os.WriteFile(filepath.Join(dir, "table"), []byte(settings+dynamolocal.Start(t).URL), 0o600); err != nil {
		t.Fatal(err)
	}
	seed := newRotationWorld(t, dir)
	before, _ := look(t, dir)
	if err := os.Remove(filepath.Join(dir, "blob.json")); err != nil { // it is of the first key
		t.Fatal(err)
	}
	cfg, err := rotationSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	for point, refused := range fatal {
		_, old := look(t, dir)
		die(t, dir, point, "")
		checkBetween(t, cfg, refused)
		if point != "document settled" {
			done, err := rotate(t.Context(), cfg, unattended())
			// A current row of a table has two copies.
			want := (rotated-rotatedArchived/2)*(rotatedRevisions+1) + rotatedArchived*(rotatedRevisions+1)
			if err != nil || done.DataKeys != want || done.Seeds != 1 || len(done.Refused) > 0 {
				t.Fatalf("killed at %q, the next run: %+v, %v; want %d data keys", point, done, err, want)
			}
		}
		checkRotated(t, dir, before, old, seed)
		if t.Failed() {
			t.Fatalf("killed at %q", point)
		}
	}
}
