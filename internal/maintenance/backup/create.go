package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/confidant-secrets/confidant/internal/audit"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/maintenance"
)

// Source is what a backup is made of.
type Source struct {
	// Snapshot writes a consistent copy of the database to a new file.
	Snapshot  func(ctx context.Context, path string) (Database, error)
	AuditDir  string   // empty: there is no log to keep
	ConfigDir string   // empty: there is no configuration to keep
	Exclude   []string // patterns of path.Match on paths within ConfigDir and on last elements
	LeaveOut  []string // directories, and whatever is in them, that are not configuration
	KeyFile   string   // never taken for configuration; empty: there is none
	WithKey   bool     // the key file goes in as well

	Version, Host string
	Now           func() time.Time
	Wait          time.Duration // for another backup that is being written
	// Warn is told what is left out although it stands in ConfigDir.
	Warn func(format string, args ...any)
	// Progress is told how many bytes are in, of how many; nil: nobody is.
	Progress func(done, total int)

	reached func(point string) // tests stop here
}

// Made is a backup that was written.
type Made struct {
	File     string
	Size     int64
	Manifest Manifest
}

// item is a member and where its bytes come from.
type item struct {
	Member
	from io.ReaderAt
}

func inMemory(name string, mode fs.FileMode, content []byte) item {
	return item{Member{Name: name, Size: int64(len(content)), Mode: uint32(mode.Perm())}, bytes.NewReader(content)}
}

// Create writes a backup into a directory, which is made if it is missing. The
// database and the log may be written to meanwhile: the log is read after the
// database, so that it tells of all that the database holds. Until the backup
// is whole, and on the disk, it does not bear its name.
func Create(ctx context.Context, dir string, s Source) (made Made, err error) {
	if s.reached == nil {
		s.reached = func(string) {}
	}
	work := filepath.Join(dir, workName)
	partial := filepath.Join(work, "partial")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return Made{}, fmt.Errorf("making the directory of backups: %w", err)
	}
	lock, err := maintenance.Acquire(ctx, work, maintenance.Exclusive, s.Wait)
	if err != nil {
		return Made{}, fmt.Errorf("another backup is being written to %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	// A killed run may have left its own.
	if err := errors.Join(os.RemoveAll(partial), os.Mkdir(partial, 0o700)); err != nil {
		return Made{}, fmt.Errorf("making room for the backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(partial)) }()
	archive, data := filepath.Join(partial, "archive"), filepath.Join(partial, "confidant.db")

	made.Manifest = Manifest{Format: format, Version: s.Version, Created: s.Now().UTC().Truncate(time.Second), Host: s.Host, Key: s.WithKey}
	if made.Manifest.Database, err = s.Snapshot(ctx, data); err != nil {
		return Made{}, err
	}
	s.reached("snapshot taken")
	items, closeItems, err := s.items(data, &made.Manifest)
	if err != nil {
		return Made{}, err
	}
	defer closeItems()
	if made.Size, err = s.write(ctx, archive, &made.Manifest, items); err != nil {
		return Made{}, fmt.Errorf("writing the backup: %w", err)
	}
	s.reached("archive written")
	made.File = filepath.Join(dir, "confidant-backup-"+made.Manifest.Created.Format("20060102-150405")+".tgz")
	if _, err := os.Lstat(made.File); !errors.Is(err, fs.ErrNotExist) {
		return Made{}, errors.Join(fault.Newf(fault.Exists, "%s already exists. It is not overwritten.", made.File), err)
	}
	if err := os.Rename(archive, made.File); err != nil {
		return Made{}, fmt.Errorf("naming the backup: %w", err)
	}
	return made, syncDir(dir)
}

// items opens everything that goes in, in the order of the archive, and notes in
// the manifest how the key goes in.
func (s *Source) items(data string, m *Manifest) (items []item, closeItems func(), err error) {
	var files []*os.File
	closeFiles := func() {
		for _, f := range files {
			f.Close() // they were only read
		}
	}
	defer func() {
		if err != nil {
			closeFiles()
		}
	}()
	file, err := os.Open(data)
	if err != nil {
		return nil, nil, err
	}
	files = append(files, file)
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	items = append(items, item{Member{Name: databaseName, Size: info.Size(), Mode: 0o600}, file})
	if s.WithKey {
		key, err := os.ReadFile(s.KeyFile)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the key file: %w", err)
		}
		items = append(items, inMemory(keyName, 0o400, key))
		m.KeyEncrypted = len(key) != keySize
	}
	if s.AuditDir != "" {
		parts, err := audit.Parts(s.AuditDir)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range parts {
			files = append(files, p.File)
			items = append(items, item{Member{Name: auditPrefix + p.Name, Size: p.Size, Mode: 0o600}, p.File})
		}
	}
	if s.ConfigDir != "" {
		configuration, err := s.configuration()
		if err != nil {
			return nil, nil, fmt.Errorf("reading the configuration directory: %w", err)
		}
		items = append(items, configuration...)
	}
	return items, closeFiles, nil
}

// write writes the archive and returns its size. What it hashes first is what it
// writes later: no member changes in its first Size bytes.
func (s *Source) write(ctx context.Context, path string, m *Manifest, items []item) (size int64, err error) {
	total, done := int64(0), int64(0)
	for i := range items {
		hash := sha256.New()
		if _, err := io.Copy(hash, &steady{ctx: ctx, from: items[i].reader()}); err != nil {
			return 0, err
		}
		items[i].SHA256 = hex.EncodeToString(hash.Sum(nil))
		m.Members = append(m.Members, items[i].Member)
		total += items[i].Size
	}
	manifest, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return 0, err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	packed, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return 0, err
	}
	out := tar.NewWriter(packed)
	count := func(n int) {
		done += int64(n)
		if s.Progress != nil {
			s.Progress(int(done), int(total))
		}
	}
	total += int64(len(manifest))
	for _, it := range append([]item{inMemory(manifestName, 0o600, manifest)}, items...) {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: it.Name, Size: it.Size, Mode: int64(it.Mode), ModTime: m.Created}
		if err := out.WriteHeader(header); err != nil {
			return 0, err
		}
		if _, err := io.Copy(out, &steady{ctx: ctx, from: it.reader(), count: count}); err != nil {
			return 0, fmt.Errorf("%s: %w", it.Name, err)
		}
		s.reached("member " + it.Name)
	}
	if err := errors.Join(out.Close(), packed.Close(), file.Sync()); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (it item) reader() io.Reader { return io.NewSectionReader(it.from, 0, it.Size) }

// steady is a reader that ends with its context and tells how far it is.
type steady struct {
	ctx   context.Context
	from  io.Reader
	count func(n int) // nil: nobody is told
}

// Read implements io.Reader.
func (r *steady) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.from.Read(p)
	if r.count != nil {
		r.count(n)
	}
	return n, err
}

// syncDir flushes the names in a directory.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
