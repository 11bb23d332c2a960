package webui_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/webui"
)

// forms are the pages of a log-in in each of their states, with what must stand
// there.
var forms = map[string]struct {
	write func(*webui.Site, http.ResponseWriter) error
	want  []string
	not   []string
}{
	"login": {
		login(authn.LoginPage{Next: "/services?page=2"}),
		[]string{`method="post" action="/login"`, `name="next" value="/services?page=2"`, `autocomplete="username"`, `autocomplete="current-password"`},
		[]string{"alert", "aria-invalid", "no account yet"},
	},
	"login, first run": {login(authn.LoginPage{NoAccounts: true}), []string{"no account yet"}, nil},
	"login, refused": {
		login(authn.LoginPage{Name: `<a"b>`, Error: "Name or password <is> wrong."}),
		[]string{`value="&lt;a&#34;b&gt;"`, `role="alert" id="error">Name or password &lt;is&gt; wrong.`, `aria-invalid="true" aria-describedby="error"`},
		nil,
	},
	"code": {
		code(authn.LoginCodePage{Challenge: "c1"}),
		[]string{`action="/login/code"`, `name="challenge" value="c1"`, `autocomplete="one-time-code"`, `inputmode="numeric"`, `<details class="mb-3">`},
		[]string{"alert", "aria-invalid"},
	},
	"code, refused": {
		code(authn.LoginCodePage{Challenge: "c1", Error: "The code is wrong."}),
		[]string{`role="alert"`, `aria-describedby="error code-hint" aria-invalid="true"`, `<details class="mb-3">`},
		nil,
	},
	"code, recovery code refused": {
		code(authn.LoginCodePage{Challenge: "c1", Error: "The code is wrong.", Recovery: true}),
		[]string{`<details class="mb-3" open>`, `aria-describedby="error recovery-hint" aria-invalid="true"`},
		nil,
	},
	"setup": {
		setup(authn.SetupPage{Token: "t1", MinPassword: 12}),
		[]string{`action="/setup"`, `name="token" value="t1"`, `minlength="12"`, "At least 12 characters.", `autocomplete="new-password"`, `autocomplete="username"`},
		[]string{"alert", "aria-invalid"},
	},
	"setup, all fields wrong": {
		setup(authn.SetupPage{Token: "t1", Name: "a b", Error: "Not yet.", NameError: "Bad name.", PasswordError: "Too short.", RepeatError: "They differ."}),
		[]string{
			`role="alert" id="error">Not yet.`, `value="a b"`,
			`aria-describedby="name-error name-hint" aria-invalid="true"`, `id="name-error">Bad name.`,
			`aria-describedby="password-error password-hint" aria-invalid="true"`, `id="password-error">Too short.`,
			`aria-invalid="true" aria-describedby="repeat-error"`, `id="repeat-error">They differ.`,
		},
		nil,
	},
	"setup, no good link": {
		setup(authn.SetupPage{Token: "t1", Error: "No good.", Unusable: true}),
		[]string{`role="alert"`, `href="/login"`},
		[]string{"<form", "t1"},
	},
}

func login(p authn.LoginPage) func(*webui.Site, http.ResponseWriter) error {
	return func(s *webui.Site, w http.ResponseWriter) error { return s.Login(w, 200, p) }
}

func code(p authn.LoginCodePage) func(*webui.Site, http.ResponseWriter) error {
	return func(s *webui.Site, w http.ResponseWriter) error { return s.LoginCode(w, 200, p) }
}

func setup(p authn.SetupPage) func(*webui.Site, http.ResponseWriter) error {
	return func(s *webui.Site, w http.ResponseWriter) error { return s.Setup(w, 200, p) }
}

func TestLoginForms(t *testing.T) {
	t.Parallel()
	s := site(t, nil)
	for name, tt := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			if err := tt.write(s, w); err != nil {
				t.Fatal(err)
			}
			checkPage(t, w)
			body := w.Body.String()
			for _, want := range tt.want {
				if !strings.Contains(body, want) {
					t.Errorf("the page lacks %s in\n%s", want, body)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(body, not) {
					t.Errorf("the page holds %s in\n%s", not, body)
				}
			}
			checkForm(t, body)
		})
	}
}

// checkForm holds a form to what people with a keyboard or a screen reader need.
func checkForm(t *testing.T, body string) {
	t.Helper()
	if !strings.Contains(body, "<form") {
		return
	}
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(`\sid="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		ids[m[1]]++
		if ids[m[1]] > 1 {
			t.Errorf("the id %s stands twice", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`aria-describedby="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		for id := range strings.FieldsSeq(m[1]) {
			if ids[id] == 0 {
				t.Errorf("a field is described by %s, which is not there", id)
			}
		}
	}
	for _, input := range regexp.MustCompile(`<input [^>]*>`).FindAllString(body, -1) {
		if strings.Contains(input, `type="hidden"`) {
			continue
		}
		id := regexp.MustCompile(`id="([^"]+)"`).FindStringSubmatch(input)
		if id == nil || !strings.Contains(body, `<label class="form-label" for="`+id[1]+`">`) {
			t.Errorf("%s has no label", input)
		}
		if !strings.Contains(input, "autocomplete=") {
			t.Errorf("%s does not say what it is for", input)
		}
		if strings.Contains(input, `type="password"`) && strings.Contains(input, " value=") {
			t.Errorf("%s gives a password back", input)
		}
	}
	if n := strings.Count(body, " autofocus"); n != 1 {
		t.Errorf("%d fields have the focus, want 1", n)
	}
	if n := strings.Count(body, "<button"); n != 1 {
		t.Errorf("%d buttons, want 1", n)
	}
}

func TestLoginForms_AreWrittenUnderTheStatusGiven(t *testing.T) {
	t.Parallel()
	s := site(t, nil)
	w := httptest.NewRecorder()
	if err := s.Login(w, http.StatusTooManyRequests, authn.LoginPage{Error: "Wait."}); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusTooManyRequests {
		t.Errorf("status %d", w.Code)
	}
}
