package authz

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MistakeError is a mistake in the Cedar text of an entry.
type MistakeError struct {
	Entry        string // its name
	Line, Column int    // from 1; columns count characters
	Message      string
}

// Error names entry, line and column.
func (e *MistakeError) Error() string {
	return fmt.Sprintf("policy %q, line %d, column %d: %s", e.Entry, e.Line, e.Column, e.Message)
}

// The forms of the parser's messages. It names where it stands, which is beyond
// the token that it did not expect.
var (
	messageForm = regexp.MustCompile(`<input>:(\d+):(\d+)(?: "(?:[^"\\]|\\.)*")?: (?s:(.*))$`)
	wantForm    = regexp.MustCompile(`^(?:exact )?got (?s:(.*)) want (.*)$`)
	effectForm  = regexp.MustCompile(`^unexpected effect: (?s:(.*))$`)
)

// syntaxMistake is the parser's error with the place of the token at fault.
func syntaxMistake(e Entry, err error) error {
	m := messageForm.FindStringSubmatch(err.Error())
	if m == nil {
		return &MistakeError{e.Name, 1, 1, err.Error()}
	}
	mistake := &MistakeError{Entry: e.Name, Message: m[3]}
	mistake.Line, _ = strconv.Atoi(m[1])
	mistake.Column, _ = strconv.Atoi(m[2])
	found := ""
	if want := wantForm.FindStringSubmatch(m[3]); want != nil {
		found = want[1]
		mistake.Message = fmt.Sprintf("%s is expected, not %s", want[2], found)
		if found == "" {
			mistake.Message = want[2] + " is expected, not the end"
		}
	} else if effect := effectForm.FindStringSubmatch(m[3]); effect != nil {
		found = effect[1]
		mistake.Message = fmt.Sprintf("a policy begins with permit or forbid, not %s", found)
	}
	if found != "" {
		before := e.Cedar[:offsetOf(e.Cedar, mistake.Line, mistake.Column)]
		if at := strings.LastIndex(before, found); at >= 0 {
			mistake.Line, mistake.Column = positionOf(e.Cedar, at)
		}
	}
	return mistake
}

// schemaMistake is the validator's error about the policy that stands between two
// offsets of the text. The validator names no place but what it stumbled over; if
// that stands there once, it is the place, else the policy is.
func schemaMistake(e Entry, start, end int, err error) error {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		// The same mistake once, not for each action.
		lines[i], _, _ = strings.Cut(line, " in context for Action::")
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if len(lines) > 1 {
		// That no action is left follows from the others.
		lines = slices.DeleteFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, "unable to find an applicable action")
		})
	}
	mistake := &MistakeError{Entry: e.Name, Message: lines[0]}
	if more := len(lines) - 1; more > 0 {
		mistake.Message += fmt.Sprintf(" (and %d more like it)", more)
	}
	at := start
	if parts := strings.SplitN(lines[0], "`", 3); len(parts) == 3 {
		if found, once := findOnce(e.Cedar[start:end], parts[1]); once {
			at += found
		}
	}
	mistake.Line, mistake.Column = positionOf(e.Cedar, at)
	return mistake
}

// findOnce returns where a word stands in a text, if it does so exactly once.
func findOnce(text, word string) (at int, once bool) {
	at = -1
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return at, at >= 0
		}
		i += from
		from = i + len(word)
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[from:])
		if isLetter(before) || isLetter(after) {
			continue // a part of a longer word
		}
		if at >= 0 {
			return 0, false
		}
		at = i
	}
}

func isLetter(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// positionOf returns line and column of an offset.
func positionOf(text string, offset int) (line, column int) {
	before := text[:offset]
	line = strings.Count(before, "\n") + 1
	return line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// offsetOf is the inverse of positionOf; a place beyond the text is its end.
func offsetOf(text string, line, column int) int {
	offset := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[offset:], '\n')
		if i < 0 {
			return len(text)
		}
		offset += i + 1
	}
	for ; column > 1 && offset < len(text); column-- {
		_, size := utf8.DecodeRuneInString(text[offset:])
		offset += size
	}
	return offset
}
