package awstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scope is the credential scope of a signature: who signs for which service
// where.
type scope struct {
	keyID, date, region, service string
}

// clockWindow is how far a signature's time may lie from now.
const clockWindow = 5 * time.Minute

// verify checks an AWS Signature Version 4 in the Authorization header (AWS
// General Reference, "Signature Version 4 signing process") and returns whose
// it is.
func verify(r *http.Request, body []byte, keys map[string]AccessKey, now time.Time) (AccessKey, scope, error) {
	const algorithm = "AWS4-HMAC-SHA256"
	header, ok := strings.CutPrefix(r.Header.Get("Authorization"), algorithm+" ")
	if !ok {
		return AccessKey{}, scope{}, &apiError{http.StatusForbidden, "MissingAuthenticationTokenException", "the request is not signed"}
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	parts := strings.Split(fields["Credential"], "/")
	if len(parts) != 5 || parts[4] != "aws4_request" {
		return AccessKey{}, scope{}, &apiError{http.StatusForbidden, "IncompleteSignatureException", "malformed credential"}
	}
	sc := scope{keyID: parts[0], date: parts[1], region: parts[2], service: parts[3]}
	key, ok := keys[sc.keyID]
	if !ok {
		return AccessKey{}, sc, &apiError{http.StatusForbidden, "UnrecognizedClientException", "unknown access key"}
	}
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	if err != nil || at.Format("20060102") != sc.date || at.Sub(now).Abs() > clockWindow {
		return AccessKey{}, sc, &apiError{http.StatusForbidden, "InvalidSignatureException", "signature expired or malformed date"}
	}
	signed := strings.Split(fields["SignedHeaders"], ";")
	if !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date") || !slices.IsSorted(signed) {
		return AccessKey{}, sc, &apiError{http.StatusForbidden, "InvalidSignatureException", "host and x-amz-date must be signed"}
	}
	hash := sha256.Sum256(body)
	canonical := strings.Join([]string{
		r.Method, canonicalPath(r.URL), canonicalQuery(r.URL.Query()), canonicalHeaders(r, signed), fields["SignedHeaders"], hex.EncodeToString(hash[:]),
	}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{
		algorithm, stamp, strings.Join(parts[1:], "/"), hex.EncodeToString(digest[:]),
	}, "\n")
	k := []byte("AWS4" + key.Secret)
	for _, step := range []string{sc.date, sc.region, sc.service, "aws4_request"} {
		k = mac(k, step)
	}
	given, err := hex.DecodeString(fields["Signature"])
	if err != nil || !hmac.Equal(given, mac(k, text)) {
		return AccessKey{}, sc, &apiError{http.StatusForbidden, "InvalidSignatureException", "the signature does not match"}
	}
	return key, sc, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func canonicalPath(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

func canonicalQuery(q url.Values) string {
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}

func canonicalHeaders(r *http.Request, signed []string) string {
	var b strings.Builder
	for _, name := range signed {
		values := r.Header.Values(name)
		switch name {
		case "host":
			values = []string{r.Host}
		case "content-length":
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		for i, v := range values {
			values[i] = strings.Join(strings.Fields(v), " ")
		}
		b.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	return b.String()
}
