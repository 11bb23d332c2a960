package httpapi

import (
	"slices"
	"strings"
	"testing"
)

// A request whose proof was seen before asks KMS nothing, unwraps nothing and
// reads nothing but what it answers with.
func TestWarmRequests_ReadNothingButTheirOwn(t *testing.T) {
	t.Parallel()
	m := newRealm(t)
	const service, email = "/v1/services/svc-a", "/v1/user/email"
	cold := m.calls()
	m.must(m.as("itself"), "GET", email, nil)
	if cold.keyring == 0 || m.calls().kms == cold.kms {
		t.Fatalf("the counters do not count: %+v before the first KMS token, %+v after it", cold, m.calls())
	}
	own := []string{"blind_credential row " + m.ids["blind_credential"], "credential row " + m.ids["credential"], "service row svc-a"}
	for _, tt := range []struct {
		kind, path string
		reads      []string
	}{
		{"itself", service, own},    // KMS token
		{"own-token", service, own}, // API token
		{"user", service, own},      // session
		{"admin", service, own},     // session of a local account
		{"itself", email, nil},
		{"user", email, nil},
		{"admin", email, nil},
	} {
		what := tt.path + " as " + tt.kind
		m.must(m.as(tt.kind), "GET", tt.path, nil)
		before := m.calls()
		m.store.taken()
		a := m.must(m.as(tt.kind), "GET", tt.path, nil)
		after, reads := m.calls(), m.store.taken()
		slices.Sort(reads)
		if after != before {
			t.Errorf("%s: calls of KMS and the keyring went from %+v to %+v", what, before, after)
		}
		if !slices.Equal(reads, tt.reads) {
			t.Errorf("%s: read %q, want %q", what, reads, tt.reads)
		}
		if tt.path == service && !strings.Contains(string(a.body), secretValue) {
			t.Errorf("%s: no value in %s", what, a.body)
		}
		t.Logf("%s: %d calls of KMS, %d of the keyring, %d reads of the store", what, after.kms-before.kms, after.keyring-before.keyring, len(reads))
	}
}

// calls are those that a warm request must not make.
type calls struct{ kms, keyring int }

func (m *realm) calls() calls {
	n := calls{keyring: len(m.keys.Wraps()) + len(m.keys.Unwraps())}
	for _, operation := range m.aws.Operations() {
		service, name, _ := strings.Cut(operation, ":")
		n.kms += m.aws.Calls(service, name)
	}
	return n
}
