package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// files holds the static files in memory, text also compressed. They are part
// of the binary, so they never change while it runs.
type files struct{ byPath map[string]*file }

type file struct {
	body        []byte
	compressed  []byte // nil where that saves nothing
	contentType string
	etag        string // of the plain form
}

// types are the kinds of static files there are. A file of another kind stops
// the start, so that nothing is ever served under a guessed type.
var types = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".ico":   "image/vnd.microsoft.icon",
	".js":    "text/javascript; charset=utf-8",
	".png":   "image/png",
	".svg":   "image/svg+xml",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

func readFiles(from fs.FS) (*files, error) {
	all := &files{byPath: make(map[string]*file)}
	err := fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		return all.add(name, body)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// add takes a file under the path it is served at.
func (f *files) add(name string, body []byte) error {
	contentType, ok := types[path.Ext(name)]
	if !ok {
		return fmt.Errorf("%s: no content type for this kind of file", name)
	}
	compressed, err := compress(body)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	f.byPath[name] = &file{
		body: body, compressed: compressed, contentType: contentType, etag: `"` + hex.EncodeToString(sum[:8]) + `"`,
	}
	return nil
}

// compress returns nil where compression saves less than a tenth.
func compress(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() > len(body)*9/10 {
		return nil, nil
	}
	return b.Bytes(), nil
}

// version names a file's content, for addresses that change with it.
func (f *files) version(name string) string {
	return strings.Trim(f.byPath[name].etag, `"`)
}

// File writes a static file, for example "styles/confidant.css". It reports
// false, and writes nothing, if there is none of that name.
func (s *Site) File(w http.ResponseWriter, r *http.Request, name string) bool {
	f := s.files.byPath[name]
	if f == nil {
		return false
	}
	body, etag := f.body, f.etag
	h := w.Header()
	if f.compressed != nil {
		h.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			body, etag = f.compressed, strings.TrimSuffix(f.etag, `"`)+`-gzip"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("Cache-Control", "public, max-age=43200")
	h.Set("ETag", etag)
	h.Set("Content-Type", f.contentType)
	if r.Header.Get("If-None-Match") == etag {
		h.Del("Content-Type")
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
	return true
}
