package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Target is where a backup is put back.
type Target struct {
	DataDir   string // must exist and be locked
	Database  string // file in it
	AuditDir  string // empty: the log is not kept in files
	ConfigDir string // empty: the configuration is not put back
	KeyFile   string // empty: the key is not put back
}

// Staged is a backup that was unpacked beside what it is to replace, on the same
// file systems. Nothing is replaced yet.
type Staged struct {
	Manifest Manifest

	target Target
	log    bool // the log comes from the backup, for there is none
	key    bool // the key comes from the backup, for there is none
	made   []string
	now    func() time.Time

	reached func(point string) // tests stop here
}

// Stage unpacks a backup and checks it. What an earlier run left of its own is
// removed before, and after an error everything is as it was. A file that is no
// whole backup is a fault of kind Denied.
func Stage(ctx context.Context, file string, t Target, now func() time.Time, progress func(done, total int)) (_ *Staged, err error) {
	for _, path := range []*string{&t.DataDir, &t.Database, &t.AuditDir, &t.ConfigDir, &t.KeyFile} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, err
		}
	}
	s := &Staged{target: t, now: now, reached: func(string) {}}
	if err := s.Discard(); err != nil {
		return nil, err
	}
	if s.log, err = absentOrEmpty(t.AuditDir); err != nil {
		return nil, err
	}
	if t.KeyFile != "" {
		_, err := os.Lstat(t.KeyFile)
		s.key = errors.Is(err, fs.ErrNotExist)
	}
	s.Manifest, err = reading{ctx: ctx, begin: s.room, member: s.create, progress: progress}.read(file)
	if err != nil {
		return nil, errors.Join(err, s.Discard())
	}
	s.key = s.key && s.Manifest.Key
	s.log = s.log && slices.ContainsFunc(s.Manifest.Members, func(m Member) bool { return strings.HasPrefix(m.Name, auditPrefix) })
	if _, err := s.moves(); err != nil { // what must not be replaced shows before anybody is asked
		return nil, errors.Join(err, s.Discard())
	}
	return s, nil
}

func absentOrEmpty(dir string) (bool, error) {
	if dir == "" {
		return false, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return len(entries) == 0, err
}

// room refuses a backup that does not fit, before it fills the disk.
func (s *Staged) room(m Manifest) error {
	var st unix.Statfs_t
	if err := unix.Statfs(s.target.DataDir, &st); err != nil {
		return fmt.Errorf("looking at the space left: %w", err)
	}
	total := int64(0)
	for _, member := range m.Members {
		total += member.Size
	}
	if free := int64(st.Bavail) * int64(st.Bsize); total > free {
		return fmt.Errorf("unpacking the backup takes %d bytes, %s has %d: %w", total, s.target.DataDir, free, syscall.ENOSPC)
	}
	return nil
}

// Database returns where the unpacked database lies.
func (s *Staged) Database() string { return s.place(databaseName) }

// Key returns where the key file of the backup lies; "" unless it is put back.
func (s *Staged) Key() string {
	if !s.key {
		return ""
	}
	return s.place(keyName)
}

// Log reports whether the backup's log becomes the log.
func (s *Staged) Log() bool { return s.log }

// place returns where a member is unpacked; "" if it is only checked.
func (s *Staged) place(name string) string {
	staging := func(parent string) string { return filepath.Join(parent, stagingName, name) }
	switch {
	case name == databaseName:
		return staging(s.target.DataDir)
	case name == keyName && s.key:
		return staging(filepath.Dir(s.target.KeyFile))
	case strings.HasPrefix(name, auditPrefix) && s.log:
		return staging(filepath.Dir(s.target.AuditDir))
	case strings.HasPrefix(name, configPrefix) && s.target.ConfigDir != "":
		return staging(s.target.ConfigDir)
	}
	return ""
}

// create makes the file of a member. Names were held to the rules before.
func (s *Staged) create(m Member) (io.WriteCloser, error) {
	path := s.place(m.Name)
	if path == "" {
		return nil, nil
	}
	if err := s.makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(m.Mode).Perm())
	if err != nil {
		return nil, err
	}
	return flushed{file}, nil
}

// makeDir makes a directory and remembers what it made.
func (s *Staged) makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := s.makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	s.made = append(s.made, dir)
	return nil
}

// flushed is a file that is on the disk once it is closed.
type flushed struct{ *os.File }

// Close implements io.Closer.
func (f flushed) Close() error { return errors.Join(f.Sync(), f.File.Close()) }

// Discard removes what was unpacked, and the directories made for it that are
// empty. What an unfinished Swap needs stays.
func (s *Staged) Discard() error {
	if Unfinished(s.target.DataDir) {
		return nil
	}
	for _, parent := range s.parents() {
		if err := os.RemoveAll(filepath.Join(parent, stagingName)); err != nil {
			return fmt.Errorf("removing what was unpacked: %w", err)
		}
	}
	for _, dir := range slices.Backward(s.made) {
		_ = os.Remove(dir) // what is not empty stays
	}
	s.made = nil
	return nil
}

// parents are the directories in which files are unpacked.
func (s *Staged) parents() []string {
	all := []string{s.target.DataDir}
	if s.target.AuditDir != "" {
		all = append(all, filepath.Dir(s.target.AuditDir))
	}
	if s.target.KeyFile != "" {
		all = append(all, filepath.Dir(s.target.KeyFile))
	}
	if s.target.ConfigDir != "" {
		all = append(all, s.target.ConfigDir)
	}
	return all
}

// PlaceLog makes the backup's log the log. Nothing happens if there is one.
func (s *Staged) PlaceLog() error {
	if !s.log {
		return nil
	}
	from := filepath.Dir(s.place(auditPrefix + "x"))
	if err := errors.Join(ownLike(from, filepath.Dir(s.target.AuditDir)), syncDir(from), s.makeDir(filepath.Dir(s.target.AuditDir))); err != nil {
		return fmt.Errorf("putting the audit log back: %w", err)
	}
	// One act: the whole log is there, or none of it.
	if err := os.Rename(from, s.target.AuditDir); err != nil {
		return fmt.Errorf("putting the audit log back: %w", err)
	}
	s.log = false
	s.reached("log in place")
	return syncDir(filepath.Dir(s.target.AuditDir))
}
