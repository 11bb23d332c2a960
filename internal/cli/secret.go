package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxSecret bounds what is read as a secret, in bytes.
const maxSecret = 1 << 20

// secretFlag is a secret that may be given by --<name> (which shows in process
// lists), by --<name>-file, or typed at a prompt.
type secretFlag struct {
	name  string // of the flag
	what  string // for prompts and messages, for example "password"
	text  string
	file  string
	given func() bool
}

// add defines the flags; short is the shorthand of the plain one, if any.
func (s *secretFlag) add(cmd *cobra.Command, short string) {
	cmd.Flags().StringVarP(&s.text, s.name, short, "", "the "+s.what+" itself (it shows in process lists)")
	s.addFile(cmd)
	s.given = func() bool { return cmd.Flags().Changed(s.name) || s.file != "" }
}

// addFile defines the file form alone.
func (s *secretFlag) addFile(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.file, s.name+"-file", "", "file with the "+s.what+"; - is standard input")
	s.given = func() bool { return s.file != "" }
}

// read returns the secret as given by a flag. It reports false if none was.
func (s *secretFlag) read(ctx context.Context, c *console) (secret string, given bool, err error) {
	switch {
	case !s.given():
		return "", false, nil
	case s.file != "" && s.text != "":
		return "", false, usage("--%s and --%s-file exclude each other", s.name, s.name)
	case s.file != "":
		text, err := c.readFile(ctx, s.file)
		return text, true, err
	default:
		c.warn("the %s stands in the process list; prefer --%s-file", s.what, s.name)
		return s.text, true, nil
	}
}

// readNew is read, or else two equal answers at a prompt.
func (s *secretFlag) readNew(ctx context.Context, c *console) (string, error) {
	secret, given, err := s.read(ctx, c)
	if given || err != nil {
		return secret, err
	}
	if c.terminal() == nil {
		return "", usage("there is no terminal to ask on; give --%s-file", s.name)
	}
	first, err := c.ask(ctx, capital(s.what)+": ")
	if err != nil {
		return "", err
	}
	second, err := c.ask(ctx, "Repeat the "+s.what+": ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", usage("the two %ss differ", s.what)
	}
	return first, nil
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// readFile reads a secret from a file, or with "-" from standard input; one
// newline at the end does not count.
func (c *console) readFile(ctx context.Context, path string) (string, error) {
	source := c.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer file.Close()
		source = file
	}
	text, err := await(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(source, maxSecret+1)) })
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	if len(text) > maxSecret {
		return "", usage("%s is too large to be a secret", path)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// await waits for read, or for ctx to end. A reader that is given up on stays
// behind, which is no harm, for the process then ends.
func await(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := read()
		answers <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-answers:
		return a.text, a.err
	}
}

// terminal returns the terminal on which somebody can be asked; nil if there is
// none.
func (c *console) terminal() *os.File {
	if f, ok := c.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// ask asks for a secret on the terminal without showing it.
func (c *console) ask(ctx context.Context, prompt string) (string, error) {
	fd := int(c.terminal().Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("reading from the terminal: %w", err)
	}
	fmt.Fprint(c.err, prompt)
	text, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	fmt.Fprintln(c.err)
	if err != nil {
		_ = term.Restore(fd, before) // so that the terminal shows again what is typed
		return "", fmt.Errorf("reading from the terminal: %w", err)
	}
	return string(text), nil
}
