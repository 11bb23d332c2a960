package pages_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/confidant-secrets/confidant/internal/proof/server"
)

// corpus is a server where every text is a payload.
type corpus struct {
	api
	front    *server.Server // where a proxy says who comes
	all      []string       // payloads
	carriers []carrier
	disabled string   // id of a credential that has the last payload for a name
	values   string   // id of a credential with all payloads in its values
	written  string   // id of a credential that whoever has a payload for an e-mail address wrote
	authors  []string // their addresses
	services []string // names, which map every carrier's first credential
	both     string   // name of a service whose credentials are in conflict
}

// carrier is some payloads and what carries them all.
type carrier struct {
	payloads   []string
	keys       []string // of the credentials
	id, twin   string   // of two credentials with the same keys
	name       string   // of the first, in its present revision
	blind      string   // id of a blind credential
	blindNamed string
}

// newCorpus fills a server.
func newCorpus(t *testing.T) *corpus {
	t.Helper()
	p := server.New(t, nil)
	all := payloads()
	c := &corpus{all: all, both: "both"}
	accounts, err := json.Marshal(map[string]string{"key": all[0], "other": all[len(all)/2]})
	if err != nil {
		t.Fatal(err)
	}
	c.front = behindProxy(t, p, map[string]string{"SCOPED_AUTH_KEYS": string(accounts)})
	c.api = api{c.front.BaseURL, p.UserToken("seed")}
	for _, name := range all {
		c.disabled = c.credential(t, object{"name": name, "credential_pairs": object{"key": "value"}, "documentation": "none", "enabled": false})
	}
	var firsts, seconds []string
	for some := range slices.Chunk(all, 100) {
		k := c.carry(t, some)
		firsts, seconds = append(firsts, k.id), append(seconds, k.twin)
		c.carriers = append(c.carriers, k)
	}
	for _, name := range all {
		if admittedService(name) {
			c.do(t, http.MethodPut, "/v1/services/"+url.PathEscape(name), object{"credentials": firsts})
			c.services = append(c.services, name)
		}
	}
	c.do(t, http.MethodPut, "/v1/services/"+c.both, object{"credentials": firsts, "account": all[0]})
	c.do(t, http.MethodPut, "/v1/services/"+c.both, object{
		"credentials": firsts[:1], "blind_credentials": []string{c.carriers[0].blind}, "account": all[len(all)/2],
	})
	values := object{}
	for some := range slices.Chunk(all, 10) {
		values[fmt.Sprint("key_", len(values))] = strings.Join(some, "\n")
	}
	c.values = c.credential(t, object{"name": "of many values", "credential_pairs": values, "documentation": "none"})
	c.written = c.credential(t, object{"name": "written by many", "credential_pairs": object{"key_of_many": "value"}, "documentation": "none"})
	for _, email := range all {
		if admittedEmail(email) {
			c.writeAs(t, email)
			c.authors = append(c.authors, strings.ToLower(email))
		}
	}
	return c
}

// carry stores what carries some payloads.
func (c *corpus) carry(t *testing.T, some []string) carrier {
	t.Helper()
	k := carrier{payloads: some, name: "second " + some[1], blindNamed: "sealed " + some[0]}
	pairs, metadata, regions := object{}, object{}, object{}
	var sealed []string // keys, which are not those of the credentials
	for i, p := range some {
		key := strings.ToLower(strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f {
				return -1
			}
			return r
		}, p))
		pairs[key], metadata[p], regions[p] = p, some[len(some)-1-i], "c2VhbGVk"
		k.keys, sealed = append(k.keys, key), append(sealed, "sealed "+p)
	}
	documentation := strings.Join(some, "\n\n")
	k.id = c.credential(t, object{
		"name": "first " + some[0], "credential_pairs": pairs, "documentation": documentation, "metadata": metadata, "tags": some,
	})
	c.do(t, http.MethodPut, "/v1/credentials/"+k.id, object{"name": k.name, "documentation": documentation + "\n\nMore."})
	k.twin = c.credential(t, object{
		"name": "twin of " + some[0], "credential_pairs": pairs, "documentation": documentation,
	})
	k.blind, _ = c.do(t, http.MethodPost, "/v1/blind_credentials", object{
		"name": "before " + some[1], "credential_pairs": regions, "data_key": regions, "credential_keys": sealed,
		"cipher_type": "fernet", "cipher_version": 2, "documentation": documentation, "metadata": metadata,
	})["id"].(string)
	c.do(t, http.MethodPut, "/v1/blind_credentials/"+k.blind, object{"name": k.blindNamed, "documentation": documentation + "\n\nMore."})
	return k
}

// admittedService reports whether a service may have the name.
func admittedService(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// admittedEmail reports whether a proxy may give a person that address.
func admittedEmail(email string) bool {
	return !strings.ContainsFunc(email, func(r rune) bool {
		return r == ',' || r > unicode.MaxASCII || unicode.IsSpace(r) || unicode.IsControl(r)
	})
}

// writeAs changes the credential of many authors as one of them, whom the proxy
// names.
func (c *corpus) writeAs(t *testing.T, email string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Jar: jar}
	send := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, c.base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range comesAs(email) {
			req.Header.Set(name, value)
		}
		req.Header.Set("Content-Type", "application/json")
		for _, cookie := range jar.Cookies(req.URL) {
			if cookie.Name == "XSRF-TOKEN" {
				req.Header.Set("X-XSRF-TOKEN", cookie.Value)
			}
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if said, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s as %q: %d, %v\n%s", method, path, email, resp.StatusCode, err, said)
		}
	}
	send(http.MethodGet, "/v1/user/email", "")
	send(http.MethodPut, "/v1/credentials/"+c.written, fmt.Sprintf(`{"documentation": "Written by number %d"}`, len(c.authors)))
}
