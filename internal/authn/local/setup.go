package local

import (
	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/telemetry"
)

// showSetup shows the form of the first run to who has the link.
func (l *Local) showSetup(v *visit) (authn.Identity, error) {
	page := authn.SetupPage{Token: v.r.URL.Query().Get("token")}
	if err := l.Accounts.CheckSetup(v.r.Context(), account.Secret(page.Token)); err != nil {
		return l.setupForm(v, page, err)
	}
	return l.setupForm(v, page, nil)
}

// takeSetup makes the first account and logs it in.
func (l *Local) takeSetup(v *visit) (authn.Identity, error) {
	page := authn.SetupPage{Token: v.field("token"), Name: v.field("name")}
	token, password := account.Secret(page.Token), v.secret("password")
	if err := l.Accounts.CheckSetup(v.r.Context(), token); err != nil {
		return l.setupForm(v, page, err)
	}
	page.NameError, page.PasswordError = words(account.CheckName(page.Name)), words(account.CheckPassword(password))
	if page.PasswordError == "" && v.secret("repeat") != password {
		page.RepeatError = "The two passwords differ."
	}
	if page.NameError != "" || page.PasswordError != "" || page.RepeatError != "" {
		return l.setupForm(v, page, fault.New(fault.Invalid, "The account is not made yet."))
	}
	from := authz.Caller{Client: l.ClientAddr(v.r), Door: "page", RequestID: telemetry.RequestID(v.r.Context())}
	made, err := l.Accounts.SetUp(v.r.Context(), from, token, account.NewAccount{Name: page.Name, Password: &password})
	if err != nil {
		return l.setupForm(v, page, err)
	}
	return identity(made, "/"), nil
}

// setupForm shows the form of the first run, or that there is nothing to be set
// up with this link.
func (l *Local) setupForm(v *visit, page authn.SetupPage, err error) (authn.Identity, error) {
	page.Error, page.MinPassword = words(err), account.MinPassword
	page.Unusable = fault.Is(err, fault.Unauthenticated)
	return l.answer(v, "", err, func(status int) error { return l.Pages.Setup(v.w, status, page) })
}
