package config

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the documentation instead of comparing it")

func mustAddr(t *testing.T, text string) netip.Addr {
	t.Helper()
	addr, err := netip.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

const documentHead = `# Settings

<!-- Generated from internal/config; change it there and run "make generate". -->

Every setting has one name, in the environment and in the configuration file. A
later source wins over an earlier one: defaults, configuration file, environment,
flags.

The configuration file (` + "`--config-file` or `CONFIDANT_CONFIGFILE`" + `) holds lines of
` + "`NAME=value`" + `; lines that begin with ` + "`#`" + ` are comments, and a value may stand in
quotes. Names that are no setting are errors there, and warnings in the
environment where they look like ours. ` + "`AWS_*`" + ` names may stand in the file.

How values are read:

- **switch**: ` + "`false`, `False`, `0`" + ` and an empty value are false. Every other text is
  true, ` + "`no` and `off`" + ` included; anything but ` + "`true`, `True` and `1`" + ` then warns.
- **list**: parts separated by commas; blanks around them and empty parts do not count.
- **duration**: as ` + "`90s`, `5m`, `72h`" + `.
- **secret**: never printed. Instead of the value, ` + "`<NAME>_FILE`" + ` may name a file that
  holds it; one newline at its end is removed.

` + "`confidant check-config`" + ` prints what is in force, and everything that is wrong or odd.

Settings marked with † are known, so that an existing environment file of the older
service loads, but have no effect in this version; setting them warns. Those marked
with ‡ are accepted and never have an effect.
`

// document writes docs/configuration.md.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(documentHead)
	section := ""
	for _, f := range (&Config{}).fields() {
		if f.section != section {
			section = f.section
			documentSection(&b, section)
		}
		documentField(&b, f)
	}
	documentSection(&b, "Single certificate authorities")
	for _, f := range privateFields(&PrivateCA{}) {
		documentField(&b, f)
	}
	b.WriteString("\n`<CA>` is a name of `ACM_PRIVATE_CAS` in capitals; a dash or dot in it may be written as an underscore.\n")
	return b.Bytes()
}

func documentSection(b *bytes.Buffer, title string) {
	fmt.Fprintf(b, "\n## %s\n\n| name | type | default | meaning |\n| --- | --- | --- | --- |\n", title)
}

func documentField(b *bytes.Buffer, f *field) {
	cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
	kind := f.expected()
	if f.secret {
		kind = "secret"
		if f.form != "" {
			kind += ", " + f.expected()
		}
	}
	if f.form == "seconds" || f.form == "milliseconds" {
		kind = "whole number"
	}
	if len(f.enum) > 0 {
		kind = "`" + strings.Join(f.enum, "`, `") + "`"
	}
	initial := f.computed
	if initial == "" && f.initial != "" {
		initial = "`" + f.initial + "`"
	}
	mark := ""
	switch {
	case f.unused != "":
		mark = " ‡"
	case f.absent != "":
		mark = " †"
	}
	name := "`" + f.name + "`"
	if f.fileForm {
		name += ", `" + f.name + "_FILE`"
	}
	fmt.Fprintf(b, "| %s%s | %s | %s | %s%s |\n", name, mark, cell(kind), cell(initial), cell(f.doc), bounds(f))
}

func bounds(f *field) string {
	limit := func(s string) string { return strings.TrimRight(s, "ms") }
	switch {
	case f.min != "" && f.max != "" && f.min != f.max:
		return fmt.Sprintf(" %s to %s.", limit(f.min), limit(f.max))
	case f.min != "" && f.max == "" && strings.Trim(f.min, "0ms") != "":
		return fmt.Sprintf(" At least %s.", limit(f.min))
	}
	return ""
}

//go:generate go test -run ^TestDocumentation_IsUpToDate$ . -update

func TestDocumentation_IsUpToDate(t *testing.T) {
	t.Parallel()
	const path = "../../docs/configuration.md"
	want := document()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale; run \"make generate\"", path)
	}
}

func TestDocumentation_EverySettingHasWords(t *testing.T) {
	t.Parallel()
	for _, f := range append((&Config{}).fields(), privateFields(&PrivateCA{})...) {
		if len(f.doc) < 8 || !strings.HasSuffix(f.doc, ".") {
			t.Errorf("%s: doc %q is no sentence", f.name, f.doc)
		}
		if f.use == 0 {
			t.Errorf("%s: nobody uses it", f.name)
		}
	}
}
