package backup

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/confidant-secrets/confidant/internal/fault"
)

const (
	// maxConfigFile bounds one file of the configuration, in bytes.
	maxConfigFile = 16 << 20
	// keySize is the length of a plain key file, in bytes.
	keySize = 96
)

var armour = []byte("-----BEGIN AGE ENCRYPTED FILE-----")

// configuration reads the files of the configuration directory. Links are
// followed as long as they stay inside. A file that cannot be read is an error:
// a backup that silently lacks one would be found out too late.
func (s *Source) configuration() (items []item, err error) {
	for _, pattern := range s.Exclude {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fault.Newf(fault.Invalid, "%q is no pattern for file names.", pattern)
		}
	}
	key, err := s.key()
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(s.ConfigDir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && (s.excluded(name) || ours(entry.Name())):
			return skip(entry)
		case entry.IsDir():
			if name != "." && s.leftOut(filepath.Join(s.ConfigDir, name)) {
				return fs.SkipDir
			}
			return nil
		}
		it, ok, err := s.configFile(root, name, entry, key)
		if err == nil && ok {
			items = append(items, it)
		}
		return err
	})
	return items, err
}

func skip(entry fs.DirEntry) error {
	if entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// configFile reads one file; ok is false if it does not go in.
func (s *Source) configFile(root *os.Root, name string, entry fs.DirEntry, key keyFile) (it item, ok bool, err error) {
	shown := filepath.Join(s.ConfigDir, name)
	if entry.Type()&fs.ModeSymlink == 0 && !entry.Type().IsRegular() {
		s.Warn("%s is left out: it is no file", shown)
		return item{}, false, nil
	}
	info, err := root.Stat(name)
	switch {
	case err != nil && entry.Type()&fs.ModeSymlink != 0:
		s.Warn("%s is left out: the link leads nowhere or out of the directory", shown)
		return item{}, false, nil
	case err != nil:
		return item{}, false, err
	case !info.Mode().IsRegular():
		s.Warn("%s is left out: it leads to what is no file", shown)
		return item{}, false, nil
	case info.Size() > maxConfigFile:
		return item{}, false, fault.Newf(fault.Invalid, "%s is too large for a file of the configuration; leave it out with --exclude.", shown)
	}
	file, err := root.Open(name)
	if err != nil {
		return item{}, false, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxConfigFile))
	if err := errors.Join(err, file.Close()); err != nil {
		return item{}, false, fmt.Errorf("%s: %w", name, err)
	}
	if key.is(info, content) || looksLikeKey(content) {
		s.Warn("%s is left out: it is a key", shown)
		return item{}, false, nil
	}
	if !goodName(configPrefix + name) {
		s.Warn("%s is left out: its name cannot be kept", shown)
		return item{}, false, nil
	}
	return inMemory(configPrefix+name, info.Mode(), content), true, nil
}

func (s *Source) excluded(name string) bool {
	return slices.ContainsFunc(s.Exclude, func(pattern string) bool {
		whole, _ := path.Match(pattern, name)
		last, _ := path.Match(pattern, path.Base(name))
		return whole || last
	})
}

// leftOut compares directories by identity, for one may be named in many ways.
func (s *Source) leftOut(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && slices.ContainsFunc(s.LeaveOut, func(other string) bool {
		left, err := os.Stat(other)
		return err == nil && os.SameFile(info, left)
	})
}

// keyFile is what the key file is recognised by.
type keyFile struct {
	info    fs.FileInfo // nil: there is none
	content []byte
}

func (s *Source) key() (keyFile, error) {
	if s.KeyFile == "" {
		return keyFile{}, nil
	}
	info, err := os.Stat(s.KeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return keyFile{}, nil
	}
	if err != nil {
		return keyFile{}, err
	}
	content, err := os.ReadFile(s.KeyFile)
	return keyFile{info, content}, err
}

func (k keyFile) is(info fs.FileInfo, content []byte) bool {
	return k.info != nil && (os.SameFile(k.info, info) || bytes.Equal(k.content, content))
}

// looksLikeKey reports whether a file is a key in any form that this program
// reads, under whatever name: the present one, an older one, or another's.
func looksLikeKey(content []byte) bool {
	if bytes.HasPrefix(bytes.TrimSpace(content), armour) {
		return true
	}
	if len(content) == keySize && !plainText(content) {
		return true
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(content)))
	return err == nil && len(decoded) == keySize
}

func plainText(content []byte) bool {
	return utf8.Valid(content) && !bytes.ContainsFunc(content, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' })
}
