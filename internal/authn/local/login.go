package local

import (
	"errors"
	"strings"
	"time"

	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// codeStep is the second step of a log-in.
var codeStep = authn.Step{Name: "totp", Path: codePath, Life: 10 * time.Minute}

// codeTries is how many codes one password is good for.
const codeTries = 10

// pending is a log-in whose password was right.
type pending struct {
	Name       string    `json:"name"`
	Generation int64     `json:"generation"`
	Next       string    `json:"next"`
	Tries      int       `json:"tries"` // that failed
	Ends       time.Time `json:"ends"`
}

func (l *Local) showLogin(v *visit) (authn.Identity, error) {
	return l.loginForm(v, authn.LoginPage{Next: authn.LocalPath(v.r.URL.Query().Get("next"))}, nil)
}

// takeLogin judges name and password.
func (l *Local) takeLogin(v *visit) (authn.Identity, error) {
	page := authn.LoginPage{Next: authn.LocalPath(v.field("next")), Name: v.field("name")}
	if page.Name == "" || v.field("password") == "" {
		return l.loginForm(v, page, fault.New(fault.Invalid, "Both name and password are needed."))
	}
	attempt, err := l.begin(v, page.Name)
	if err != nil {
		return l.loginForm(v, page, err)
	}
	who, err := l.Accounts.VerifyPassword(v.r.Context(), page.Name, v.secret("password"))
	if err != nil {
		if !fault.Is(err, fault.Unauthenticated) {
			attempt.untried()
		}
		return l.loginForm(v, page, err)
	}
	if !who.TOTP {
		attempt.succeeded()
		return identity(who, page.Next), nil
	}
	// The password alone must not make guessing codes free again.
	attempt.untried()
	p := pending{Name: who.Name, Generation: who.Generation, Next: page.Next, Ends: l.Now().Add(codeStep.Life)}
	id, err := l.await(v, p)
	if err != nil {
		return l.loginForm(v, page, err)
	}
	return l.codeForm(v, id, p, nil)
}

// await keeps a log-in until its code comes.
func (l *Local) await(v *visit, p pending) (id string, err error) {
	step := codeStep
	step.Life = p.Ends.Sub(l.Now())
	return l.Challenges.Begin(v.w, v.r, step, p)
}

// takeCode judges the code of the second step. A challenge is good for one try;
// one that fails begins the next challenge, so that no number of requests at once
// gets more than its tries out of a password.
func (l *Local) takeCode(v *visit) (authn.Identity, error) {
	id := v.field("challenge")
	p := pending{}
	if err := l.Challenges.Look(v.r, codeStep, id, &p); err != nil {
		return l.lost(v, id, p, err)
	}
	code := v.secret("recovery")
	if code == "" {
		code = v.secret("code")
	}
	if code == "" {
		return l.codeForm(v, id, p, fault.New(fault.Invalid, "A code is needed."))
	}
	attempt, err := l.begin(v, p.Name)
	if err != nil {
		return l.codeForm(v, id, p, err)
	}
	if err := l.Challenges.Finish(v.w, v.r, codeStep, id, &p); err != nil {
		attempt.untried()
		return l.lost(v, id, p, err)
	}
	who, err := l.Accounts.VerifyCode(v.r.Context(), p.Name, p.Generation, code)
	if err == nil {
		attempt.succeeded()
		return identity(who, p.Next), nil
	}
	if fault.Is(err, fault.Unauthenticated) {
		p.Tries++
	} else {
		attempt.untried()
	}
	switch {
	case fault.Is(err, fault.Stale):
		return l.beginAgain(v, p, err)
	case p.Tries >= codeTries, !l.Now().Before(p.Ends):
		return l.beginAgain(v, p, fault.Wrap(fault.Unauthenticated,
			"Too many codes were wrong, or the last one came too late. Log in again.", err))
	}
	next, failed := l.await(v, p)
	if failed != nil {
		return l.beginAgain(v, p, errors.Join(failed, err))
	}
	return l.codeForm(v, next, p, err)
}

// lost answers a code whose log-in cannot be found: it begins again or, while
// the store does not answer, the code may be sent once more.
func (l *Local) lost(v *visit, id string, p pending, err error) (authn.Identity, error) {
	if fault.Is(err, fault.Unauthenticated) {
		return l.beginAgain(v, p, err)
	}
	return l.codeForm(v, id, p, err)
}

// begin waits as long as the throttle wants.
func (l *Local) begin(v *visit, name string) (*attempt, error) {
	return l.throttle.begin(v.r.Context(), strings.ToLower(name), l.ClientAddr(v.r))
}

// loginForm shows the first form, again if there is an error.
func (l *Local) loginForm(v *visit, page authn.LoginPage, err error) (authn.Identity, error) {
	return l.firstForm(v, page.Name, page, err)
}

// beginAgain shows the first form in place of the second, whose log-in is over.
func (l *Local) beginAgain(v *visit, p pending, err error) (authn.Identity, error) {
	return l.firstForm(v, p.Name, authn.LoginPage{Next: authn.LocalPath(p.Next)}, err)
}

func (l *Local) firstForm(v *visit, name string, page authn.LoginPage, err error) (authn.Identity, error) {
	page.Error, page.NoAccounts = words(err), l.Accounts.Empty()
	return l.answer(v, name, err, func(status int) error { return l.Pages.Login(v.w, status, page) })
}

// codeForm shows the second form, again if there is an error.
func (l *Local) codeForm(v *visit, challenge string, p pending, err error) (authn.Identity, error) {
	page := authn.LoginCodePage{Challenge: challenge, Error: words(err), Recovery: v.field("recovery") != ""}
	return l.answer(v, p.Name, err, func(status int) error { return l.Pages.LoginCode(v.w, status, page) })
}
