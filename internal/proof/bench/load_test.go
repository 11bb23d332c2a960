package bench

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func serving(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestConnection_ReadsAnswersInBothForms(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 10_000)
	address := serving(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+string(body))
		if r.URL.Path == "/chunked" {
			for part := range strings.SplitSeq(long, "9") {
				_, _ = io.WriteString(w, part+"9")
				w.(http.Flusher).Flush()
			}
		}
	})
	c, err := dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	for range 2 {
		for path, want := range map[string]string{
			"/short":   "PUT /short {}",
			"/chunked": "PUT /chunked {}" + long + "9",
		} {
			got, err := c.fetch(appendRequest(nil, http.MethodPut, path, "token", []byte("{}")))
			if err != nil || string(got) != want {
				t.Errorf("fetch %s = %.40q (%d bytes), %v; want %d bytes", path, got, len(got), err, len(want))
			}
			if err := c.exchange(appendRequest(nil, http.MethodGet, path, "token", nil)); err != nil {
				t.Errorf("exchange %s: %v", path, err)
			}
		}
	}
	if err := c.exchange(appendRequest(nil, http.MethodGet, "/", "other", nil)); err == nil || !strings.Contains(err.Error(), "401 Unauthorized: who?") {
		t.Errorf("an answer 401 gives the error %v", err)
	}
}

func TestLoad_CountsEveryAnswer(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	address := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		_, _ = io.WriteString(w, "ok")
	})
	l, err := newLoad(address, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	got, err := l.run(50*time.Millisecond, func(b []byte, _ int) []byte {
		return appendRequest(b, http.MethodGet, "/", "", nil)
	})
	if err != nil || got.requests == 0 || int64(got.requests) != served.Load() {
		t.Errorf("run counts %d requests, %v; the server %d", got.requests, err, served.Load())
	}
	if got.elapsed < 50*time.Millisecond || got.perSecond() <= 0 {
		t.Errorf("run measures %v, %.1f/s", got.elapsed, got.perSecond())
	}
}

func TestLoad_StopsAtAnAnswerThatIsNotRight(t *testing.T) {
	t.Parallel()
	address := serving(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	l, err := newLoad(address, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if _, err := l.run(time.Minute, func(b []byte, _ int) []byte {
		return appendRequest(b, http.MethodGet, "/", "", nil)
	}); err == nil {
		t.Error("run ends without an error")
	}
}
