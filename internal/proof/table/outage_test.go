package table_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/awstest"
	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// Without KMS nothing is opened, nothing is sealed and no new token is judged;
// whoever asks is told to come again, and what was told before stays true. With
// KMS back everything works without a restart.
func TestKMSAway_IsAnOutageAndNeverARefusal(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	c := cloud.New(t)
	settings := c.Settings()
	settings["DATA_KEY_CACHE_SIZE"] = "0" // so that every value needs KMS
	p := server.New(t, settings)
	s := p.Start()
	api := client{t, c, s.BaseURL}
	made := api.must("user", "ann", http.MethodPost, "/v1/credentials", map[string]any{
		"name": "db", "credential_pairs": map[string]any{"password": "swordfish"},
	})
	credential := "/v1/credentials/" + made["id"].(string)
	api.must("user", "ann", http.MethodPut, "/v1/services/svc-a", map[string]any{"credentials": []any{made["id"]}})
	known := c.Token(t, "alias/authnz", map[string]string{"from": "svc-a", "to": cloud.Name, "user_type": "service"})
	service := func(token string) int {
		status, _ := ask(t, s.BaseURL+"/v1/services/svc-a", http.MethodGet, "", func(r *http.Request) {
			r.SetBasicAuth("2/service/svc-a", token)
		})
		return status
	}
	if got := service(known); got != http.StatusOK {
		t.Fatalf("with KMS: %d", got)
	}
	bearer := p.UserToken("ann")
	byToken := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+bearer) }

	for name, fault := range map[string]awstest.Fault{
		"throttled":            {Status: http.StatusBadRequest, Code: "ThrottlingException"},
		"internal error":       {Status: http.StatusInternalServerError, Code: "KMSInternalException"},
		"dependency times out": {Status: http.StatusServiceUnavailable, Code: "DependencyTimeoutException"},
		"slower than we wait":  {Delay: 3 * time.Second},
		"no answer":            {Hang: true},
		"answers get lost":     {Lose: true},
	} {
		fresh := c.Token(t, "alias/authnz", map[string]string{"from": "svc-a", "to": cloud.Name, "user_type": "service"})
		c.AWS.Intercept(func(awstest.Call) *awstest.Fault { return &fault })
		for what, got := range map[string]int{
			"a known token, a value to open": service(known),
			"a new token":                    service(fresh),
		} {
			if got != http.StatusServiceUnavailable {
				t.Errorf("%s: %s: %d, want 503", name, what, got)
			}
		}
		status, answer := ask(t, s.BaseURL+credential, http.MethodPut, `{"credential_pairs": {"password": "carp"}}`, byToken)
		if status != http.StatusServiceUnavailable || strings.Contains(answer, "carp") || strings.Contains(answer, "swordfish") {
			t.Errorf("%s: a value to seal: %d %s, want 503", name, status, answer)
		}
		if status, answer := ask(t, s.BaseURL+credential+"?metadata_only=true", http.MethodGet, "", byToken); status != http.StatusOK {
			t.Errorf("%s: metadata: %d %s, want 200, for nothing is opened", name, status, answer)
		}
		c.AWS.Intercept(nil)
		if got := service(fresh); got != http.StatusOK {
			t.Errorf("%s: the new token with KMS back: %d, want 200", name, got)
		}
	}
	_, answer := ask(t, s.BaseURL+credential, http.MethodGet, "", byToken)
	var got struct {
		Revision int
		Pairs    map[string]string `json:"credential_pairs"`
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil || got.Revision != 1 || got.Pairs["password"] != "swordfish" {
		t.Errorf("afterwards %s, %v; want revision 1 as it was", answer, err)
	}
}

// ask sends a request and returns its answer. An answer of 503 has to say when
// to come again.
func ask(t *testing.T, url, method, body string, sign func(*http.Request)) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	sign(r)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var content json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&content); err != nil {
		t.Fatalf("%s %s: %d, %v", method, url, resp.StatusCode, err)
	}
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s: 503 without Retry-After", method, url)
	}
	return resp.StatusCode, string(content)
}
