package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/boombuler/barcode/qr"
	"golang.org/x/term"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// codeTries is how often a code is asked for on a terminal.
const codeTries = 3

// enrolTOTP gives an account one-time codes: it shows them the app's way in, and
// has a code of the app confirm that it arrived.
func (c *console) enrolTOTP(ctx context.Context, name string) error {
	o := shared(forAccounts)
	o.key = true
	return c.open(ctx, o, func(ctx context.Context, a *app.App) error {
		factor, err := a.Accounts.NewTOTP(ctx, a.Operator, name)
		if err != nil {
			return err
		}
		if err := c.showTOTP(factor); err != nil {
			return err
		}
		enrolled, err := c.confirmTOTP(ctx, a, name, factor)
		if err != nil {
			return err
		}
		if err := a.Accounts.Settled(ctx); err != nil {
			return err
		}
		if !c.json { // the document is out already
			say("Admin %s was changed: log-ins ask for a one-time code.", enrolled.Name)(c.out)
		}
		return nil
	})
}

// showTOTP prints what is shown once.
func (c *console) showTOTP(factor account.TOTP) error {
	recovery := make([]string, len(factor.RecoveryCodes))
	for i, code := range factor.RecoveryCodes {
		recovery[i] = string(code)
	}
	uri := string(factor.URI)
	code, err := drawQR(uri)
	if err != nil {
		return err
	}
	return c.print(struct {
		URI           string   `json:"uri"`
		RecoveryCodes []string `json:"recovery_codes"`
	}{uri, recovery}, func(w io.Writer) {
		fmt.Fprintf(w, "For the authenticator app:\n\n%s\n\n", uri)
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			fmt.Fprintln(w, code)
		}
		fmt.Fprintf(w, "Recovery codes, each good for one log-in without the app. Keep them apart from it:\n\n  %s\n\n",
			strings.Join(recovery, "\n  "))
	})
}

// confirmTOTP reads codes of the app until one is right.
func (c *console) confirmTOTP(ctx context.Context, a *app.App, name string, factor account.TOTP) (account.Account, error) {
	for try := 1; ; try++ {
		code, err := c.readCode(ctx)
		if err != nil {
			return account.Account{}, err
		}
		enrolled, err := a.Accounts.EnrolTOTP(ctx, a.Operator, name, factor, account.Secret(code))
		if try == codeTries || c.terminal() == nil || !fault.Is(err, fault.BadProof) {
			return enrolled, err
		}
		c.note("%s", fault.As(err).Message)
	}
}

// readCode asks for a code on the terminal, or reads a line of standard input.
func (c *console) readCode(ctx context.Context) (string, error) {
	if c.terminal() != nil {
		return c.ask(ctx, "Code that the app shows now: ")
	}
	const maxLine = 1024
	line, err := await(ctx, func() ([]byte, error) {
		text, err := bufio.NewReader(io.LimitReader(c.in, maxLine)).ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return text, err
	})
	if err != nil {
		return "", fmt.Errorf("reading the code: %w", err)
	}
	return string(line), nil
}

// drawQR draws a text as a QR code for terminals, two rows of squares in a line.
// It sets colours, for scanners want dark squares on light ground whatever the
// terminal's own are.
func drawQR(text string) (string, error) {
	code, err := qr.Encode(text, qr.L, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("drawing a QR code: %w", err)
	}
	const (
		quiet = 4 // squares of light ground around it
		begin = "\x1b[30;107m"
		end   = "\x1b[0m\n"
	)
	size := code.Bounds().Dx()
	dark := func(x, y int) bool {
		if x < 0 || y < 0 || x >= size || y >= size {
			return false
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r == 0
	}
	squares := map[[2]bool]string{{false, false}: " ", {true, false}: "▀", {false, true}: "▄", {true, true}: "█"}
	var b strings.Builder
	for y := -quiet; y < size+quiet; y += 2 {
		b.WriteString(begin)
		for x := -quiet; x < size+quiet; x++ {
			b.WriteString(squares[[2]bool{dark(x, y), dark(x, y+1)}])
		}
		b.WriteString(end)
	}
	return b.String(), nil
}
