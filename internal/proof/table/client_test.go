package table_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// A program in Python, with Amazon's own library, fetches a service. It runs
// where that library is there.
func TestPythonClient_FetchesItsService(t *testing.T) {
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		_, _ = os.Stderr.WriteString("python3 has no boto3 here: no client in Python is run.\n")
		return
	}
	t.Parallel()
	c := cloud.NewKMS(t)
	settings := c.Settings()
	for _, name := range []string{"DYNAMODB_TABLE", "DYNAMODB_TABLE_ARCHIVE", "DYNAMODB_CREATE_TABLE"} {
		delete(settings, name)
	}
	s := server.New(t, settings).Start()
	api := client{t, c, s.BaseURL}
	made := api.must("user", "ann", http.MethodPost, "/v1/credentials", map[string]any{
		"name": "c", "credential_pairs": map[string]any{"password": "pässword", "user": "u"},
	})
	api.must("user", "ann", http.MethodPut, "/v1/services/svc-a", map[string]any{"credentials": []any{made["id"]}})

	python := exec.Command("python3", "testdata/fetch.py", s.BaseURL, "svc-a", cloud.Name, "alias/authnz", c.AWS.URL)
	python.Env = []string{"PATH=" + os.Getenv("PATH"), "PYTHONIOENCODING=utf-8"}
	for name, value := range c.Access() {
		python.Env = append(python.Env, name+"="+value)
	}
	out, err := python.CombinedOutput()
	if want := "password=pässword\nuser=u\n"; err != nil || string(out) != want {
		t.Errorf("fetch.py: %v\n%s\nwant %s", err, strings.TrimSpace(string(out)), want)
	}
}
