package webui

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// frame is what every page shows around its content. A page's struct embeds it.
type frame struct {
	Title       string
	Brand       string
	Logo        string
	StyleSheets []string
	Scripts     []string
	Version     string
	Theme       string // "light", "dark"; "" follows the system
	Themes      []choice
	Section     string // which entry of the navigation this page belongs to
	Visitor     *visitor
	ReadOnly    bool
	FormToken   string // of the hidden field of forms; "" where none is needed
	Notice      string // what the visitor has just done
	OwnSearch   bool   // the page has a search box of its own
	SessionEnds int    // seconds until the session ends; 0: it does not, or there is none
}

// choice is one of several links of which one is in force.
type choice struct {
	Label   string
	Link    string
	Current bool
}

// visitor is who is logged in, in words.
type visitor struct {
	Name     string
	Kind     string
	MayLeave bool
}

// titled returns the frame of a page that anybody may see.
func (s *Site) titled(title string) frame {
	f := s.frame
	f.Title = title
	return f
}

// framed returns the frame of a visitor's page.
func (v *visit) framed(title, section string) frame {
	f := v.s.titled(title)
	f.Section = section
	f.ReadOnly = v.s.readOnly()
	f.FormToken = v.FormToken
	f.Notice = notices[v.r.URL.Query().Get("done")]
	f.Visitor = &visitor{Name: v.Caller.Name, Kind: kindOf(v.Caller.Principal), MayLeave: v.s.loginPath != ""}
	f.Theme, f.Themes = themes(v.r)
	if !v.SessionEnds.IsZero() {
		f.SessionEnds = max(1, int(v.SessionEnds.Sub(v.s.now()).Seconds()))
	}
	return f
}

// notices are what pages say after a form has done its work, by the word that the
// address of the page carries. Nothing that somebody typed travels there.
var notices = map[string]string{
	"created":  "Created.",
	"saved":    "Saved. The services that receive it get the new revision with their next fetch.",
	"mapped":   "Saved. The service receives this with its next fetch.",
	"same":     "Nothing was changed, so nothing was saved.",
	"reverted": "Reverted.",
	"enabled":  "Enabled.",
	"disabled": "Disabled.",
	"archived": "Archived. An administrator can bring it back.",
}

func kindOf(p authz.Principal) string {
	switch {
	case p.Administrator:
		return "Administrator"
	case p.Type == authz.Service:
		return "Service"
	default:
		return "User"
	}
}

// render writes a page, whole or not at all. Where a script asks for the part of
// the page with an id, the block "part-<id>" of the template is all that is sent;
// parts of which there are several have a number behind their id.
func (v *visit) render(status int, name string, page any) error {
	block := "layout"
	if part := "part-" + numbered.ReplaceAllString(v.target(), ""); v.s.templates[name].Lookup(part) != nil {
		block = part
	}
	return v.s.write(v.w, status, name, block, page)
}

var numbered = regexp.MustCompile(`-[0-9]+$`)

// write renders a block of a template and sends it.
func (s *Site) write(w http.ResponseWriter, status int, name, block string, page any) error {
	var b bytes.Buffer
	if err := s.templates[name].ExecuteTemplate(&b, block, page); err != nil {
		return fmt.Errorf("rendering %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	// A browser that has gone away is no error of the page.
	_, _ = w.Write(b.Bytes())
	return nil
}
