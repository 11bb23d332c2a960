package maintenance

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
)

// Switch is maintenance mode: while it is on, changes over HTTP are refused.
type Switch struct {
	always bool
	touch  string
	log    *slog.Logger
	failed atomic.Bool // the last look at the touch file failed; so that it is logged once
}

// NewSwitch returns a switch that is on always, or while the touch file exists.
// An empty path looks at no file.
func NewSwitch(always bool, touch string, log *slog.Logger) *Switch {
	return &Switch{always: always, touch: touch, log: log}
}

// On reports whether changes are to be refused. It looks at the touch file each
// time. A file that cannot be looked at counts as present.
func (s *Switch) On() bool {
	if s.always || s.touch == "" {
		return s.always
	}
	_, err := os.Stat(s.touch)
	absent := errors.Is(err, fs.ErrNotExist)
	unreadable := err != nil && !absent
	if s.failed.Swap(unreadable) != unreadable && unreadable {
		s.log.Error("the maintenance touch file cannot be looked at; changes are refused", "file", s.touch, "error", err)
	}
	return !absent
}
