package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pquerna/otp/totp"
)

// A script reads the document and answers with a code that it computes.
func TestAdminChange_TOTPIsEnrolledByAScript(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	var said bytes.Buffer
	run := func(in io.Reader, out io.Writer, args ...string) int {
		return Run(t.Context(), append([]string{"--data-dir", dir}, args...), Process{In: in, Out: out, Err: &said, Version: "v0", Program: "confidant"})
	}
	must := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if code := run(strings.NewReader("wonderland is deep\n"), &out, args...); code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, said.String())
		}
		return out.String()
	}
	must("admin", "add", "Ada", "--password-file", "-")
	must("setup", "create-enckey")

	for _, right := range []bool{false, true} {
		fromScript, toCommand := io.Pipe()
		fromCommand, toScript := io.Pipe()
		code := make(chan int)
		go func() {
			defer toScript.Close()
			code <- run(fromScript, toScript, "admin", "change", "ada", "--totp", "--json")
		}()
		var document struct {
			URI      string   `json:"uri"`
			Recovery []string `json:"recovery_codes"`
		}
		if err := json.NewDecoder(fromCommand).Decode(&document); err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
		u, err := url.Parse(document.URI)
		if err != nil || u.Scheme != "otpauth" || len(document.Recovery) != 10 {
			t.Fatalf("document: %+v, %v", document, err)
		}
		at := time.Now()
		if !right {
			at = at.Add(-time.Hour)
		}
		answer, err := totp.GenerateCode(u.Query().Get("secret"), at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(toCommand, answer+"\n"); err != nil {
			t.Fatal(err)
		}
		if got, want := <-code, map[bool]int{false: 1, true: 0}[right]; got != want {
			t.Errorf("with a right code %v: exit code %d, want %d\n%s", right, got, want, said.String())
		}
		var list []struct {
			TOTP     bool `json:"totp"`
			Recovery int  `json:"recovery_codes"`
		}
		if err := json.Unmarshal([]byte(must("admin", "list", "--json")), &list); err != nil {
			t.Fatal(err)
		}
		if len(list) != 1 || list[0].TOTP != right || (list[0].Recovery == 10) != right {
			t.Errorf("with a right code %v: %+v", right, list)
		}
		if strings.Contains(said.String(), u.Query().Get("secret")) || strings.Contains(said.String(), document.Recovery[0]) {
			t.Error("the seed or a recovery code stands on standard error")
		}
	}
	if out := must("admin", "list"); !regexp.MustCompile(`(?m)^Ada +yes +yes +20`).MatchString(out) {
		t.Errorf("admin list:\n%s", out)
	}
	must("admin", "change", "ada", "--no-totp")
	if out := must("admin", "list"); !regexp.MustCompile(`(?m)^Ada +yes +no +20`).MatchString(out) {
		t.Errorf("admin list:\n%s", out)
	}
}

func TestDrawQR_DrawsFindersOnLightGround(t *testing.T) {
	t.Parallel()
	uri := "otpauth://totp/Confidant:somebody.with.a.long.name@example.com?algorithm=SHA1&digits=6&issuer=Confidant&period=30&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	drawn, err := drawQR(uri)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
	var squares [][]bool // dark, as rows of squares
	for _, line := range lines {
		text, ok := strings.CutPrefix(line, "\x1b[30;107m")
		text, ends := strings.CutSuffix(text, "\x1b[0m")
		if !ok || !ends || !regexp.MustCompile(`^[ ▀▄█]+$`).MatchString(text) {
			t.Fatalf("line %q", line)
		}
		var upper, lower []bool
		for _, c := range text {
			upper = append(upper, c == '▀' || c == '█')
			lower = append(lower, c == '▄' || c == '█')
		}
		squares = append(squares, upper, lower)
	}
	width := utf8.RuneCountInString(lines[0]) - len("\x1b[30;107m\x1b[0m")
	if size := width - 8; width > 80 || len(squares) < width || (size-17)%4 != 0 {
		t.Errorf("%d squares wide, %d high", width, len(squares))
	}
	// A finder is a dark ring of seven squares with a dark block of three in it.
	finder := func(left, top int) {
		for y := range 7 {
			for x := range 7 {
				ring := x == 0 || x == 6 || y == 0 || y == 6
				block := 2 <= x && x <= 4 && 2 <= y && y <= 4
				if got := squares[top+y][left+x]; got != (ring || block) {
					t.Fatalf("the square %d,%d of the finder at %d,%d is dark: %v", x, y, left, top, got)
				}
			}
		}
	}
	finder(4, 4)
	finder(width-4-7, 4)
	finder(4, width-4-7)
	for i := range width {
		for edge := range 4 {
			if squares[edge][i] || squares[i][edge] || squares[i][width-1-edge] {
				t.Fatal("the ground around the code is not light")
			}
		}
	}
}
