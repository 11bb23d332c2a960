package httpapi

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// Header values that nearly every answer has. Assigning them under their
// canonical name saves what Header.Set costs; nobody may change them.
var (
	valueJSON    = []string{"application/json"}
	valueHTML    = []string{"text/html; charset=utf-8"}
	valueNoStore = []string{"no-store"}
)

// buffers lends the memory that answers are built in. Answers may hold
// plaintext, so a buffer is wiped before somebody else gets it.
type buffers struct{ pool sync.Pool }

const (
	usualBuffer   = 8 << 10
	largestBuffer = 256 << 10 // a larger one is left to the garbage collector
)

// get returns an empty buffer with room for at least size bytes.
func (p *buffers) get(size int) *[]byte {
	b, ok := p.pool.Get().(*[]byte)
	if !ok {
		b = new([]byte)
	}
	if cap(*b) < size || *b == nil {
		*b = make([]byte, 0, max(size, usualBuffer))
	}
	return b
}

// put takes a buffer back.
func (p *buffers) put(b *[]byte) {
	clear((*b)[:cap(*b)])
	*b = (*b)[:0]
	if cap(*b) <= largestBuffer {
		p.pool.Put(b)
	}
}

// send answers 200 with the JSON that body appends. size is a guess of its
// length, best a little above it, so that no half-built answer stays behind in
// memory when the buffer grows.
func (c *call) send(size int, body func([]byte) []byte) error {
	c.sendStatus(http.StatusOK, size, body)
	return nil
}

func (c *call) sendStatus(status, size int, body func([]byte) []byte) {
	buffer := c.s.buffers.get(size)
	defer c.s.buffers.put(buffer)
	*buffer = body(*buffer)
	h := c.Header()
	h["Content-Type"] = valueJSON
	h["Content-Length"] = []string{strconv.Itoa(len(*buffer))}
	c.WriteHeader(status)
	c.write(*buffer)
}

// sendValue answers 200 with a small value that knows its own JSON form.
func (c *call) sendValue(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	return c.send(len(text), func(b []byte) []byte { return append(b, text...) })
}

// sizeOfCredential guesses how long a credential is in JSON, from above.
func sizeOfCredential(v *vault.CredentialView) int {
	size := 1024 + 2*len(v.Row.Name) + len(v.Row.Metadata)
	if v.Row.Documentation != nil {
		size += 2 * len(*v.Row.Documentation)
	}
	for _, name := range v.KeyNames {
		size += 2*len(name) + 3
	}
	if v.Pairs != nil {
		size += len(v.Pairs.Encode())
	}
	return size
}

// setETag names the revision of a current row, for a later If-Match.
func (c *call) setETag(n int) {
	c.Header()["Etag"] = []string{`"` + strconv.Itoa(n) + `"`}
}

// chunk is how much of a list is built before it is handed on.
const chunk = 32 << 10

// sendList answers 200 with a list of n items, which item appends. A list that
// fits into one chunk has a length; a longer one is sent as it is built, so that
// its size does not matter. It is compressed where the route and the client
// allow it.
func (c *call) sendList(member string, n int, next *revision.Cursor, item func(b []byte, i int) []byte) error {
	buffer := c.s.buffers.get(chunk + chunk/4)
	defer c.s.buffers.put(buffer)
	b := append(*buffer, `{"`...)
	b = append(b, member...)
	b = append(b, `":[`...)
	out := listWriter{c: c}
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, i)
		if len(b) >= chunk {
			if !out.write(b) {
				return nil // the client has gone
			}
			b = b[:0]
		}
	}
	b = append(b, `],"next_page":`...)
	if next == nil {
		b = append(b, "null"...)
	} else {
		b = appendString(b, next.Token())
	}
	b = append(b, '}')
	out.finish(b)
	*buffer = b
	return nil
}

// listWriter sends a list in pieces. It decides about headers with the first
// piece.
type listWriter struct {
	c       *call
	started bool
	to      io.Writer
	gzip    *gzip.Writer
}

// smallest is the length below which compression is not worth its while.
const smallest = 1 << 10

func (l *listWriter) start(compress bool) {
	h := l.c.Header()
	h["Content-Type"] = valueJSON
	l.to = l.c
	if l.c.route.compress {
		h.Add("Vary", "Accept-Encoding")
		if compress && acceptsGzip(l.c.r) {
			h.Set("Content-Encoding", "gzip")
			l.gzip = l.c.s.compressors.get(l.c)
			l.to = l.gzip
		}
	}
	l.started = true
}

// write sends a piece behind which more follows; false: the client has gone.
func (l *listWriter) write(piece []byte) bool {
	if !l.started {
		l.start(true)
		l.c.WriteHeader(http.StatusOK)
	}
	// Whoever reads on is not cut off by a deadline for the whole; who does not
	// must not hold the list in memory.
	l.deadline(time.Now().Add(l.c.s.timeout))
	_, err := l.to.Write(piece)
	if err != nil && l.gzip != nil {
		l.c.s.compressors.put(l.gzip)
		l.gzip = nil
	}
	return err == nil
}

// deadline bounds the next write to the client; the zero time lifts the bound.
func (l *listWriter) deadline(t time.Time) {
	// Not every connection knows deadlines.
	_ = http.NewResponseController(l.c.w).SetWriteDeadline(t)
}

// finish sends the last piece.
func (l *listWriter) finish(piece []byte) {
	if !l.started {
		l.start(len(piece) >= smallest)
		if l.gzip == nil {
			l.c.Header()["Content-Length"] = []string{strconv.Itoa(len(piece))}
		}
		l.c.WriteHeader(http.StatusOK)
	}
	defer l.deadline(time.Time{})
	if !l.write(piece) || l.gzip == nil {
		return
	}
	// What cannot be flushed is the client's loss; it sees a cut answer.
	_ = l.gzip.Close()
	l.c.s.compressors.put(l.gzip)
}

// compressors lends gzip writers, which are costly to make.
type compressors struct{ pool sync.Pool }

func (p *compressors) get(to io.Writer) *gzip.Writer {
	w, ok := p.pool.Get().(*gzip.Writer)
	if !ok {
		w = gzip.NewWriter(io.Discard)
	}
	w.Reset(to)
	return w
}

func (p *compressors) put(w *gzip.Writer) {
	w.Reset(io.Discard)
	p.pool.Put(w)
}

// acceptsGzip reports whether a client takes answers compressed with gzip.
func acceptsGzip(r *http.Request) bool {
	for _, coding := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, found := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return !found || strings.Trim(q, "0.") != ""
		}
	}
	return false
}

// sorted returns the order of n items by lower-cased key. Items with the same
// key stand as they are given, or the other way round if reversed.
func sorted(n int, reversed bool, key func(i int) string) []int {
	lower := make([]string, n)
	order := make([]int, n)
	for i := range n {
		lower[i] = strings.ToLower(key(i))
		order[i] = i
		if reversed {
			order[i] = n - 1 - i
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lower[a], lower[b]) })
	return order
}
