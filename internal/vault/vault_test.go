package vault_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func TestNew_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := vault.New(vault.Dependencies{})
	if err == nil {
		t.Fatal("a vault without anything")
	}
	for _, want := range []string{"store", "sealer", "policy", "audit log", "event publisher", "maintenance mode", "logger"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name the %s", err, want)
		}
	}
}

func TestRevisions_PageAndPolicyTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	for i := range 5 {
		w.credential(t, fmt.Sprint(i), `{"k":"v"}`)
	}
	var seen []string
	page := revision.Page{Limit: 2}
	for {
		slice, err := w.ListCredentials(t.Context(), ann, page)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, ids(slice.Items)...)
		if slice.Next == nil {
			break
		}
		page.After = slice.Next
	}
	if len(slices.Compact(sorted(seen...))) != 5 || len(seen) != 5 {
		t.Errorf("paging visits %v", seen)
	}
	var at time.Time
	w.policy.set(decide(func(r authz.Request) bool { at = r.Now; return true }))
	made, err := w.CreateCredential(t.Context(), ann, vault.NewCredential{Name: "n", Pairs: pairs(t, `{"k":"v"}`)})
	if err != nil || !made.Row.ModifiedDate.Equal(at) {
		t.Errorf("judged at %v, stored at %v, %v", at, made.Row.ModifiedDate, err)
	}
}

// timed keeps the names of what is measured and counted.
type timed struct {
	mu    sync.Mutex
	names map[string]int
}

func (m *timed) Time(name string, since time.Time) { m.Count(name, 1) }

func (m *timed) Count(name string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names[name] += n
}

func TestMetrics_KeepTheirNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, defaults)
	x := furnishAll(t, w)
	m := &timed{names: map[string]int{}}
	d := w.dependencies(defaults)
	d.Metrics = m
	v, err := vault.New(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		if _, err := uses[name].call(t.Context(), v, ann, x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, want := range []string{
		"list_credentials", "get_credential_by_id", "create_credential", "update_credential", "list_services",
		"get_service_by_id", "get_service_by_id.acl_check_get_service", "get_service_by_id.db_get_service",
		"get_service_by_id.db_get_credentials", "get_service_by_id.db_get_blind_credentials",
		"get_service_by_id.acl_check_update_service", "get_service_by_id.build_response",
		"service_batch_get_credentials", "service_batch_get_blind_credentials",
		"archive.save.success", "archive.delete.success", "restore.save.success",
	} {
		if m.names[want] == 0 {
			t.Errorf("%s is not reported", want)
		}
	}
}
