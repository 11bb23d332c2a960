package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/audit"
)

// matrix is the status that each kind of caller gets on each route; one status
// alone stands for every kind. The kinds:
//
//	nobody      no proof at all
//	user        browser session of a person who is no administrator
//	tokenless   the same, without the CSRF token
//	kms-user    the same person by a KMS token
//	admin       browser session of a local account
//	bearer      API token of role admin
//	frozen      admin, while maintenance mode is on
//	reader      API token of role read
//	cleaner     API token of role cleanup
//	itself      KMS token of the service that is asked for
//	own-token   its API token
//	other       KMS token of another service
//	elsewhere   KMS token of the same name, but of another account
//	no-account  KMS token of the same name, but of no account
//	disabled    browser session of a local account that was disabled since
//	revoked     API token of that account
//	expired     browser session that has ended
//	forged      KMS token made under a key that anybody may use
const matrix = `
                                                          nobody user tokenless kms-user admin bearer frozen reader cleaner itself own-token other elsewhere no-account disabled revoked expired forged
GET  /v1/credentials                                      401    200  200       200      200   200    200    200    403     403    403       403   403       403        401      401     401     403
POST /v1/credentials                                      401    200  401       200      200   200    403    403    403     403    403       403   403       403        401      401     401     403
GET  /v1/credentials/{id}                                 401    200  200       200      200   200    200    200    403     403    403       403   403       403        401      401     401     403
PUT  /v1/credentials/{id}                                 401    200  401       200      200   200    403    403    403     403    403       403   403       403        401      401     401     403
PUT  /v1/credentials/{id}/{to_revision}                   401    200  401       200      200   200    403    403    403     403    403       403   403       403        401      401     401     403
GET  /v1/credentials/{id}/{old_revision}/{new_revision}   401    200  200       200      200   200    200    200    403     403    403       403   403       403        401      401     401     403
GET  /v1/credentials/{id}/services                        401    200  200       200      200   200    200    200    403     403    403       403   403       403        401      401     401     403
POST /v1/credentials/{id}/archive                         401    200  401       200      200   200    403    403    403     403    403       403   403       403        401      401     401     403
GET  /v1/archive/credentials                              401    200  200       200      200   200    200    200    403     403    403       403   403       403        401      401     401     403
GET  /v1/archive/credentials/{id}                         401    200  200       200      200   200    200    200    403     403    403       403   403       403        401      401     401     403
GET  /v1/blind_credentials                                401    200  200       200      200   200    200    200    403     200    200       200   200       200        401      401     401     403
POST /v1/blind_credentials                                401    200  401       200      200   200    403    403    403     403    403       403   403       403        401      401     401     403
GET  /v1/blind_credentials/{id}                           401    200  200       200      200   200    200    403    403     200    200       200   200       200        401      401     401     403
PUT  /v1/blind_credentials/{id}                           401    200  401       200      200   200    403    403    403     403    403       403   403       403        401      401     401     403
PUT  /v1/blind_credentials/{id}/{to_revision}             401    200  401       200      200   200    403    403    403     403    403       403   403       403        401      401     401     403
GET  /v1/blind_credentials/{id}/services                  401    200  200       200      200   200    200    200    403     200    200       200   200       200        401      401     401     403
GET  /v1/archive/blind_credentials                        401    200  200       200      200   200    200    200    403     200    200       200   200       200        401      401     401     403
GET  /v1/archive/blind_credentials/{id}                   401    200  200       200      200   200    200    200    403     200    200       200   200       200        401      401     401     403
GET  /v1/services                                         401    200  200       200      200   200    200    200    403     403    403       403   403       403        401      401     401     403
GET  /v1/services/{id}                                    401    200  200       200      200   200    200    403    403     200    200       403   401       401        401      401     401     403
PUT  /v1/services/{id}                                    401    200  401       200      200   200    403    403    403     403    403       403   403       403        401      401     401     403
PUT  /v1/services/{id}/{to_revision}                      401    200  401       200      200   200    403    403    403     403    403       403   403       403        401      401     401     403
GET  /v1/services/{id}/{old_revision}/{new_revision}      401    200  200       200      200   200    200    200    403     200    200       403   200       200        401      401     401     403
GET  /v1/archive/services                                 401    200  200       200      200   200    200    200    403     403    403       403   403       403        401      401     401     403
GET  /v1/archive/services/{id}                            401    200  200       200      200   200    200    200    403     200    200       403   200       200        401      401     401     403
GET  /v1/value_generator                                  200
GET  /v1/client_config                                    401    200  200       200      200   200    200    200    200     200    200       200   200       200        401      401     401     403
GET  /v1/user/email                                       401    200  200       200      200   200    200    200    200     200    200       200   200       200        401      401     401     403
POST /v1/user/email                                       401    200  200       200      200   200    200    200    200     200    200       200   200       200        401      401     401     403
GET  /v1/login                                            401
POST /v1/login                                            401
GET  /v1/saml/login                                       404
POST /v1/saml/consume                                     404
GET  /v1/saml/metadata                                    404
GET  /v1/saml/debug                                       404
GET  /v1/saml/logout                                      404
GET  /login                                               302
POST /login                                               404
POST /login/code                                          404
GET  /setup                                               404
POST /setup                                               404
GET  /healthcheck                                         200
GET  /readiness                                           200
GET  /                                                    302    200  200       200      200   200    200    200    200     200    200       200   200       200        302      302     302     403
GET  /loggedout                                           200
GET  /404.html                                            200
GET  /robots.txt                                          200
GET  /favicon.ico                                         200
GET  /styles/*                                            200
GET  /scripts/*                                           404
GET  /images/*                                            404
GET  /fonts/*                                             404
GET  /modules/*                                           404
GET  /components/*                                        404
GET  /bower_components/*                                  404
GET  /custom/modules/*                                    401    200  200       200      200   200    200    200    200     200    200       200   200       200        401      401     401     403
GET  /custom/styles/*                                     401    200  200       200      200   200    200    200    200     200    200       200   200       200        401      401     401     403
GET  /custom/images/*                                     401    200  200       200      200   200    200    200    200     200    200       200   200       200        401      401     401     403
`

// TestAuthorizationMatrix holds every route to every kind of caller. Calls that
// are let in succeed; calls that are refused open nothing, change nothing and
// stand in the audit log.
func TestAuthorizationMatrix(t *testing.T) {
	t.Parallel()
	m := newRealm(t)
	expected := readMatrix(t, m, matrix)
	cells := 0
	for _, r := range apiRoutes() {
		row, listed := expected[r.name]
		if !listed {
			t.Errorf("the matrix does not list %s", r.name)
			continue
		}
		delete(expected, r.name)
		for _, k := range m.kinds {
			if cells%10 == 0 {
				refreshRefusals(m.world) // so that every refused proof has a record of its own
			}
			m.cell(&r, k, row[k.name])
			cells++
		}
	}
	for name := range expected {
		t.Errorf("the matrix lists %s, which is no route", name)
	}
	t.Logf("%d cells: %d routes for %d kinds of callers", cells, len(apiRoutes()), len(m.kinds))
	if want := len(apiRoutes()) * len(m.kinds); cells != want || cells < 1000 {
		t.Errorf("%d cells, want %d and at least 1000", cells, want)
	}
}

// readMatrix returns the expected status by route and kind. Kinds of a matrix and
// of the realm are the same, and no cell is empty.
func readMatrix(t *testing.T, m *realm, matrix string) map[string]map[string]int {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(matrix), "\n")
	columns := strings.Fields(lines[0])
	var kinds []string
	for _, k := range m.kinds {
		kinds = append(kinds, k.name)
	}
	if !slices.Equal(columns, kinds) {
		t.Fatalf("the matrix lists the kinds\n%q, the realm has\n%q", columns, kinds)
	}
	expected := map[string]map[string]int{}
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			t.Fatalf("the line %q says nothing", line)
		}
		name, cells := strings.Join(fields[:2], " "), fields[2:]
		if len(cells) == 1 {
			cells = slices.Repeat(cells, len(columns))
		}
		if expected[name] != nil || len(cells) != len(columns) {
			t.Fatalf("%s stands twice, or has %d cells for %d kinds", name, len(cells), len(columns))
		}
		expected[name] = map[string]int{}
		for i, column := range columns {
			status, err := strconv.Atoi(cells[i])
			if err != nil {
				t.Fatalf("%s for %s: %v", name, column, err)
			}
			expected[name][column] = status
		}
	}
	return expected
}

// cell makes one call and judges what came of it.
func (m *realm) cell(r *route, k kind, want int) {
	m.t.Helper()
	if r.body != noBody {
		m.freshen(m.as("bearer"), string(r.resource))
	}
	before := m.footprint()
	m.setReadOnly(k.readOnly)
	a := m.do(request{method: r.method, path: r.example(m.ids), body: m.bodyThatSucceeds(r), header: k.header})
	m.setReadOnly(false)
	entries := m.audit.since(before.records)
	what := fmt.Sprintf("%s as %s", r.name, k.name)
	if a.status != want {
		m.t.Errorf("%s: %d, want %d: %s", what, a.status, want, a.body)
		return
	}
	after := m.footprint()
	if k.valueless && strings.Contains(string(a.body), secretValue) {
		m.t.Errorf("%s: a value for a proof that gets none: %s", what, a.body)
	}
	sentAway := r.access == visitor && want == http.StatusFound
	if !sentAway && want != http.StatusUnauthorized && want != http.StatusForbidden {
		if r.recorder == byUseCase && len(entries) == 0 {
			m.t.Errorf("%s: nothing is recorded", what)
		}
		return
	}
	// Who proves nothing and only wants a page is nothing to record.
	succeeded := slices.ContainsFunc(entries, func(e audit.Entry) bool { return e.Success })
	if succeeded || len(entries) > 1 || len(entries) == 0 && !sentAway {
		m.t.Errorf("%s: audit records %+v, want one refusal", what, entries)
	}
	if after.records = before.records; after != before {
		m.t.Errorf("%s: refused, but it left %+v where there was %+v", what, after, before)
	}
}

// footprint is what calls leave behind.
type footprint struct{ opened, sealed, written, records int }

func (m *realm) footprint() footprint {
	opened, sealed := m.sealer.counts()
	return footprint{opened, sealed, m.store.written(), m.audit.len()}
}

// bodyThatSucceeds returns a body with which the route does its work.
func (m *realm) bodyThatSucceeds(r *route) any {
	name := fmt.Sprint("new ", m.clock.Now().Unix())
	switch r.method + " " + r.path {
	case "POST /v1/credentials":
		return members{"name": name, "credential_pairs": members{"a": "b"}}
	case "POST /v1/blind_credentials":
		return sealedByClient(name)
	case "PUT /v1/credentials/{id}", "PUT /v1/blind_credentials/{id}":
		return members{"documentation": "more"}
	case "PUT /v1/services/{id}":
		return members{"account": "sandbox"}
	}
	return bodyFor(r)
}
