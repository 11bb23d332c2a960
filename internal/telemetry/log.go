// Package telemetry is how the running program tells its operator what it does:
// structured logs, request ids, counters and timers. It is a leaf: it knows no
// noun, no transport and no setting, and opens no listener.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// NewLogger returns a logger that writes one JSON object a line, with times in
// UTC and the request id of the context, if there is one.
//
// Secrets have types that redact themselves; as a safety net under those,
// texts are also redacted whose key says that they may be one.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(requestHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: tidy})})
}

func tidy(groups []string, a slog.Attr) slog.Attr {
	kind := a.Value.Kind()
	switch {
	case len(groups) == 0 && a.Key == slog.TimeKey && kind == slog.KindTime:
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	case kind != slog.KindString && kind != slog.KindAny: // numbers and times tell nothing
	case sensitive(a.Key) || slices.ContainsFunc(groups, sensitive):
		a.Value = slog.StringValue("[redacted]")
	}
	return a
}

// sensitive reports whether what a key names may be a secret, and not merely
// the name, place or size of one.
func sensitive(key string) bool {
	key = strings.ReplaceAll(strings.ToLower(key), "-", "_")
	for _, end := range []string{"_id", "_ids", "_name", "_file", "_version", "_type", "_url"} {
		if strings.HasSuffix(key, end) {
			return false
		}
	}
	for _, word := range []string{
		"password", "passphrase", "secret", "token", "authorization", "cookie",
		"api_key", "apikey", "private_key", "signing_key", "data_key", "enckey", "pairs",
	} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// requestHandler adds the request id.
type requestHandler struct{ slog.Handler }

func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(attrs)}
}

func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}
