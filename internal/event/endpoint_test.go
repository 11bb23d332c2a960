package event

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// received is a request as the receiver saw it.
type received struct {
	method, contentType, accept, authorization string
	body                                       any
}

// receiver answers with a status and passes on what it gets.
func receiver(t *testing.T, status int) (*httptest.Server, chan received) {
	t.Helper()
	got := make(chan received, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var body any
		if err := json.Unmarshal(text, &body); err != nil {
			t.Errorf("body %s: %v", text, err)
		}
		got <- received{r.Method, r.Header.Get("Content-Type"), r.Header.Get("Accept"), r.Header.Get("Authorization"), body}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s, got
}

var sample = Event{
	Type: ServiceUpdate, Services: []string{"a", "b"}, Credentials: []string{"c1"},
	Text: "Added credentials: ['c1']; Removed credentials []; Revision 2",
}

func TestSinks_PostWhatReceiversKnow(t *testing.T) {
	t.Parallel()
	webhook := func(e Endpoint) (Sink, error) { return NewWebhook(e) }
	graphite := func(e Endpoint) (Sink, error) { return NewGraphite(e) }
	type object = map[string]any
	for name, tt := range map[string]struct {
		sink func(Endpoint) (Sink, error)
		e    Event
		want object
	}{
		"webhook": {webhook, sample, object{
			"event_type": "service_update", "services": []any{"a", "b"}, "credentials": []any{"c1"},
		}},
		"webhook with empty lists": {webhook, Event{Type: CredentialUpdate}, object{
			"event_type": "credential_update", "services": []any{}, "credentials": []any{},
		}},
		"graphite": {graphite, sample, object{
			"what": "confidant", "tags": "confidant,confidant-a,confidant-b",
			"data": "Added credentials: ['c1']; Removed credentials []; Revision 2",
		}},
		"graphite without services": {graphite, Event{Text: "x"}, object{
			"what": "confidant", "tags": "confidant", "data": "x",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, got := receiver(t, http.StatusOK)
			s, err := tt.sink(Endpoint{URL: server.URL, Password: "ignored without a name"})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(t.Context(), tt.e); err != nil {
				t.Fatal(err)
			}
			want := received{method: "POST", contentType: "application/json", accept: "text/plain", body: tt.want}
			if diff := cmp.Diff(want, <-got, cmp.AllowUnexported(received{})); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWebhook_AuthenticatesWhenAUserNameIsSet(t *testing.T) {
	t.Parallel()
	server, got := receiver(t, http.StatusOK)
	w, err := NewWebhook(Endpoint{URL: server.URL, Username: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.authorization != "Basic dTpw" {
		t.Errorf("Authorization %q, want that of u:p", r.authorization)
	}
}

func TestWebhook_AnyTwoHundredIsSuccess(t *testing.T) {
	t.Parallel()
	for status, ok := range map[int]bool{200: true, 201: true, 202: true, 204: true, 302: false, 307: false, 400: false, 500: false} {
		server, _ := receiver(t, status)
		w, err := NewWebhook(Endpoint{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Send(t.Context(), sample); (err == nil) != ok {
			t.Errorf("status %d: error %v", status, err)
		}
	}
}

func TestWebhook_UsesTheClientItIsGiven(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	w, err := NewWebhook(Endpoint{URL: server.URL, Client: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(t.Context(), sample); err != nil {
		t.Errorf("Send: %v", err)
	}
}

func TestQueue_AHangingReceiverHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	defer close(release)
	server, got := receiver(t, http.StatusOK)
	slow, err := NewWebhook(Endpoint{URL: hanging.URL})
	if err != nil {
		t.Fatal(err)
	}
	quick, err := NewGraphite(Endpoint{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	q := newQueue(t, Options{Sinks: []Sink{slow, quick}})
	start := time.Now()
	for range 5 {
		q.Publish(sample)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("publishing took %v", took)
	}
	for range 5 {
		<-got
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	q.Close(ctx)
}

func TestEndpoint_ShowsTheHostAlone(t *testing.T) {
	t.Parallel()
	e := Endpoint{URL: "http://user:hidden@127.0.0.1:1/hidden?token=hidden", Username: "u", Password: "hidden"}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "endpoint", e)
	inJSON, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWebhook(e)
	if err != nil {
		t.Fatal(err)
	}
	failure := w.Send(t.Context(), sample)
	if failure == nil {
		t.Fatal("a closed port took the event")
	}
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v", e), "%+v": fmt.Sprintf("%+v", e), "%#v": fmt.Sprintf("%#v", e),
		"log": log.String(), "JSON": string(inJSON), "error": failure.Error(),
	} {
		if strings.Contains(text, "hidden") || !strings.Contains(text, "127.0.0.1:1") {
			t.Errorf("%s shows %s", name, text)
		}
	}
}

func TestNewWebhook_RefusesWhatIsNoURL(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "hello", "ftp://host/", "http://", "http://host:port:x/%zz", "/path"} {
		if _, err := NewWebhook(Endpoint{URL: text}); err == nil {
			t.Errorf("NewWebhook takes %q", text)
		}
		if _, err := NewGraphite(Endpoint{URL: text}); err == nil {
			t.Errorf("NewGraphite takes %q", text)
		}
	}
}
