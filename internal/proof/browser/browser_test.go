package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/proof/browser"
	"github.com/confidant-secrets/confidant/internal/proof/part"
)

func TestMain(m *testing.M) {
	part.PassOver()
	os.Exit(m.Run())
}

// recorder is a test that may fail without failing this one.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

// record runs a test to its end and returns its failures.
func record(t *testing.T, test func(testing.TB)) []string {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		test(r)
	}()
	for _, f := range r.cleanups {
		f()
	}
	return r.failures
}

// site answers with pages under a strict policy.
func site(t *testing.T, pages map[string]string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src 'self'; img-src 'self' data:")
		if strings.HasSuffix(r.URL.Path, ".js") {
			w.Header().Set("Content-Type", "text/javascript")
		} else {
			w.Header().Set("Content-Type", "text/html")
			page = `<link rel="icon" href="data:,">` + page
		}
		_, _ = w.Write([]byte(page)) // an error is the browser's
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestVisitor_SeesWhatIsWrongWithAPage(t *testing.T) {
	if !part.Wanted() {
		return
	}
	t.Parallel()
	b := browser.Start(t)
	root := site(t, map[string]string{
		"/good":      `<p>hello</p>`,
		"/inline":    `<p style="color: red">hello</p>`,
		"/missing":   `<p>hello</p><img src="/nothing.png">`,
		"/throws":    `<p>hello</p><script src="/throws.js"></script>`,
		"/throws.js": `throw new Error("oh")`,
	})
	for name, tt := range map[string]struct {
		path    string
		scripts bool
		want    string
	}{
		"nothing":                         {"/good", true, ""},
		"a style that the policy forbids": {"/inline", true, "style-src"},
		"the same without scripts":        {"/inline", false, "Content Security Policy"},
		"a missing picture":               {"/missing", true, "404"},
		"an error of a script":            {"/throws", true, "oh"},
		"nothing, for no script is run":   {"/throws", false, ""},
	} {
		failures := record(t, func(tb testing.TB) {
			v := b.Visitor(tb, root)
			if !tt.scripts {
				v = b.VisitorWithoutScripts(tb, root)
			}
			v.Go(tt.path)
			v.Shows("hello")
		})
		if got := strings.Join(failures, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: the failures are %q, want %q", name, got, tt.want)
		}
	}
}

func TestVisitor_TellsWhatIsThereInPlaceOfWhatIsWanted(t *testing.T) {
	if !part.Wanted() {
		return
	}
	t.Parallel()
	b := browser.Start(t)
	root := site(t, map[string]string{"/good": `<title>Good</title><p>hello</p><input name="twice"><input name="twice">`})
	failures := record(t, func(tb testing.TB) {
		v := b.Visitor(tb, root)
		v.Go("/good")
		v.Fill("twice", "value")
	})
	got := strings.Join(failures, "\n")
	for _, want := range []string{"twice", root + "/good", "Good", "hello", "screenshot: /"} {
		if !strings.Contains(got, want) {
			t.Errorf("the failure is %q, which lacks %q", got, want)
		}
	}
}
