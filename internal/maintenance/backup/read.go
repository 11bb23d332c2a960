package backup

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// reading goes through an archive once and holds every byte of it to the
// manifest.
type reading struct {
	ctx context.Context
	// begin is given the manifest before any member; nil: nobody is.
	begin func(Manifest) error
	// member returns where a member goes to; nil: it is only checked.
	member func(Member) (io.WriteCloser, error)
	// progress is told how many bytes are read, of how many; nil: nobody is.
	progress func(done, total int)
}

// read reads a backup. Whatever is wrong with the file, but for failures to read
// it, is a fault of kind Denied.
func (r reading) read(path string) (m Manifest, err error) {
	file, err := os.Open(path)
	if err != nil {
		return Manifest{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Manifest{}, err
	}
	if !info.Mode().IsRegular() {
		return Manifest{}, refuse("%s is no file", path)
	}
	source := &source{file: file}
	packed, err := gzip.NewReader(source)
	if err != nil {
		return Manifest{}, source.judge(err)
	}
	in := tar.NewReader(&steady{ctx: r.ctx, from: packed})
	if m, err = r.manifest(in, info.Size()); err != nil {
		return Manifest{}, source.judge(err)
	}
	if err := r.members(in, m); err != nil {
		return Manifest{}, source.judge(err)
	}
	return m, source.judge(padding(packed))
}

// source tells a file that cannot be read from one that holds nonsense.
type source struct {
	file   *os.File
	failed error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.file.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed = err
	}
	return n, err
}

// judge makes what the decoders say of the file a refusal.
func (s *source) judge(err error) error {
	switch {
	case s.failed != nil:
		return fmt.Errorf("reading the backup: %w", s.failed)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return refuse("it ends too early")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, tar.ErrHeader):
		return refuse("it is no compressed archive")
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, new(flate.CorruptInputError)):
		return refuse("its bytes were changed")
	}
	return err
}

// next returns the next member's header, which must be that of a plain file.
func next(in *tar.Reader) (*tar.Header, error) {
	h, err := in.Next()
	if err != nil {
		return nil, err
	}
	if h.Typeflag != tar.TypeReg {
		return nil, refuse("%q is no plain file", h.Name)
	}
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse") {
			return nil, refuse("%q has holes", h.Name)
		}
	}
	return h, nil
}

func (r reading) manifest(in *tar.Reader, packed int64) (Manifest, error) {
	h, err := next(in)
	if err != nil {
		return Manifest{}, err
	}
	if h.Name != manifestName || h.Size > maxManifest {
		return Manifest{}, refuse("it does not begin with its manifest")
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{}
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, refuse("the manifest is no JSON document of the right form")
	}
	if err := m.check(packed); err != nil {
		return Manifest{}, err
	}
	if r.begin != nil {
		return m, r.begin(m)
	}
	return m, nil
}

func (r reading) members(in *tar.Reader, m Manifest) error {
	left := make(map[string]Member, len(m.Members))
	total, done := int64(0), int64(0)
	for _, member := range m.Members {
		left[member.Name] = member
		total += member.Size
	}
	for {
		h, err := next(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		member, ok := left[h.Name]
		switch {
		case !ok:
			return refuse("%q is not in the manifest, or in the archive twice", h.Name)
		case h.Size != member.Size:
			return refuse("%s has %d bytes, the manifest says %d", h.Name, h.Size, member.Size)
		}
		delete(left, h.Name)
		count := func(n int) {
			done += int64(n)
			if r.progress != nil {
				r.progress(int(done), int(total))
			}
		}
		if err := r.take(&steady{ctx: r.ctx, from: in, count: count}, member); err != nil {
			return err
		}
	}
	for name := range left {
		return refuse("%s is missing", name)
	}
	return nil
}

// take reads one member, on its way through the hash.
func (r reading) take(in io.Reader, member Member) (err error) {
	hash := sha256.New()
	out := io.Writer(hash)
	if r.member != nil {
		file, opening := r.member(member)
		if opening != nil {
			return opening
		}
		if file != nil {
			defer func() { err = errors.Join(err, file.Close()) }()
			out = io.MultiWriter(hash, file)
		}
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if hex.EncodeToString(hash.Sum(nil)) != member.SHA256 {
		return refuse("%s is not what the manifest says", member.Name)
	}
	return nil
}

// padding reads what stands behind the archive, which also has the decoder
// compare its checksum: zeros, and few of them.
func padding(packed io.Reader) error {
	rest, err := io.ReadAll(io.LimitReader(packed, maxPadding+1))
	if err != nil {
		return err
	}
	if len(rest) > maxPadding || len(bytes.Trim(rest, "\x00")) > 0 {
		return refuse("there is something behind its end")
	}
	return nil
}

// Read checks a backup from the file alone: its form, and every member against
// the manifest. The database is written to a new file, which the caller judges
// and removes. A file that is no whole backup is a fault of kind Denied.
func Read(ctx context.Context, path, database string, progress func(done, total int)) (Manifest, error) {
	return reading{ctx: ctx, progress: progress, member: func(m Member) (io.WriteCloser, error) {
		if m.Name != databaseName {
			return nil, nil
		}
		return os.OpenFile(database, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}}.read(path)
}
