package httpapi

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// Pages renders what people see in a browser. This package knows only the
// routes and who may come there.
type Pages interface {
	// Serve answers a request for a page of the table, whose name it knows. It
	// reports whether a use case took the request, which then made its one record
	// in the audit log.
	Serve(w http.ResponseWriter, r *http.Request, page string, v authn.Visit) (recorded bool, err error)
	// Has reports whether there is a page of the name.
	Has(page string) bool
	// LoggedOut writes the page after leaving.
	LoggedOut(w http.ResponseWriter) error
	// Problem writes a page that says what went wrong, or the part of one where
	// only a part was asked for. The visit has no caller where nobody is known.
	Problem(w http.ResponseWriter, r *http.Request, v authn.Visit, status int, message string) error
	// NotFoundPage writes the page about a missing page, with status 200.
	NotFoundPage(w http.ResponseWriter) error
	// File writes a static file, named by its path without the first slash; it
	// reports false, and writes nothing, if there is none.
	File(w http.ResponseWriter, r *http.Request, name string) bool
}

// servePage hands a request that passed the gates to the page that its route
// names.
func servePage(c *call) error {
	v := authn.Visit{Caller: c.caller, Fields: c.s.sessions.Fields(c.session)}
	if c.session != nil {
		var err error
		if v.FormToken, err = c.s.sessions.FormToken(c.session); err != nil {
			return err
		}
		if c.caller.Ambient {
			v.SessionEnds = c.s.sessions.Expires(c.session)
		}
	}
	w := http.ResponseWriter(c)
	if c.route.compress {
		compressing := &pageWriter{call: c}
		defer compressing.finish()
		w = compressing
	}
	recorded, err := c.s.pages.Serve(w, c.r, c.route.page, v)
	c.handedOver = recorded
	return err
}

func notFoundPage(c *call) error { return c.s.pages.NotFoundPage(c) }

// staticFile serves what is part of the binary. Vendored libraries also answer
// under their older address.
func staticFile(c *call) error {
	name := strings.TrimPrefix(c.r.URL.Path, "/")
	if rest, ok := strings.CutPrefix(name, "bower_components/"); ok {
		name = "components/" + rest
	}
	if !c.s.pages.File(c, c.r, name) {
		return errNoSuchFile
	}
	return nil
}

var errNoSuchFile = fault.New(fault.NotFound, "There is no page under this address.")

// customFile serves a file of the installation's own directory.
func customFile(c *call) error {
	if !c.sendCustom() {
		return errNoSuchFile
	}
	return nil
}

// customModule is customFile for what clients ask for without knowing whether
// it is there: a missing file is an empty one.
func customModule(c *call) error {
	if !c.sendCustom() {
		c.sendEmpty(http.StatusOK)
	}
	return nil
}

// sendCustom sends the file under the custom directory that the path names, and
// reports false if there is none. Nothing outside that directory is reached,
// neither by the path nor by a symbolic link in it.
func (c *call) sendCustom() bool {
	name := strings.TrimPrefix(c.r.URL.Path, "/custom/")
	if c.s.customDirectory == "" || !fs.ValidPath(name) {
		return false
	}
	file, info, err := openWithin(c.s.customDirectory, name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.s.log.WarnContext(c.ctx(), "a custom file cannot be served", "error", err)
		}
		return false
	}
	defer file.Close()
	c.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(c, c.r, path.Base(name), info.ModTime(), file)
	return true
}

// openWithin opens a regular file below a directory.
func openWithin(directory, name string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	file, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}
