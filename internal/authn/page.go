package authn

// What the pages of a log-in show, for whoever renders them.

// LoginPage is the form for name and password.
type LoginPage struct {
	Next       string // local path to go to afterwards
	Name       string // as it was typed
	Error      string // what was wrong; empty: nothing was tried yet
	NoAccounts bool
}

// LoginCodePage is the form for the one-time code that follows the password.
type LoginCodePage struct {
	Challenge string // names the log-in
	Error     string // what was wrong; empty: nothing was tried yet
	Recovery  bool   // a recovery code was tried
}

// SetupPage is the form that makes the first account.
type SetupPage struct {
	Token string // of the link
	Name  string // as it was typed
	// Error is what was wrong, the others what was wrong with one field.
	Error         string
	NameError     string
	PasswordError string
	RepeatError   string
	MinPassword   int  // characters of a password
	Unusable      bool // the link is not good: there is no form
}
