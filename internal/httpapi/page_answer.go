package httpapi

import (
	"compress/gzip"
	"net/http"
	"strings"
)

// pageWriter compresses a page on its way, where the client takes that.
type pageWriter struct {
	*call
	zip *gzip.Writer // nil until the answer has begun, or where nothing is compressed
}

// WriteHeader decides whether the page is compressed.
func (p *pageWriter) WriteHeader(status int) {
	h := p.Header()
	h.Add("Vary", "Accept-Encoding")
	if acceptsGzip(p.r) && strings.HasPrefix(h.Get("Content-Type"), "text/html") && p.r.Method != http.MethodHead {
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
		p.zip = p.s.compressors.get(p.call)
	}
	p.call.WriteHeader(status)
}

// Write writes a part of the page.
func (p *pageWriter) Write(b []byte) (int, error) {
	if p.status == 0 {
		p.WriteHeader(http.StatusOK)
	}
	if p.zip == nil {
		return p.call.Write(b)
	}
	return p.zip.Write(b)
}

// finish sends what is left.
func (p *pageWriter) finish() {
	if p.zip == nil {
		return
	}
	// What cannot be flushed is the client's loss; it sees a cut answer.
	_ = p.zip.Close()
	p.s.compressors.put(p.zip)
}
