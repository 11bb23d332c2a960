// Package webui is what people see in a browser. A page reads its form into a
// typed value, calls one use case, fills a struct of words that are ready to
// print, and renders one template, which decides nothing. It knows no routes and
// no gates: whoever calls it has already decided that the visitor may come.
package webui

import (
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/vault"
	"github.com/confidant-secrets/confidant/web"
)

// Options is what a Site needs.
type Options struct {
	Vault *vault.Vault
	// ReadOnly says whether maintenance mode is on.
	ReadOnly func() bool
	// Accounts are those that a service may be scoped to.
	Accounts []string
	// Brand is the name on the pages; empty is "Confidant".
	Brand string
	// BrandColor is the accent colour as CSS writes it in six hex digits
	// ("#1f5f8b"); empty is ours.
	BrandColor string
	// BrandLogo is the file of the logo, an SVG or PNG; empty is ours.
	BrandLogo string
	// CustomDirectory is what /custom/ serves; a styles/custom.css in it is part of
	// every page.
	CustomDirectory string
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
	vault     *vault.Vault
	readOnly  func() bool
	accounts  []string
	loginPath string
	now       func() time.Time
	frame     frame
	templates map[string]*template.Template
	pages     map[string]page
	files     *files
}

// page answers a request for one page.
type page func(*visit) error

// New reads the templates and static files.
func New(o Options) (*Site, error) {
	if o.Vault == nil || o.ReadOnly == nil {
		return nil, errors.New("webui: Vault and ReadOnly are needed")
	}
	files, err := readFiles(web.Static())
	if err != nil {
		return nil, fmt.Errorf("webui: reading static files: %w", err)
	}
	s := &Site{
		vault: o.Vault, readOnly: o.ReadOnly, accounts: o.Accounts, loginPath: o.LoginPath, now: o.Now,
		pages: pages(), files: files,
		frame: frame{Brand: o.Brand, Logo: "/images/confidant.svg", Version: o.Version},
	}
	if s.frame.Brand == "" {
		s.frame.Brand = "Confidant"
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.applyBrand(o); err != nil {
		return nil, fmt.Errorf("webui: %w", err)
	}
	for _, name := range []string{"components/tabler/tabler.min.css", "styles/confidant.css"} {
		s.frame.StyleSheets = append(s.frame.StyleSheets, s.address(name))
	}
	if o.BrandColor != "" {
		s.frame.StyleSheets = append(s.frame.StyleSheets, s.address(brandSheet))
	}
	if o.CustomDirectory != "" {
		if _, err := os.Stat(filepath.Join(o.CustomDirectory, "styles", "custom.css")); err == nil {
			s.frame.StyleSheets = append(s.frame.StyleSheets, "/custom/styles/custom.css")
		}
	}

	s.frame.Scripts = []string{s.address("components/htmx/htmx.min.js"), s.address("scripts/confidant.js")}
	if s.templates, err = readTemplates(web.Templates()); err != nil {
		return nil, fmt.Errorf("webui: reading templates: %w", err)
	}
	return s, nil
}

// address returns where a static file is served, under an address that changes
// with its content.
func (s *Site) address(name string) string { return "/" + name + "?v=" + s.files.version(name) }

// readTemplates reads every page: the file of its name with the layout and the
// parts that pages share, which are the files below parts/.
func readTemplates(from fs.FS) (map[string]*template.Template, error) {
	shared, err := template.New("layout").Option("missingkey=error").ParseFS(from, "layout.html", "parts/*.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(from, "*.html")
	if err != nil {
		return nil, err
	}
	all := make(map[string]*template.Template)
	for _, name := range names {
		if name == "layout.html" {
			continue
		}
		t, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		if all[strings.TrimSuffix(name, path.Ext(name))], err = t.ParseFS(from, name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Has reports whether there is a page of the name.
func (s *Site) Has(page string) bool { return s.pages[page] != nil }

// Serve answers a request for the page of a name. It reports whether a use case
// took the request to its end, which then made its record.
func (s *Site) Serve(w http.ResponseWriter, r *http.Request, page string, v authn.Visit) (recorded bool, err error) {
	visit := &visit{Visit: v, s: s, w: w, r: r}
	err = s.pages[page](visit)
	return visit.judged && !errors.As(err, new(denial)), err
}
