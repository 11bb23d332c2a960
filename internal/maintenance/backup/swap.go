package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// move puts one file in the place of another. Either end may be missing: From
// is empty where a file only makes way, and nothing is moved aside where nothing
// stood.
type move struct {
	From  string `json:"from,omitempty"`
	To    string `json:"to"`
	Aside string `json:"aside"`
}

// journal is what is on the disk while files are moved. As long as it is there,
// what stands in the data directory may be half old and half new.
type journal struct {
	Moves   []move   `json:"moves"` // in order; the last one brings the database
	Staging []string `json:"staging"`
}

// Swap moves the old files aside and the new ones into place. After an error
// everything is as it was before, or Unfinished says that it is not. It returns
// the names under which the old files stand now.
func (s *Staged) Swap() (aside []string, err error) {
	j := journal{}
	if j.Moves, err = s.moves(); err != nil {
		return nil, err
	}
	for _, parent := range s.parents() {
		j.Staging = append(j.Staging, filepath.Join(parent, stagingName))
	}
	for _, m := range j.Moves {
		if err := s.makeDir(filepath.Dir(m.To)); err != nil {
			return nil, err
		}
		if m.From == "" {
			continue
		}
		like := m.To
		if _, err := os.Stat(like); err != nil {
			like = filepath.Dir(like)
		}
		if err := ownLike(m.From, like); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(s.target.DataDir, journalName)
	if err := j.save(path); err != nil {
		return nil, fmt.Errorf("noting what is moved: %w", err)
	}
	s.reached("journal written")
	for i, m := range j.Moves {
		if i == len(j.Moves)-1 {
			err = j.sync()
		}
		if err == nil {
			err = m.do(s.reached)
		}
		if err != nil {
			err = fmt.Errorf("moving files: %w", err)
			if undoing := j.undo(); undoing != nil {
				return nil, errors.Join(err, fmt.Errorf("undoing that: %w", undoing))
			}
			return nil, errors.Join(err, j.end(path))
		}
		if exists(m.Aside) {
			aside = append(aside, m.Aside)
		}
	}
	s.reached("all in place")
	return aside, j.end(path)
}

// Recover deals with a Swap that was cut off by the end of its process: one that
// was complete stays, any other is undone. It reports whether there was one and
// whether it is undone. Nobody may use the data meanwhile.
func Recover(dataDir string) (found, undone bool, err error) {
	path := filepath.Join(dataDir, journalName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	}
	if err != nil {
		return true, false, fmt.Errorf("reading what an interrupted restore left: %w", err)
	}
	j := journal{}
	err = json.Unmarshal(text, &j)
	if err == nil && len(j.Moves) == 0 {
		err = errors.New("it names no file")
	}
	if err != nil {
		return true, false, fmt.Errorf("reading %s, which says what an interrupted restore moved: %w", path, err)
	}
	if last := j.Moves[len(j.Moves)-1]; exists(last.From) {
		undone = true
		if err := j.undo(); err != nil {
			return true, false, fmt.Errorf("undoing an interrupted restore: %w", err)
		}
	}
	return true, undone, j.end(path)
}

// Unfinished reports whether a Swap was cut off in a data directory.
func Unfinished(dataDir string) bool {
	_, err := os.Lstat(filepath.Join(dataDir, journalName))
	return !errors.Is(err, fs.ErrNotExist)
}

// save writes the journal, whole or not at all.
func (j *journal) save(path string) error {
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// end makes what stands where it stands final.
func (j *journal) end(path string) error {
	if err := j.sync(); err != nil {
		return err
	}
	if err := errors.Join(os.Remove(path), syncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("removing the note of what was moved: %w", err)
	}
	for _, dir := range j.Staging {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing what was unpacked: %w", err)
		}
	}
	return nil
}

// undo takes back what was moved, as much as it was.
func (j *journal) undo() error {
	for _, m := range slices.Backward(j.Moves) {
		if m.From != "" && !exists(m.From) && exists(m.To) {
			if err := os.Rename(m.To, m.From); err != nil {
				return err
			}
		}
		if exists(m.Aside) && !exists(m.To) {
			if err := os.Rename(m.Aside, m.To); err != nil {
				return err
			}
		}
	}
	return nil
}

// sync flushes the directories in which files are moved.
func (j *journal) sync() error {
	var dirs []string
	for _, m := range j.Moves {
		dirs = append(dirs, filepath.Dir(m.To))
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (m move) do(reached func(string)) error {
	if exists(m.To) {
		if err := os.Rename(m.To, m.Aside); err != nil {
			return err
		}
		reached("aside " + filepath.Base(m.To))
	}
	if m.From == "" {
		return nil
	}
	if err := os.Rename(m.From, m.To); err != nil {
		return err
	}
	reached("in place " + filepath.Base(m.To))
	return nil
}

func exists(path string) bool {
	if path == "" {
		return false
	}
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// Replaces returns the files that Swap moves aside.
func (s *Staged) Replaces() ([]string, error) {
	moves, err := s.moves()
	var all []string
	for _, m := range moves {
		if exists(m.To) {
			all = append(all, m.To)
		}
	}
	return all, err
}

// moves plans what Swap does: configuration, key, and last the database, whose
// write-ahead log goes with the old one.
func (s *Staged) moves() ([]move, error) {
	suffix := ".before-restore-" + s.now().UTC().Format("20060102-150405")
	var all []move
	add := func(from, to string) {
		m := move{From: from, To: to, Aside: to + suffix}
		for i := 2; exists(m.Aside); i++ {
			m.Aside = fmt.Sprintf("%s%s-%d", to, suffix, i)
		}
		all = append(all, m)
	}
	for _, member := range s.Manifest.Members {
		name, ok := strings.CutPrefix(member.Name, configPrefix)
		if !ok || s.target.ConfigDir == "" {
			continue
		}
		to := filepath.Join(s.target.ConfigDir, filepath.FromSlash(name))
		if err := s.mayReplace(to); err != nil {
			return nil, err
		}
		same, err := equalFiles(s.place(member.Name), to)
		if err != nil {
			return nil, err
		}
		if !same {
			add(s.place(member.Name), to)
		}
	}
	if s.key {
		add(s.Key(), s.target.KeyFile)
	}
	// The write-ahead log takes its name from the database's.
	database := len(all)
	add(s.Database(), s.target.Database)
	last := all[database]
	all = all[:database]
	for _, beside := range []string{"-wal", "-shm"} {
		m := move{To: s.target.Database + beside, Aside: last.Aside + beside}
		if exists(m.To) {
			all = append(all, m)
		}
	}
	return append(all, last), nil
}

// mayReplace refuses a file of the configuration that would get at the data, the
// log or the key, or that a link leads away.
func (s *Staged) mayReplace(path string) error {
	data := inside(s.target.DataDir, path) && !inside(s.target.DataDir, s.target.ConfigDir)
	log := s.target.AuditDir != "" && inside(s.target.AuditDir, path)
	if data || log || path == s.target.KeyFile {
		return refuse("it would write %s, which is no configuration", path)
	}
	for dir := filepath.Dir(path); inside(s.target.ConfigDir, dir) && dir != s.target.ConfigDir; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		if err == nil && !info.IsDir() {
			return refuse("%s is no directory here, so %s cannot be written", dir, path)
		}
	}
	return nil
}

// inside reports whether a path is a directory or lies in it.
func inside(dir, path string) bool {
	relative, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(relative)
}

// equalFiles reports whether two files have the same bytes and permissions.
func equalFiles(a, b string) (bool, error) {
	info, err := os.Lstat(b)
	if err != nil || !info.Mode().IsRegular() {
		return false, nil // there is nothing that could stay
	}
	other, err := os.Lstat(a)
	if err != nil || info.Size() != other.Size() || info.Mode() != other.Mode() {
		return false, err
	}
	x, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	y, err := os.ReadFile(b)
	return bytes.Equal(x, y), err
}

// ownLike gives a file, or a directory and the files in it, to the owner of
// another one, which only root can.
func ownLike(path, like string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return filepath.WalkDir(path, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, int(owner.Uid), int(owner.Gid))
	})
}
