package local

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// mode is that of every key file, from its first moment.
const mode fs.FileMode = 0o400

// place makes a file under a name that is free.
func place(path string, content []byte) error {
	return throughTemporary(path, content, func(temporary string) error {
		// Unlike a rename, a link never replaces.
		err := os.Link(temporary, path)
		if errors.Is(err, fs.ErrExist) {
			return ErrExists
		}
		return err
	})
}

// replace makes a file in the place of another one.
func replace(path string, content []byte) error {
	return throughTemporary(path, content, func(temporary string) error {
		return os.Rename(temporary, path)
	})
}

// throughTemporary writes content to a temporary file in path's directory,
// has it checked and on the disk, and calls publish to give it its name.
func throughTemporary(path string, content []byte, publish func(temporary string) error) error {
	dir := filepath.Dir(path)
	temporary := filepath.Join(dir, "."+filepath.Base(path)+"."+rand.Text()+".tmp")
	defer os.Remove(temporary) // gone already after a rename
	if err := write(temporary, content); err != nil {
		return err
	}
	if written, err := os.ReadFile(temporary); err != nil {
		return err
	} else if !bytes.Equal(written, content) {
		return errors.New("what was written reads back differently")
	}
	if err := publish(temporary); err != nil {
		return err
	}
	return syncDirectory(dir)
}

func write(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chmod(mode); err != nil { // whatever the umask took
		return err
	}
	if err := giveToOwner(f, filepath.Dir(path)); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// giveToOwner makes a file that root writes belong to whoever owns its
// directory, so that a server which runs as that user can read it.
func giveToOwner(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
		return fmt.Errorf("giving it to the owner of its directory: %w", err)
	}
	return nil
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
