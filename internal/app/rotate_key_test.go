package app

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/config"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/keyring/local"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// TestMain lets this program rotate a key and be killed meanwhile.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ROTATE_AND_DIE"); dir != "" {
		os.Exit(rotateAndDie(dir, os.Getenv("POINT")))
	}
	os.Exit(m.Run())
}

// dieAfter is how often a point is passed that a run passes often.
const dieAfter = 7

func rotateAndDie(dir, point string) int {
	cfg, err := rotationSettings(dir)
	if err == nil {
		in := unattended()
		in.Passphrase = os.Getenv("NEW_PASSPHRASE")
		left := 1
		if strings.HasPrefix(point, "within") {
			left = dieAfter
		}
		in.reached = func(at string) {
			if at != point {
				return
			}
			if left--; left == 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // until the signal arrives
			}
		}
		_, err = rotate(context.Background(), cfg, in)
	}
	fmt.Fprintln(os.Stderr, "not killed:", err)
	return 1
}

func rotationSettings(dir string) (*config.Config, error) {
	environ := []string{"CONFIDANT_DATA_DIR=" + filepath.Join(dir, "data"), "PORT=0"}
	if blob := filepath.Join(dir, "blob.json"); exists(blob) {
		environ = append(environ, "SECRETS_BOOTSTRAP=file://"+blob)
	}
	if table, err := os.ReadFile(filepath.Join(dir, "table")); err == nil {
		environ = append(environ, strings.Fields(string(table))...)
	}
	if words, err := os.ReadFile(filepath.Join(dir, "passphrase")); err == nil {
		environ = append(environ, "ENCKEY_PASSPHRASE="+string(words))
	}
	return config.Load(config.Sources{Environ: environ}, config.ForData|config.ForStore|config.ForKeys|config.ForAudit)
}

func unattended() KeyRotation {
	return KeyRotation{NoBackup: true, Confirm: func(KeyRotationPlan) error { return nil }}
}

// lockWithin is how long these tests wait for the database: a program that another
// of them starts holds the lock for a moment, between its fork and its exec.
const lockWithin = 10 * time.Second

// withoutKey are the options of a command that opens no key by itself.
func withoutKey(cfg *config.Config) Options {
	o := Options{Lock: maintenance.Exclusive, LockTimeout: lockWithin, Operator: "cli:tester", AuditTo: io.Discard, Log: slog.New(slog.DiscardHandler)}
	if !cfg.Storage.Embedded() {
		o.Lock = maintenance.Shared
	}
	return o
}

// asServer are the options of a server, whatever the store.
func asServer() Options {
	o := firstStart()
	o.AuditTo, o.LockTimeout = io.Discard, lockWithin
	return o
}

// rotate does what the command does.
func rotate(ctx context.Context, cfg *config.Config, in KeyRotation) (KeyRotated, error) {
	a, err := Open(ctx, cfg, config.ForData|config.ForStore|config.ForAudit, withoutKey(cfg))
	if err != nil {
		return KeyRotated{}, err
	}
	done, err := a.RotateKey(ctx, in)
	return done, errors.Join(err, a.Close())
}

// The world of these tests: more rows than one batch takes.
const (
	rotated          = 220 // credentials
	rotatedRevisions = 3
	rotatedArchived  = 20 // of them are in the archive, and every second is restored
)

func plaintextOf(id string, n int) string { return fmt.Sprintf("pairs of %s at %d", id, n) }

// newRotationWorld makes a data directory and returns the seed of the one-time
// codes of the account "ada".
func newRotationWorld(t *testing.T, dir string) []byte {
	t.Helper()
	cfg, err := rotationSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), cfg, allRooms, asServer())
	if err != nil {
		t.Fatal(err)
	}
	for i := range rotated {
		id := fmt.Sprintf("%032x", i+1)
		rows := make([]*credential.Credential, rotatedRevisions)
		for n := range rows {
			rows[n] = &credential.Credential{
				Meta: revision.Meta{ID: id, Revision: n + 1, ModifiedDate: time.Unix(1e9+int64(i), 0).UTC(), ModifiedBy: "x"},
				Name: "name of " + id, Enabled: true,
			}
			if rows[n].Sealed, err = a.sealer.Seal(t.Context(), id, []byte(plaintextOf(id, n+1))); err != nil {
				t.Fatal(err)
			}
		}
		places := []store.Revisions[credential.Credential]{a.store.Credentials()}
		if i < rotatedArchived {
			if places[0] = a.store.ArchivedCredentials(); i%2 == 0 {
				places = append(places, a.store.Credentials())
			}
		}
		for _, place := range places {
			if _, err := place.Import(t.Context(), rows[len(rows)-1], rows); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := MakeBootstrap(t.Context(), cfg, nil, a.log, []byte("SESSION_SECRET: of the blob, and long enough\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := PlaceBootstrap(filepath.Join(dir, "blob.json"), text); err != nil {
		t.Fatal(err)
	}
	seed := enrol(t, a)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if cfg.Storage.Embedded() {
		strandRows(t, databasePath(cfg))
	}
	return seed
}

// strandRows leaves history without a current row, as the older service may.
func strandRows(t *testing.T, database string) {
	t.Helper()
	db, err := sql.Open("sqlite", database)
	if err != nil {
		t.Fatal(err)
	}
	const columns = "noun, id, revision, modified, modified_by, enabled, name, cipher_version, data_key, credential_pairs"
	_, err = db.ExecContext(t.Context(), "INSERT INTO history ("+columns+") SELECT "+columns+
		" FROM archive_history WHERE id NOT IN (SELECT id FROM current)")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func enrol(t *testing.T, a *App) (seed []byte) {
	t.Helper()
	if _, err := a.Accounts.Add(t.Context(), a.Operator, account.NewAccount{Name: "ada"}); err != nil {
		t.Fatal(err)
	}
	codes, err := a.Accounts.NewTOTP(t.Context(), a.Operator, "ada")
	if err != nil {
		t.Fatal(err)
	}
	uri, err := url.Parse(string(codes.URI))
	if err != nil {
		t.Fatal(err)
	}
	if seed, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(uri.Query().Get("secret")); err != nil {
		t.Fatal(err)
	}
	// The code of the step before leaves the present one to be used. It is refused
	// if the present one ends this moment.
	for range 2 {
		_, err = a.Accounts.EnrolTOTP(t.Context(), a.Operator, "ada", codes, oneTimeCode(seed, time.Now().Add(-30*time.Second)))
		if err == nil {
			return seed
		}
	}
	t.Fatal(err)
	return nil
}

// oneTimeCode is that of RFC 6238 with the usual parameters.
func oneTimeCode(seed []byte, at time.Time) account.Secret {
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	from := sum[len(sum)-1] & 15
	return account.Secret(fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[from:from+4])&0x7fffffff%1_000_000))
}

// rowsOf returns all rows of both spaces by place and key.
func rowsOf(t *testing.T, a *App) map[string]*credential.Credential {
	t.Helper()
	all := map[string]*credential.Credential{}
	for place, rows := range map[string]store.Revisions[credential.Credential]{
		"main": a.store.Credentials(), "archive": a.store.ArchivedCredentials(),
	} {
		history, err := rows.History(t.Context(), "", revision.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range history.Items {
			all[place+" "+revision.Key(row.ID, row.Revision)] = row
		}
		current, err := rows.List(t.Context(), revision.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range current.Items {
			if all[place+" "+row.ID], err = rows.Get(t.Context(), row.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// checkRotated holds a world whose key is rotated to all that was promised.
func checkRotated(t *testing.T, dir string, before map[string]*credential.Credential, old *local.File, seed []byte) {
	t.Helper()
	cfg, err := rotationSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	a := open(t, cfg, asServer())
	if a.key.Fingerprint() == old.Fingerprint() {
		t.Fatal("the key is still the old one")
	}
	after := rowsOf(t, a)
	for key, row := range before {
		now := after[key]
		switch {
		case now == nil:
			t.Fatalf("%s is gone", key)
		case now.Sealed.Ciphertext != row.Sealed.Ciphertext:
			t.Fatalf("%s: the ciphertext changed", key)
		}
		pairs, err := a.sealer.Open(t.Context(), now.ID, now.Sealed)
		if err != nil || string(pairs) != plaintextOf(now.ID, now.Revision) {
			t.Fatalf("%s opens as %q, %v", key, pairs, err)
		}
		_, err = old.Keyring(local.SlotData).Unwrap(t.Context(), now.Sealed.DataKey, keyring.Context{"id": now.ID})
		if !errors.Is(err, keyring.ErrOtherKey) {
			t.Fatalf("%s under the old key: %v, want ErrOtherKey", key, err)
		}
		// Copies that were equal stay so, or a restored credential could never be archived again.
		_, name, _ := strings.Cut(key, " ")
		if twin := after["archive "+name]; twin != nil && !bytes.Equal(twin.Sealed.DataKey, now.Sealed.DataKey) {
			t.Fatalf("%s has another data key in the archive", key)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d rows, want %d", len(after), len(before))
	}
	checkSeed(t, a, old, seed)
	body, _, err := a.remembered(t.Context())
	if err != nil || body.Rotation != nil || body.Fingerprint != a.key.Fingerprint() {
		t.Errorf("the document says %+v, %v", body, err)
	}
	if cfg.Storage.Embedded() {
		checkFiles(t, dir, a.key, old)
		one, _ := a.Accounts.Generation("ada")
		if _, err := a.Accounts.VerifyCode(t.Context(), "ada", one, oneTimeCode(seed, time.Now())); err != nil {
			t.Errorf("a one-time code: %v", err)
		}
	}
}

// checkSeed checks that the present key opens the seed of one-time codes, and the
// old one does not.
func checkSeed(t *testing.T, a *App, old *local.File, seed []byte) {
	t.Helper()
	d, err := a.store.Documents().Get(t.Context(), "account", "ada")
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		TOTP struct {
			Seed []byte `json:"seed"`
		} `json:"totp"`
	}
	if err := json.Unmarshal(d.Body, &body); err != nil {
		t.Fatal(err)
	}
	ec := keyring.Context{"purpose": "account", "id": "ada"}
	if got, err := a.secrets().Unwrap(t.Context(), body.TOTP.Seed, ec); err != nil || !bytes.Equal(got, seed) {
		t.Errorf("the seed of one-time codes opens as %x, %v", got, err)
	}
	if _, err := old.Keyring(local.SlotSecrets).Unwrap(t.Context(), body.TOTP.Seed, ec); !errors.Is(err, keyring.ErrOtherKey) {
		t.Errorf("the seed under the old key: %v, want ErrOtherKey", err)
	}
}

func checkFiles(t *testing.T, dir string, young, old *local.File) {
	t.Helper()
	kept, err := filepath.Glob(filepath.Join(dir, "data", "enckey"+keptSuffix+"*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("old key files %q, %v; want one", kept, err)
	}
	if f, err := local.Open(kept[0], nil); err != nil || f.Fingerprint() != old.Fingerprint() {
		t.Errorf("%s: %v, %v; want the old key", kept[0], f, err)
	}
	if next := filepath.Join(dir, "data", "enckey"+rotatingSuffix); exists(next) {
		t.Errorf("%s is left", next)
	}
	blob := filepath.Join(dir, "data", "bootstrap."+young.Fingerprint()+".json")
	info, err := os.Stat(blob)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the bootstrap blob: %v, %v; want mode 0600", info, err)
	}
	cfg, err := config.Load(config.Sources{Environ: []string{
		"CONFIDANT_DATA_DIR=" + filepath.Join(dir, "data"), "SECRETS_BOOTSTRAP=file://" + blob,
	}}, config.ForKeys)
	if err != nil {
		t.Fatal(err)
	}
	set, err := OpenBootstrap(t.Context(), cfg, nil, slog.New(slog.DiscardHandler))
	if want := map[string]string{"SESSION_SECRET": "of the blob, and long enough"}; err != nil || !maps.Equal(set, want) {
		t.Errorf("the bootstrap blob opens as %v, %v", set, err)
	}
}

// The points at which a rotation is killed, and whether a server must refuse the
// data then.
var fatal = map[string]bool{
	"new key file written":             false,
	"document names both keys":         true,
	"within a batch of the main store": true,
	"between batches":                  true,
	"within a batch of the archive":    true,
	"data keys wrapped anew":           true,
	"among the seeds":                  true,
	"seeds wrapped anew":               true,
	"bootstrap blob wrapped anew":      true,
	"old key file kept":                true,
	"new key file in place":            true,
	"document settled":                 false,
}

func TestRotateKey_KilledAnywhereTheNextRunFinishes(t *testing.T) {
	t.Parallel()
	world := t.TempDir()
	seed := newRotationWorld(t, world)
	before, old := look(t, world)
	for point, refused := range fatal {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(world)); err != nil {
				t.Fatal(err)
			}
			die(t, dir, point, "")
			cfg, err := rotationSettings(dir)
			if err != nil {
				t.Fatal(err)
			}
			checkBetween(t, cfg, refused)
			if point != "document settled" {
				done, err := rotate(t.Context(), cfg, unattended())
				if err != nil {
					t.Fatalf("the next run: %v", err)
				}
				// Both copies of a current row are one row here.
				if want := (rotated + rotatedArchived) * rotatedRevisions; done.DataKeys != want || done.Seeds != 1 || len(done.Refused) > 0 {
					t.Errorf("the next run: %+v, want %d data keys", done, want)
				}
			}
			checkRotated(t, dir, before, old, seed)
		})
	}
}

// look returns what a world holds and its key.
func look(t *testing.T, dir string) (map[string]*credential.Credential, *local.File) {
	t.Helper()
	cfg, err := rotationSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), cfg, allRooms, asServer())
	if err != nil {
		t.Fatal(err)
	}
	rows, key := rowsOf(t, a), a.key
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return rows, key
}

func die(t *testing.T, dir, point, passphrase string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROTATE_AND_DIE="+dir, "POINT="+point, "NEW_PASSPHRASE="+passphrase)
	out, err := cmd.CombinedOutput()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("not killed at %q: %v\n%s", point, err, out)
	}
}

// checkBetween checks that a server takes the data whole or not at all.
func checkBetween(t *testing.T, cfg *config.Config, refused bool) {
	t.Helper()
	a, err := Open(t.Context(), cfg, allRooms, asServer())
	if err == nil {
		err = a.Close()
	}
	if !refused && err != nil {
		t.Errorf("a server does not start: %v", err)
	}
	var start *StartError
	if refused && (!errors.As(err, &start) || !strings.Contains(err.Error(), "confidant setup rotate-enckey")) {
		t.Errorf("a server: %v, want a StartError that says what to do", err)
	}
	check, err := Open(t.Context(), cfg, config.ForData, withoutKey(cfg))
	if err != nil {
		t.Fatal(err)
	}
	k, err := check.CheckKeyFile(t.Context())
	if err := errors.Join(err, check.Close()); err != nil {
		t.Fatal(err)
	}
	if (k.RotatingTo != "") != refused || k.Belongs() == refused {
		t.Errorf("CheckKeyFile = %+v, want a rotation unfinished: %v", k, refused)
	}
}

// What ends by itself in the middle says so, and the next run finishes.
func TestRotateKey_InterruptedFinishesTheBatchInHand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seed := newRotationWorld(t, dir)
	before, old := look(t, dir)
	cfg, err := rotationSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	in := unattended()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in.reached = func(at string) {
		if at == "within a batch of the main store" {
			cancel()
		}
	}
	done, err := rotate(ctx, cfg, in)
	if !errors.Is(err, context.Canceled) || !done.Begun || done.DataKeys == 0 || done.DataKeys >= len(before) {
		t.Errorf("interrupted: %+v, %v; want some keys done", done, err)
	}
	checkBetween(t, cfg, true)
	if _, err := rotate(t.Context(), cfg, unattended()); err != nil {
		t.Fatal(err)
	}
	checkRotated(t, dir, before, old, seed)
}

// With the new file in place neither the old passphrase nor the new one opens
// both.
func TestRotateKey_KilledOnTheWayToANewPassphrase(t *testing.T) {
	t.Parallel()
	const first, second = "correct horse battery", "battery horse correct"
	dir := t.TempDir()
	write := func(words string) *config.Config {
		if err := os.WriteFile(filepath.Join(dir, "passphrase"), []byte(words), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := rotationSettings(dir)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	cfg := write(first)
	if err := os.Mkdir(cfg.Storage.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Create(cfg.Keys.File, local.CreateOptions{Passphrase: first, WorkFactor: 1}); err != nil {
		t.Fatal(err)
	}
	_, old := look(t, dir)
	die(t, dir, "new key file in place", second)
	_, err := Open(t.Context(), cfg, allRooms, asServer())
	if start, ok := errors.AsType[*StartError](err); !ok || !strings.Contains(start.Message, "rotate-enckey") {
		t.Errorf("a server with the old passphrase: %v, want the unfinished rotation", err)
	}
	if _, err := rotate(t.Context(), cfg, unattended()); fault.KindOf(err) != fault.Denied {
		t.Errorf("the next run with the old passphrase alone: %v, want Denied", err)
	}
	in := unattended()
	in.Passphrase = second
	done, err := rotate(t.Context(), cfg, in)
	if err != nil || !done.Reprotected || !done.Encrypted || done.From != old.Fingerprint() {
		t.Errorf("the next run: %+v, %v; want a file with the new passphrase", done, err)
	}
	write(second)
	if _, now := look(t, dir); now.Fingerprint() != done.Fingerprint {
		t.Errorf("the key is %v, want %s", now, done.Fingerprint)
	}
}

func TestRotateKey_LeavesAloneAndTellsWhatNeitherKeyOpens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg, err := rotationSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), cfg, allRooms, asServer())
	if err != nil {
		t.Fatal(err)
	}
	row := &credential.Credential{Meta: revision.Meta{ID: "x", Revision: 1, ModifiedDate: time.Unix(1e9, 0), ModifiedBy: "x"}, Name: "x"}
	row.Sealed.Ciphertext, row.Sealed.DataKey, row.Sealed.Version = "of another service", []byte("of another service"), 2
	if _, err := a.store.Credentials().Import(t.Context(), row, []*credential.Credential{row}); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	done, err := rotate(t.Context(), cfg, unattended())
	if err != nil || len(done.Refused) != 1 || done.Refused[0] != "x-1" || done.DataKeys != 0 {
		t.Fatalf("%+v, %v; want x-1 refused and the rotation done", done, err)
	}
	after, _ := look(t, dir)
	if got := string(after["main x"].Sealed.DataKey); got != "of another service" {
		t.Errorf("its data key is %q now", got)
	}
}

func TestRotateKey_RefusesBeforeAnythingChanges(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	for name, tt := range map[string]struct {
		environ []string
		change  func(dir string, in *KeyRotation) error
		kind    fault.Kind // zero: a StartError, or no
	}{
		"with a key in KMS":        {environ: []string{"KMS_MASTER_KEY=alias/x", "AWS_DEFAULT_REGION=us-east-1"}, kind: fault.Invalid},
		"without a fresh backup":   {change: func(_ string, in *KeyRotation) error { in.NoBackup = false; return nil }, kind: fault.Denied},
		"a passphrase for a plain": {change: func(_ string, in *KeyRotation) error { in.Passphrase = "correct horse battery"; return nil }, kind: fault.Invalid},
		"when told so": {change: func(_ string, in *KeyRotation) error {
			in.Confirm = func(KeyRotationPlan) error { return no }
			return nil
		}},
		"with a blob that does not open": {environ: []string{`SECRETS_BOOTSTRAP={"data_key": "AAAA", "secrets": "x"}`}},
		"with a key of another database": {change: func(dir string, _ *KeyRotation) error {
			if err := os.Remove(filepath.Join(dir, "enckey")); err != nil {
				return err
			}
			_, err := local.Create(filepath.Join(dir, "enckey"), local.CreateOptions{})
			return err
		}},
		"with something else under its next name": {change: func(dir string, _ *KeyRotation) error {
			return os.WriteFile(filepath.Join(dir, "enckey"+rotatingSuffix), []byte("mine"), 0o600)
		}, kind: fault.Exists},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			load := func(more ...string) *config.Config {
				cfg, err := config.Load(config.Sources{Environ: append(more, "CONFIDANT_DATA_DIR="+dir)}, config.ForKeys)
				if err != nil {
					t.Fatal(err)
				}
				return cfg
			}
			a, err := Open(t.Context(), load(), allRooms, asServer())
			if err != nil {
				t.Fatal(err)
			}
			belongs := a.key.Fingerprint()
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			in := unattended()
			if tt.change != nil {
				if err := tt.change(dir, &in); err != nil {
					t.Fatal(err)
				}
			}
			done, err := rotate(t.Context(), load(tt.environ...), in)
			var start *StartError
			switch {
			case err == nil || done.Begun:
				t.Errorf("%+v, %v; want a refusal", done, err)
			case tt.kind != 0 && fault.KindOf(err) != tt.kind:
				t.Errorf("%v, want kind %v", err, tt.kind)
			case tt.kind == 0 && !errors.As(err, &start) && !errors.Is(err, no):
				t.Errorf("%v, want a StartError", err)
			}
			check, err := Open(t.Context(), load(), config.ForData|config.ForStore, withoutKey(load()))
			if err != nil {
				t.Fatal(err)
			}
			if body, _, err := check.remembered(t.Context()); err != nil || body.Rotation != nil || body.Fingerprint != belongs {
				t.Errorf("the document says %+v, %v", body, err)
			}
			if err := check.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
