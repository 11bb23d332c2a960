// Package migrations holds the steps that build the schema of each store, as
// files that can be read without the program. It knows nothing of how they are
// applied.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql
var files embed.FS

// SQLite returns the migrations of the embedded store, named
// "<4 digits>_<what>.sql" and numbered from 0001 without a gap. A migration that
// was released is never changed.
func SQLite() fs.FS {
	sub, err := fs.Sub(files, "sqlite")
	if err != nil {
		panic("migrations: the folder is embedded: " + err.Error())
	}
	return sub
}
