package audit

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Format is a form in which the log can be written out.
type Format string

// The formats.
const (
	CSV   Format = "csv"   // with a header line
	Lines Format = "lines" // the lines as they stand in the log
)

// DumpOptions say what Dump writes.
type DumpOptions struct {
	Format Format
	Since  time.Time // leaves out what was recorded earlier; zero: nothing
}

// Dump writes a log out, oldest record first, as it stands between two batches,
// and returns how many records it wrote. It streams. A damaged line ends it with
// an error that wraps ErrLine and says where. What is written is whole records,
// also if it ends early.
//
// In CSV, a cell that a spreadsheet would take for a formula gets an apostrophe
// before it, info and policies are JSON, and for a removed entry the column
// phase says "checkpoint" or "tombstone".
func Dump(ctx context.Context, dir string, to io.Writer, o DumpOptions) (written int, err error) {
	out := bufio.NewWriterSize(to, 64<<10)
	var write func(line []byte, f frame) error
	var table *csv.Writer
	switch o.Format {
	case Lines:
		write = func(line []byte, _ frame) error {
			_, err := out.Write(append(line, '\n'))
			return err
		}
	case CSV:
		table = csv.NewWriter(out)
		if err := table.Write(columns()); err != nil {
			return 0, err
		}
		write = func(line []byte, f frame) error {
			r, err := f.decode(line)
			if err != nil {
				return err
			}
			return table.Write(cells(r))
		}
	default:
		return 0, fmt.Errorf("unknown format %q of the audit log", o.Format)
	}
	segments, err := snapshot(dir)
	if err != nil {
		return 0, err
	}
	defer closeAll(segments)
	segments = segments[beginning(segments):]
	since := ""
	if !o.Since.IsZero() {
		since = string(appendDate(nil, o.Since))
	}
	for _, s := range segments {
		n, err := dumpSegment(ctx, s, since, write)
		written += n
		if err != nil {
			return written, errors.Join(err, out.Flush()) // no half record is left standing
		}
	}
	if table != nil {
		table.Flush()
		if err := table.Error(); err != nil {
			return written, fmt.Errorf("write the audit log out: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return written, fmt.Errorf("write the audit log out: %w", err)
	}
	return written, nil
}

// dumpSegment passes on the records that are not older than since, a date as
// lines spell it.
func dumpSegment(ctx context.Context, s opened, since string, write func([]byte, frame) error) (written int, err error) {
	lines := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, s.size), maxLine)
	for n := 1; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return written, ctx.Err()
		}
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return written, nil // what a crash left incomplete is no record
		}
		if err != nil {
			return written, fmt.Errorf("read %s line %d: %w", s.name(), n, err)
		}
		line = line[:len(line)-1]
		f, err := parseFrame(line)
		if err != nil {
			return written, fmt.Errorf("read %s line %d: %w", s.name(), n, err)
		}
		if string(f.date) < since {
			continue
		}
		if err := write(line, f); err != nil {
			return written, fmt.Errorf("write %s line %d out: %w", s.name(), n, err)
		}
		written++
	}
}

func columns() []string {
	return []string{
		"id", "date", "phase", "action", "success", "user", "user_type", "administrator",
		"client", "request_id", "door", "resource_type", "resource_id", "resource_name",
		"revision", "info", "policies", "duration", "of", "prev", "hash",
	}
}

// cells returns a record in the order of columns.
func cells(r Record) []string {
	id, date := strconv.FormatUint(r.Number, 10), string(appendDate(nil, r.Date))
	if r.Kind != Recorded {
		row := make([]string, len(columns()))
		row[0], row[1], row[2], row[len(row)-1] = id, date, string(r.Kind), r.Hash
		return row
	}
	row := []string{
		id, date, string(r.Phase), r.Action, strconv.FormatBool(r.Success), r.User, r.UserType,
		strconv.FormatBool(r.Administrator), r.Client, r.RequestID, r.Door,
		r.ResourceType, r.ResourceID, r.ResourceName, "", "", "", "", "", r.Previous, r.Hash,
	}
	if r.Revision != 0 {
		row[14] = strconv.Itoa(r.Revision)
	}
	if len(r.Info) > 0 {
		row[15] = string(appendMembers(nil, r.Info))
	}
	if len(r.Policies) > 0 {
		row[16] = string(appendTexts(nil, r.Policies))
	}
	if r.Duration != 0 {
		row[17] = string(appendSeconds(nil, r.Duration))
	}
	if r.Of != 0 {
		row[18] = strconv.FormatUint(r.Of, 10)
	}
	for i, cell := range row {
		if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
			row[i] = "'" + cell
		}
	}
	return row
}
