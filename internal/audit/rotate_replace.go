package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// newSuffix marks a segment that is not yet in place.
const newSuffix = ".new"

// replace writes a segment anew, without the entries to be removed, and puts it
// into place. As the front it begins with a checkpoint, and all segments before
// it are removed.
func (r *rotation) replace(ctx context.Context, lock *lockFile, i int, front bool) error {
	p := r.parts[i]
	path := filepath.Join(r.Dir, p.name())
	defer os.Remove(path + newSuffix) // gone already once it is in place
	old, err := r.rewrite(ctx, p, path+newSuffix, i == 0, front)
	if err != nil {
		return err
	}
	r.fault("written " + p.name())

	if _, err := lock.acquire(); err != nil {
		return err
	}
	defer lock.release()
	if now, err := os.Stat(path); err != nil || !os.SameFile(old, now) || now.Size() != old.Size() {
		return errors.Join(fmt.Errorf("%s was changed while it was written anew", p.name()), err)
	}
	if _, err := lock.announce(p.name()); err != nil {
		return err
	}
	r.fault("announced " + p.name())
	if err := os.Rename(path+newSuffix, path); err != nil {
		return fmt.Errorf("put an audit segment into place: %w", err)
	}
	r.Log.Debug("wrote an audit segment anew", "segment", p.name(), "front", front, "removed", p.removed)
	r.removed += p.removed
	r.fault("in place " + p.name())
	if err := syncDir(r.Dir); err != nil {
		return fmt.Errorf("flush the audit directory: %w", err)
	}
	if !front {
		return nil
	}
	var older []segment
	for _, p := range r.parts[:i] {
		older = append(older, p.segment)
		r.removed += p.removed
	}
	return r.unlink(lock, older)
}

// rewrite writes what a segment is to hold into a new file, proving what it
// reads once more, and returns which file it has read.
func (r *rotation) rewrite(ctx context.Context, p part, path string, first, front bool) (fs.FileInfo, error) {
	in, err := os.Open(filepath.Join(r.Dir, p.name()))
	if err != nil {
		return nil, fmt.Errorf("open an audit segment: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at an audit segment: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create an audit segment: %w", err)
	}
	defer file.Close()
	if err := adopt(file); err != nil {
		return nil, err
	}
	if err := r.copy(ctx, opened{p.segment, in, info.Size()}, file, chain{head: p.before}, first, front); err != nil {
		return nil, err
	}
	if err := file.Sync(); err != nil {
		return nil, fmt.Errorf("flush an audit segment: %w", err)
	}
	return info, nil
}

// copy writes what stays of a segment, and what stands for the rest.
func (r *rotation) copy(ctx context.Context, from opened, file *os.File, c chain, first, front bool) error {
	out := bufio.NewWriterSize(file, 256<<10)
	date := appendDate(nil, r.Now())
	var removal []byte
	write := func(lines ...[]byte) error {
		for _, line := range lines {
			if _, err := out.Write(line); err != nil {
				return fmt.Errorf("write an audit segment: %w", err)
			}
		}
		return nil
	}
	skipping := front
	err := r.each(ctx, from, &c, first, true, func(line []byte, f frame, before head) error {
		gone := f.kind == Tombstone || f.kind == Checkpoint
		if f.kind == Recorded && f.number <= r.last {
			_, gone = r.judge.removes(f)
		}
		switch {
		case skipping && gone:
			return nil
		case skipping:
			skipping = false
			removal = appendRemoval(removal[:0], Checkpoint, before, date)
			return write(removal, line, []byte("\n"))
		case gone && f.kind == Recorded:
			return write(appendRemoval(removal[:0], Tombstone, f.head(), date))
		}
		return write(line, []byte("\n"))
	})
	if err == nil && skipping {
		err = write(appendRemoval(removal[:0], Checkpoint, c.head, date))
	}
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write an audit segment: %w", err)
	}
	return nil
}

const checkpointStart = `{"checkpoint":`

// appendRemoval appends the line that stands for what was removed: the entry h,
// or everything up to it.
func appendRemoval(b []byte, kind Kind, h head, date []byte) []byte {
	b = append(b, `{"`...)
	b = append(b, kind...)
	b = append(b, `":`...)
	b = strconv.AppendUint(b, h.number, 10)
	b = append(b, `,"date":"`...)
	b = append(b, date...)
	b = append(b, '"')
	b = append(b, hashStart...)
	b = append(b, h.hash[:]...)
	return append(b, hashEnd+"\n"...)
}
