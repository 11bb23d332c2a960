package table_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// auditLine is what the test looks at of a record.
type auditLine struct {
	Chain, Action, Prev, Hash string
	Resource                  string `json:"resource_id"`
}

// Over a table the audit log is JSON lines on standard output, one chain per
// process, and tables are made by a command where the server may not.
func TestTable_IsMadeByACommandAndAuditedOnStandardOutput(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	c := cloud.New(t)
	settings := c.Settings()
	delete(settings, "DYNAMODB_CREATE_TABLE")
	p := server.New(t, settings)
	if r := p.Run("check"); r.Code == 0 {
		t.Error("a command works without tables")
	}
	p.MustRun("setup", "create-tables")
	s := p.Start()
	api := client{t, c, s.BaseURL}
	api.must("user", "ann", http.MethodPut, "/v1/services/svc-a", map[string]any{})
	api.must("service", "svc-a", http.MethodGet, "/v1/services/svc-a", nil)
	s.Stop() // all that it wrote has been read then

	var lines []auditLine
	for scanner := bufio.NewScanner(strings.NewReader(s.Log())); scanner.Scan(); {
		var l auditLine
		if json.Unmarshal(scanner.Bytes(), &l) == nil && l.Chain != "" {
			lines = append(lines, l)
		}
	}
	if len(lines) != 2 || lines[0].Action != "create" || lines[1].Action != "get" || lines[1].Resource != "svc-a" {
		t.Fatalf("records %+v, want one of the change and one of the read", lines)
	}
	if lines[0].Chain != lines[1].Chain || lines[1].Prev != lines[0].Hash {
		t.Errorf("the records are no chain: %+v", lines)
	}
}
