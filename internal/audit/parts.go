package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Part is a file that belongs to a log, open for reading, as it stood between
// two batches: what was appended since lies behind Size.
type Part struct {
	Name string // within the directory
	Size int64
	File *os.File // the caller closes it
}

// Parts opens what a copy of a log consists of: the segments, their signatures
// and the ends of lines that were moved aside. Writers may be at work. There are
// none where there is no log.
func Parts(dir string) (parts []Part, err error) {
	err = shared(dir, func() error {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list the audit log: %w", err)
		}
		for _, entry := range entries {
			if !IsPart(entry.Name()) {
				continue
			}
			file, err := os.Open(filepath.Join(dir, entry.Name()))
			if err != nil {
				return fmt.Errorf("open a part of the audit log: %w", err)
			}
			parts = append(parts, Part{Name: entry.Name(), File: file})
			info, err := file.Stat()
			if err != nil {
				return fmt.Errorf("look at a part of the audit log: %w", err)
			}
			parts[len(parts)-1].Size = info.Size()
		}
		return nil
	})
	if err != nil {
		for _, p := range parts {
			p.File.Close()
		}
		return nil, err
	}
	return parts, nil
}

// IsPart reports whether a file of a log's directory is one of those that Parts
// opens.
func IsPart(name string) bool {
	_, ok := parseSegment(strings.TrimSuffix(name, signatureSuffix))
	return ok || name == tornName
}
