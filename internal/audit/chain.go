package audit

import (
	"bytes"
	"errors"
	"fmt"
)

// chain follows records and says where one does not join on.
type chain struct {
	head    head
	scratch []byte
}

// step checks that a line is the next record and moves the head.
func (c *chain) step(line []byte) (frame, error) {
	f, err := parseFrame(line)
	if err != nil {
		return f, errors.New("the line is not a record")
	}
	switch {
	case f.kind == Checkpoint:
		return f, errors.New("a checkpoint stands elsewhere than at the beginning")
	case f.number != c.head.number+1:
		return f, fmt.Errorf("record %d follows record %d", f.number, c.head.number)
	case f.kind == Tombstone:
	case f.prev != c.head.hash:
		return f, errors.New("the record does not name the hash of the one before")
	case f.sum(line, &c.scratch) != f.hash:
		return f, errors.New("the record was changed: its hash does not fit")
	}
	c.head = f.head()
	return f, nil
}

// checkLines checks complete lines from the middle of a log.
func checkLines(b []byte) error {
	var c chain
	for line := range bytes.Lines(b) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if c.head.number == 0 {
			if f, err := parseFrame(line); err == nil {
				c.head = head{f.number - 1, f.prev}
			}
		}
		if _, err := c.step(line); err != nil {
			return err
		}
	}
	return nil
}
