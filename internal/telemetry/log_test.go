package telemetry

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// logged returns the object that one call logs.
func logged(t *testing.T, log func(*slog.Logger)) map[string]any {
	t.Helper()
	var out strings.Builder
	log(NewLogger(&out, slog.LevelInfo))
	var got map[string]any
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatalf("%q is no JSON object: %v", out.String(), err)
	}
	return got
}

func TestLogger_RedactsWhatTheKeyCallsASecret(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"password": true, "GRAPHITE_PASSWORD": true, "x-api-key": true, "Authorization": true, "sessionToken": true,
		"session_secret_previous": true, "passphrase": true, "set-cookie": true, "credential_pairs": true,
		"secret_id": false, "token_version": false, "enckey_file": false, "webhook_url": false,
		"user": false, "error": false, "key": false, "msg2": false,
	} {
		got := logged(t, func(l *slog.Logger) { l.Info("m", key, "value", "n", 1) })
		if redacted := got[key] == "[redacted]"; redacted != want {
			t.Errorf("%s: %v, want redacted %v", key, got[key], want)
		}
	}
	got := logged(t, func(l *slog.Logger) {
		l.With("token", "x").Info("m", "error", errors.New("e"), slog.Group("secrets", "inner", "x"), "tokens", 3)
	})
	if got["token"] != "[redacted]" || got["error"] != "e" || got["tokens"] != 3.0 ||
		got["secrets"].(map[string]any)["inner"] != "[redacted]" {
		t.Errorf("logged %v", got)
	}
}

func TestLogger_SaysWhenInUTC(t *testing.T) {
	t.Parallel()
	got := logged(t, func(l *slog.Logger) { l.Info("m") })
	at, err := time.Parse(time.RFC3339Nano, got["time"].(string))
	if err != nil || !strings.HasSuffix(got["time"].(string), "Z") || time.Since(at) > time.Minute {
		t.Errorf("time %v, %v", got["time"], err)
	}
}

func TestLogger_NamesTheRequest(t *testing.T) {
	t.Parallel()
	ctx := WithRequestID(t.Context(), "r-1")
	for name, log := range map[string]func(*slog.Logger){
		"plain":      func(l *slog.Logger) { l.InfoContext(ctx, "m") },
		"attributes": func(l *slog.Logger) { l.With("a", 1).InfoContext(ctx, "m") },
	} {
		if got := logged(t, log); got["request_id"] != "r-1" {
			t.Errorf("%s: logged %v", name, got)
		}
	}
	got := logged(t, func(l *slog.Logger) { l.WithGroup("g").InfoContext(ctx, "m", "a", 1) })
	if g, ok := got["g"].(map[string]any); !ok || g["a"] != 1.0 {
		t.Errorf("in a group: logged %v", got)
	}
	if got := logged(t, func(l *slog.Logger) { l.Info("m") }); got["request_id"] != nil {
		t.Errorf("without a request: logged %v", got)
	}
}

func TestLogger_LevelCanChange(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var level slog.LevelVar
	l := NewLogger(&out, &level)
	l.Debug("a")
	level.Set(slog.LevelDebug)
	l.Debug("b")
	if got := out.String(); strings.Contains(got, `"a"`) || !strings.Contains(got, `"b"`) {
		t.Errorf("logged %s", got)
	}
}

func TestRequestIDs_TakeOnlyWellFormedOnes(t *testing.T) {
	t.Parallel()
	ids := RequestIDs{Random: io.MultiReader(strings.NewReader(strings.Repeat("k", 1000)))}
	made := strings.Repeat("6b", 16)
	for incoming, want := range map[string]string{
		"":                                     made,
		"9f0c2b6a-4d1e-4f7f-8b1a-2c3d4e5f6071": "9f0c2b6a-4d1e-4f7f-8b1a-2c3d4e5f6071",
		"A.b_c-1":                              "A.b_c-1",
		strings.Repeat("a", 128):               strings.Repeat("a", 128),
		strings.Repeat("a", 129):               made,
		"a b":                                  made,
		"a\nb":                                 made,
		`a"b`:                                  made,
		"ä":                                    made,
	} {
		if got := ids.Choose(incoming); got != want {
			t.Errorf("Choose(%q) = %q, want %q", incoming, got, want)
		}
	}
	if a, b := (RequestIDs{}).Choose(""), (RequestIDs{}).Choose(""); a == b || len(a) != 32 {
		t.Errorf("ids %q and %q, want two different ones", a, b)
	}
	if got := RequestID(t.Context()); got != "" {
		t.Errorf("a context without a request has the id %q", got)
	}
}

func BenchmarkRequestID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		RequestIDs{}.Choose("")
	}
}
