package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rotationKey signs the logs of tests whose processes have to know the key.
func rotationKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("the seed of a key for tests only"))
}

// crashSelections are what the rotations that are killed remove from twelve
// entries in four segments, and what stays.
func crashSelections() map[string]struct {
	rules string // empty: the oldest nine
	stay  []uint64
} {
	return map[string]struct {
		rules string
		stay  []uint64
	}{
		"oldest":     {"", []uint64{10, 11, 12}},
		"within":     {"- {rotate: 0, user: '^u([0-6]|10)$'}", []uint64{8, 9, 10, 12}},
		"everything": {"- rotate: 0", nil},
		"scattered":  {"- {rotate: 0, user: '[13579]$'}", []uint64{1, 3, 5, 7, 9, 11}},
	}
}

func crashOptions(dir, name string) (o RotateOptions, err error) {
	o = RotateOptions{Dir: dir, SigningKey: rotationKey()}
	if text := crashSelections()[name].rules; text != "" {
		o.Select, err = ParseRules([]byte(text))
	} else {
		o.Select, err = Watermarks(11, 3)
	}
	return o, err
}

func crashLog(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	l, err := OpenFile(FileOptions{Dir: dir, SegmentSize: 1000, SigningKey: rotationKey()})
	if err != nil {
		t.Fatal(err)
	}
	appendN(t, l, 12)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rotateUntil rotates and kills its process at a point: "selection/point".
func rotateUntil(dir, what string) error {
	name, point, _ := strings.Cut(what, "/")
	o, err := crashOptions(dir, name)
	if err != nil {
		return err
	}
	o.fault = func(at string) {
		if at == point {
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
	}
	_, err = Rotate(context.Background(), o)
	return errors.Join(err, errors.New("the rotation came to its end"))
}

func TestRotate_KilledAnywhereTheNextFinishes(t *testing.T) {
	t.Parallel()
	for name, tt := range crashSelections() {
		var points []string
		o, err := crashOptions(crashLog(t), name)
		if err != nil {
			t.Fatal(err)
		}
		o.fault = func(point string) { points = append(points, point) }
		if _, err := Rotate(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if len(points) < 6 {
			t.Fatalf("%s: only the points %v", name, points)
		}
		for _, point := range points {
			t.Run(name+"/"+point, func(t *testing.T) {
				t.Parallel()
				dir := crashLog(t)
				c := childCommand(t, "rotate", dir, name+"/"+point)
				err := c.Run()
				if status, ok := c.ProcessState.Sys().(interface{ Signaled() bool }); !ok || !status.Signaled() {
					t.Fatalf("the child was not killed: %v", err)
				}
				proven(t, dir)
				if got := entryNumbers(t, dir); !contains(got, tt.stay) {
					t.Fatalf("entries %v, %v have to stay", got, tt.stay)
				}
				o, err := crashOptions(dir, name)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := Rotate(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				if got := entryNumbers(t, dir); !slices.Equal(got, tt.stay) {
					t.Errorf("entries %v, want %v", got, tt.stay)
				}
				if r := proven(t, dir); r.Remains > 0 {
					t.Errorf("report %+v, want no remains", r)
				}
				if left, _ := filepath.Glob(filepath.Join(dir, "*"+newSuffix)); len(left) > 0 {
					t.Errorf("%v are left", left)
				}
				if got := appendN(t, openTest(t, FileOptions{Dir: dir, SigningKey: rotationKey()}), 1); got != 13 {
					t.Errorf("the next number is %d, want 13", got)
				}
				proven(t, dir)
			})
		}
	}
}

// What others append between two steps stays, also to a live segment that held
// nothing when the rotation began.
func TestRotate_LosesNothingAppendedMeanwhile(t *testing.T) {
	t.Parallel()
	for name := range crashSelections() {
		for _, empty := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/empty=", empty), func(t *testing.T) {
				t.Parallel()
				dir := crashLog(t)
				l := openTest(t, FileOptions{Dir: dir, SegmentSize: 1000, SigningKey: rotationKey()})
				if empty {
					if err := l.w.leave(l, segment{4, 10}); err != nil {
						t.Fatal(err)
					}
				}
				o, err := crashOptions(dir, name)
				if err != nil {
					t.Fatal(err)
				}
				var appended []uint64
				o.fault = func(point string) {
					switch step, _, _ := strings.Cut(point, " "); step {
					case "announced", "in", "removed": // under the lock
					default:
						for range 2 {
							appended = append(appended, appendN(t, l, 1))
						}
					}
				}
				if _, err := Rotate(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				stay := crashSelections()[name].stay
				if got, want := entryNumbers(t, dir), append(stay, appended...); !slices.Equal(got, want) {
					t.Errorf("entries %v, want %v", got, want)
				}
				if got, want := appendN(t, l, 1), appended[len(appended)-1]+1; got != want {
					t.Errorf("the next number is %d, want %d", got, want)
				}
				proven(t, dir)
			})
		}
	}
}

func proven(t *testing.T, dir string) Report {
	t.Helper()
	r, err := Verify(t.Context(), dir, VerifyOptions{Key: rotationKey().Public()})
	if err != nil || r.Broken != nil {
		t.Fatalf("Verify = %v, %v", r.Broken, err)
	}
	return r
}

func contains(all, some []uint64) bool {
	return !slices.ContainsFunc(some, func(n uint64) bool { return !slices.Contains(all, n) })
}

// Two processes append while this one rotates again and again and an index
// follows: each acknowledged record is in the log or was counted as removed.
func TestRotate_WritersGoOnMeanwhile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "audit")
	openTest(t, FileOptions{Dir: dir})
	x, err := OpenIndex(t.Context(), IndexOptions{Dir: dir, Interval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	users := make([]map[uint64]string, 2)
	for i := range users {
		writers.Go(func() { users[i] = acknowledged(t, dir, fmt.Sprint("w", i), 4000) })
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	selections := []Selection{watermarks(t, 500, 100), rules(t, "- {rotate: 0, user: '7$'}")}
	removed := 0
	for i := 0; ; i++ {
		r, err := Rotate(t.Context(), RotateOptions{Dir: dir, Select: selections[i%2]})
		if err != nil {
			t.Fatal(err)
		}
		removed += r.Deleted
		verifyTest(t, dir)
		if _, err := x.Query(t.Context(), Query{User: "w0-1-1"}); err != nil {
			t.Error(err)
		}
		select {
		case <-done:
		default:
			continue
		}
		break
	}
	last := openTest(t, FileOptions{Dir: dir})
	number := appendN(t, last, 1)
	r := verifyTest(t, dir)
	if got := int(r.Entries) + removed; got != int(number) || removed == 0 {
		t.Errorf("%d entries and %d removed, want %d together", r.Entries, removed, number)
	}
	for i, acknowledgements := range users {
		if len(acknowledgements) < 4000 {
			t.Errorf("writer %d was acknowledged %d records only", i, len(acknowledgements))
		}
	}
	refresh(t, x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verifyTest(t, dir); r.Index != IndexAgrees {
		t.Errorf("the index %s", r.Index)
	}
}
