// Package backup writes a backup of everything one machine keeps into one file,
// checks such a file, and puts one back.
//
// It knows archives, files and the order in which they are moved so that a
// crash loses nothing. What is in the database it does not know: taking a
// snapshot of one and judging it is the business of the caller.
//
// A backup is a tar archive compressed with gzip:
//
//	manifest.json            first: what the backup holds, with sizes and hashes
//	database/confidant.db    a snapshot
//	audit/...                the segments of the audit log
//	config/...               the directory of the configuration
//	enckey                   the key file, if it was asked for
package backup

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// format is the number of the form described above.
const format = 1

// Names in the archive.
const (
	manifestName = "manifest.json"
	databaseName = "database/confidant.db"
	keyName      = "enckey"
	auditPrefix  = "audit/"
	configPrefix = "config/"
)

// Names of what stands on a disk while something is under way.
const (
	workName    = ".confidant-backup"       // beside backups: the lock, and the one that is being written
	stagingName = ".confidant-restore"      // beside what is replaced: what was unpacked
	journalName = ".confidant-restore.json" // in the data directory: see journal
)

// Bounds of what is read. They are far beyond what a backup needs.
const (
	maxManifest  = 64 << 20 // bytes
	maxMembers   = 500_000
	maxName      = 4096     // bytes
	maxExpansion = 200      // times the packed size, beyond
	freeSize     = 64 << 20 // bytes that may be unpacked in any case
	maxPadding   = 1 << 20  // bytes of zeros behind the end
)

// Items counts what a database holds.
type Items struct {
	Credentials      int `json:"credentials"`
	Archived         int `json:"archived"`
	BlindCredentials int `json:"blind_credentials"`
	Services         int `json:"services"`
}

// Database describes a database.
type Database struct {
	Engine      string `json:"engine"`
	Schema      int    `json:"schema"`
	Fingerprint string `json:"fingerprint"` // of the key it belongs to; empty: of none
	Items       Items  `json:"items"`
}

// Manifest says what a backup holds.
type Manifest struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of the program that wrote it
	Created time.Time `json:"created"`
	Host    string    `json:"host"`
	Key     bool      `json:"enckey"` // the key file is in it
	// KeyEncrypted says that a passphrase protects that file.
	KeyEncrypted bool `json:"enckey_encrypted,omitempty"`
	Database
	Members []Member `json:"members"`
}

// Member is a file in a backup.
type Member struct {
	Name   string `json:"name"` // relative, with slashes
	Size   int64  `json:"size"`
	Mode   uint32 `json:"mode"` // permission bits
	SHA256 string `json:"sha256"`
}

// Configuration counts the files of the configuration.
func (m Manifest) Configuration() int {
	n := 0
	for _, member := range m.Members {
		if strings.HasPrefix(member.Name, configPrefix) {
			n++
		}
	}
	return n
}

// refuse is the answer to a file that is no backup to go on with.
func refuse(reason string, args ...any) error {
	return fault.Newf(fault.Denied, "This is no good backup: %s.", fmt.Sprintf(reason, args...))
}

// check holds a manifest to the rules before anything it names is read.
func (m *Manifest) check(packed int64) error {
	if m.Format != format {
		return refuse("it has the form %d, this version knows %d", m.Format, format)
	}
	if len(m.Members) > maxMembers {
		return refuse("it names %d members", len(m.Members))
	}
	seen := make(map[string]bool, len(m.Members))
	left := packed*maxExpansion + freeSize
	for _, member := range m.Members {
		switch {
		case !goodName(member.Name):
			return refuse("%q is no name for a member", member.Name)
		case seen[member.Name]:
			return refuse("it names %s twice", member.Name)
		case member.Size < 0 || member.Size > left:
			return refuse("%s claims a size that a file of this size cannot hold", member.Name)
		case len(member.SHA256) != 64:
			return refuse("%s has no hash", member.Name)
		}
		seen[member.Name] = true
		left -= member.Size
	}
	for _, member := range m.Members {
		for dir := path.Dir(member.Name); dir != "."; dir = path.Dir(dir) {
			if seen[dir] {
				return refuse("%s is a file and a directory", dir)
			}
		}
	}
	switch {
	case !seen[databaseName]:
		return refuse("there is no database in it")
	case seen[keyName] != m.Key:
		return refuse("it is not clear whether it holds a key")
	}
	return nil
}

// goodName reports whether a member may bear a name: one that stays inside, in
// its only spelling, and in a place that backups have.
func goodName(name string) bool {
	if len(name) > maxName || !filepath.IsLocal(name) || path.Clean(name) != name || strings.ContainsFunc(name, badRune) {
		return false
	}
	if part, ok := strings.CutPrefix(name, auditPrefix); ok {
		return audit.IsPart(part)
	}
	if part, ok := strings.CutPrefix(name, configPrefix); ok {
		return part != "" && !ours(path.Base(part))
	}
	return name == databaseName || name == keyName
}

// ours reports whether a file or directory of this name is the program's own and
// so no configuration, for both may lie in one directory.
func ours(base string) bool {
	return base == "confidant.lock" || base == "confidant.db" || strings.HasPrefix(base, "confidant.db-") ||
		strings.HasPrefix(base, "confidant.db.") || strings.HasPrefix(base, "confidant-backup-") || strings.HasPrefix(base, ".confidant-")
}

func badRune(r rune) bool { return r == '\\' || r == unicode.ReplacementChar || unicode.IsControl(r) }
