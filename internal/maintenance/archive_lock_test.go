package maintenance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/maintenance"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
)

// lockFor puts the lock of another run into a store and returns what a run says
// to it.
func lockFor(t *testing.T, pid int, machine string, expires time.Time) error {
	t.Helper()
	s := openStore(t)
	body := fmt.Sprintf(`{"owner":"cli:other","machine":%q,"pid":%d}`, machine, pid)
	lock := store.Document{Kind: "maintenance-lock", ID: "run", Body: json.RawMessage(body), Expires: expires}
	if _, err := s.Documents().Put(t.Context(), lock, 0); err != nil {
		t.Fatal(err)
	}
	seed(t, s, "c", 1, false, 9*day)
	a, _ := collect(t, s)
	a.Now = time.Now
	if sum, err := a.Archive(t.Context(), maintenance.ArchiveSelection{IDs: []string{"c"}}, false); err != nil || sum.Moved != 1 {
		t.Errorf("a dry run beside another run: %+v, %v", sum, err)
	}
	_, err := a.Archive(t.Context(), maintenance.ArchiveSelection{IDs: []string{"c"}}, true)
	if main, _ := state(t, s); (err == nil) != (len(main) == 0) {
		t.Errorf("%v, but the main store holds %v", err, keys(main))
	}
	return err
}

func TestRun_IsAloneUnlessTheOtherIsDead(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	here := host + " " + space
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dead, later := gone.Process.Pid, time.Now().Add(time.Minute)
	for name, tt := range map[string]struct {
		pid     int
		machine string
		expires time.Time
		refused bool
	}{
		"a living process":           {os.Getppid(), here, later, true},
		"a dead process":             {dead, here, later, false},
		"a process of elsewhere":     {dead, "elsewhere", later, true},
		"a lock that nobody renewed": {os.Getppid(), here, time.Now().Add(-time.Second), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := lockFor(t, tt.pid, tt.machine, tt.expires)
			var running *maintenance.RunningError
			if errors.As(err, &running) != tt.refused || !tt.refused && err != nil {
				t.Fatalf("%v, want refused: %v", err, tt.refused)
			}
			if tt.refused && (running.Owner != "cli:other" || !strings.Contains(err.Error(), fmt.Sprintf("process %d on %s", tt.pid, tt.machine))) {
				t.Errorf("it says %q", err)
			}
		})
	}
}

// documents keep one lock in memory.
type documents struct {
	store.Documents
	mu   sync.Mutex
	lock *store.Document
	puts int
	down bool // nothing can be deleted
}

func (d *documents) Get(context.Context, string, string) (*store.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock == nil {
		return nil, store.ErrNotFound
	}
	return d.lock, nil
}

func (d *documents) Put(_ context.Context, doc store.Document, expect int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	version := 0
	if d.lock != nil {
		version = d.lock.Version
	}
	if version != expect {
		return 0, &store.StaleError{What: doc.ID}
	}
	d.puts++
	doc.Version = version + 1
	d.lock = &doc
	return doc.Version, nil
}

func (d *documents) Delete(_ context.Context, _, _ string, expect int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return errDown
	}
	if d.lock == nil || d.lock.Version != expect {
		return &store.StaleError{}
	}
	d.lock = nil
	return nil
}

// slow is a store that takes an hour to list nothing.
type slow struct {
	store.Store
	documents *documents
}

func (s slow) Documents() store.Documents { return s.documents }

func (s slow) ArchivedCredentials() store.Revisions[credential.Credential] { return slowRows{} }

type slowRows struct {
	store.Revisions[credential.Credential]
}

func (slowRows) List(ctx context.Context, _ revision.Page) (none revision.Slice[*credential.Credential], _ error) {
	select {
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-time.After(time.Hour):
		return none, nil
	}
}

func TestRun_RenewsItsLockAndGivesItUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &documents{}
		a := maintenance.Archiver{Store: slow{documents: d}, Now: time.Now}
		if _, err := a.Restore(t.Context(), nil, true); err != nil {
			t.Error(err)
		}
		if d.puts < 100 || d.lock != nil {
			t.Errorf("written %d times in an hour, and at the end there is %v", d.puts, d.lock)
		}
	})
}

func TestRun_EndsWhenItsLockIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &documents{}
		a := maintenance.Archiver{Store: slow{documents: d}, Now: time.Now}
		time.AfterFunc(10*time.Minute, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.lock = &store.Document{Version: 1000}
		})
		began := time.Now()
		_, err := a.Restore(t.Context(), nil, true)
		if err == nil || !strings.Contains(err.Error(), "lock of this run was lost") {
			t.Errorf("%v, want that the lock was lost", err)
		}
		if took := time.Since(began); took > 11*time.Minute {
			t.Errorf("it goes on for %v", took)
		}
		if d.lock == nil || d.lock.Version != 1000 {
			t.Errorf("the other run's lock is %+v", d.lock)
		}
	})
}

func TestRun_SaysThatItsLockStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := maintenance.Archiver{Store: slow{documents: &documents{down: true}}, Now: time.Now}
		if _, err := a.Restore(t.Context(), nil, true); !errors.Is(err, errDown) {
			t.Errorf("%v, want %v", err, errDown)
		}
	})
}

func TestRun_HoldsThePace(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	for _, id := range ids(20) {
		seed(t, s, id, 1, false, 9*day) // 4 write units each
	}
	a, _ := collect(t, s)
	a.Rate = 100
	began := time.Now()
	if _, err := a.Archive(t.Context(), maintenance.ArchiveSelection{Days: 1}, true); err != nil {
		t.Fatal(err)
	}
	// What is in hand at first goes without waiting, and the last ones are paid
	// by nobody.
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("80 write units took %v at 100 a second", took)
	}
}
