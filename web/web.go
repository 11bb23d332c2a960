// Package web carries the templates and static files of the pages inside the
// binary. Nothing here is built: what is committed is what is served. It knows
// neither what a page shows nor who may see it.
package web

import (
	"embed"
	"io/fs"
)

//go:embed templates static
var files embed.FS

// Templates returns the HTML templates, by file name.
func Templates() fs.FS { return folder("templates") }

// Static returns the files that browsers fetch beside the pages, each under the
// path it is served at.
func Static() fs.FS { return folder("static") }

func folder(name string) fs.FS {
	sub, err := fs.Sub(files, name)
	if err != nil {
		panic("web: " + err.Error()) // the name is a constant, so it is valid
	}
	return sub
}
