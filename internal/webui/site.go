// Package webui renders what browsers see: pages from templates, and the static
// files beside them. It knows no routes and no gates: whoever calls it has
// already decided that the visitor may see the page. A page is a struct of words
// ready to print; the templates decide nothing.
package webui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/web"
)

// Options is what a Site needs.
type Options struct {
	// Find searches current rows as one caller may: the use case of that name.
	Find func(context.Context, authz.Caller, store.Query) (store.Found, error)
	// ReadOnly says whether maintenance mode is on.
	ReadOnly func() bool
	// Brand is the name on the pages; empty is "Confidant".
	Brand string
	// LoginPath is where "Log in" leads; empty where authentication is off, and
	// then nobody is offered to log out either.
	LoginPath string
	// Version is shown at the foot; empty shows none.
	Version string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Site renders the pages. It is safe for concurrent use.
type Site struct {
	find      func(context.Context, authz.Caller, store.Query) (store.Found, error)
	readOnly  func() bool
	frame     frame
	loginPath string
	now       func() time.Time
	pages     map[string]*template.Template
	files     *files
}

// New reads the templates and static files.
func New(o Options) (*Site, error) {
	if o.Find == nil || o.ReadOnly == nil {
		return nil, errors.New("webui: Find and ReadOnly are needed")
	}
	files, err := readFiles(web.Static())
	if err != nil {
		return nil, fmt.Errorf("webui: reading static files: %w", err)
	}
	s := &Site{
		find: o.Find, readOnly: o.ReadOnly, loginPath: o.LoginPath, now: o.Now,
		pages: make(map[string]*template.Template), files: files,
		frame: frame{
			Brand:      o.Brand,
			StyleSheet: "/styles/confidant.css?v=" + files.version("styles/confidant.css"),
			Version:    o.Version,
		},
	}
	if s.frame.Brand == "" {
		s.frame.Brand = "Confidant"
	}
	if s.now == nil {
		s.now = time.Now
	}
	for _, name := range []string{"home.html", "loggedout.html", "error.html", "login.html", "login_code.html", "setup.html"} {
		page, err := readPage(web.Templates(), name)
		if err != nil {
			return nil, fmt.Errorf("webui: reading templates: %w", err)
		}
		s.pages[name] = page
	}
	return s, nil
}

func readPage(templates fs.FS, name string) (*template.Template, error) {
	return template.New(name).Option("missingkey=error").ParseFS(templates, "layout.html", name)
}

// frame is what every page shows around its content.
type frame struct {
	Title      string
	Brand      string
	StyleSheet string
	Version    string
	Visitor    *visitor
}

// visitor is who is logged in, in words.
type visitor struct {
	Name     string
	Kind     string
	MayLeave bool
}

func (s *Site) titled(title string, who *authz.Principal) frame {
	f := s.frame
	f.Title = title
	if who != nil {
		f.Visitor = &visitor{Name: who.Name, Kind: kindOf(who), MayLeave: s.loginPath != ""}
	}
	return f
}

func kindOf(p *authz.Principal) string {
	switch {
	case p.Administrator:
		return "Administrator"
	case p.Type == authz.Service:
		return "Service"
	default:
		return "User"
	}
}

// render writes a page whole or not at all.
func (s *Site) render(w http.ResponseWriter, status int, name string, page any) error {
	var b bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&b, "layout", page); err != nil {
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
