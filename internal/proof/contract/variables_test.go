package contract

import "testing"

func TestVariables_Matches(t *testing.T) {
	t.Parallel()
	v := Variables{"base": "http://h:1", "c1.id": "a.b"}
	for _, tt := range []struct {
		text, got string
		want      bool
	}{
		{"plain", "plain", true},
		{"plain", "plain ", false},
		{"a.c", "abc", false},
		{"{{c1.id}}-4", "a.b-4", true},
		{"{{c1.id}}-4", "axb-4", false},
		{"{{base}}/", "http://h:1/", true},
		{"{{date:iso}}", "2026-11-21T23:06:50.451466+00:00", true},
		{"{{date:iso}}", "2026-11-21T23:06:50+00:00", false},
		{"{{date:iso}}", "2026-11-21T23:06:50.451466Z", false},
		{"{{date:http}}", "Sat, 21 Nov 2026 23:06:50 GMT", true},
		{"{{date:http}}", "2026-11-21T23:06:50.451466+00:00", false},
		{"{{hex32}}", "0123456789abcdef0123456789abcdef", true},
		{"{{hex32}}", "0123456789ABCDEF0123456789ABCDEF", false},
		{"{{match:^[a-z]{3}}}", "abc", true},
		{"{{match:^[a-z]{3}}}", "abcd", false},
		{"{{match:^a|b$}}", "b", true},
		{"x {{match:[0-9]{2}}} y", "x 12 y", true},
		{"{{any}}", "", false},
		{"{{any}}", "two\nlines", true},
		{"{{string}}", "", true},
		{"{{anything}}", "", true},
		{"{{opaque}}", "", false},
		{"{{jwt}}", "a.b-c.d_e", true},
		{"{{jwt}}", "a.b", false},
		{"{{pem:A}}", "-----BEGIN A-----\nAAAA\n-----END A-----\n", true},
		{"{{pem:A,B}}", "-----BEGIN A-----\nAAAA\n-----END A-----\n", false},
		{"{{pem:A}}", "-----BEGIN A-----\nAAAA\n-----END A-----\nmore", false},
		{"{{ open", "{{ open", true},
	} {
		if got, err := v.Matches(tt.text, tt.got); err != nil || got != tt.want {
			t.Errorf("Matches(%q, %q) = %v, %v; want %v", tt.text, tt.got, got, err, tt.want)
		}
	}
}

func TestVariables_SayWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := (Variables{}).Fill("/v1/{{c9.id}}", verbatim); err == nil {
		t.Error("Fill: no error for a variable that was not captured")
	}
	if _, err := (Variables{}).Matches("{{c9.id}}", "x"); err == nil {
		t.Error("Matches: no error for a variable that was not captured")
	}
}
