package webui

import "testing"

func TestProse_RendersMarkdownAndNothingThatActs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ source, want string }{
		"nothing":           {"", ""},
		"a paragraph":       {"Ask *Ann*.", "<p>Ask <em>Ann</em>.</p>\n"},
		"a heading":         {"# Rotate", "<h3>Rotate</h3>\n"},
		"the last heading":  {"###### Rotate", "<h6>Rotate</h6>\n"},
		"a link":            {"[wiki](https://wiki.example.com/a)", `<p><a href="https://wiki.example.com/a" rel="noopener noreferrer nofollow">wiki</a></p>` + "\n"},
		"an address":        {"See https://wiki.example.com/a", `<p>See <a href="https://wiki.example.com/a" rel="noopener noreferrer nofollow">https://wiki.example.com/a</a></p>` + "\n"},
		"a script link":     {"[x](javascript:alert(1))", "<p>x</p>\n"},
		"a data link":       {"[x](data:text/html,hi)", "<p>x</p>\n"},
		"a link in here":    {"[x](/v1/credentials)", "<p>x</p>\n"},
		"another server":    {"[x](//evil.example.com)", "<p>x</p>\n"},
		"a script address":  {"<javascript:alert(1)>", "<p>javascript:alert(1)</p>\n"},
		"a picture":         {"![a *plan*](https://evil.example.com/p.png)", "<p>a <em>plan</em></p>\n"},
		"a linked picture":  {"[![a](https://e.example.com/p.png)](https://e.example.com)", `<p><a href="https://e.example.com" rel="noopener noreferrer nofollow">a</a></p>` + "\n"},
		"HTML in a line":    {"a <b onclick=x>c</b>", "<p>a &lt;b onclick=x&gt;c&lt;/b&gt;</p>\n"},
		"a block of HTML":   {"<script>alert(1)</script>\n", "<p>&lt;script&gt;alert(1)&lt;/script&gt;\n</p>\n"},
		"an unclosed block": {"<style>\na\n\nb", "<p>&lt;style&gt;\na\n\nb</p>\n"},
		"a closed block":    {"<!-- a\n\nb -->\n", "<p>&lt;!-- a\n\nb --&gt;\n</p>\n"},
		"a table": {
			"|a|\n|:-:|\n|b|", "<table>\n<thead>\n<tr>\n<th align=\"center\">a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td align=\"center\">b</td>\n</tr>\n</tbody>\n</table>\n",
		},
	} {
		got, err := prose(tt.source)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %q, %v\nwant %q", name, got, err, tt.want)
		}
	}
}
