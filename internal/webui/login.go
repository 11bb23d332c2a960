package webui

import (
	"net/http"

	"github.com/confidant-secrets/confidant/internal/authn"
)

// Login writes the form for name and password.
func (s *Site) Login(w http.ResponseWriter, status int, page authn.LoginPage) error {
	return s.write(w, status, "login", "layout", struct {
		frame
		authn.LoginPage
	}{s.titled("Log in"), page})
}

// LoginCode writes the form for the one-time code.
func (s *Site) LoginCode(w http.ResponseWriter, status int, page authn.LoginCodePage) error {
	return s.write(w, status, "login_code", "layout", struct {
		frame
		authn.LoginCodePage
	}{s.titled("One-time code"), page})
}

// Setup writes the form that makes the first account.
func (s *Site) Setup(w http.ResponseWriter, status int, page authn.SetupPage) error {
	return s.write(w, status, "setup", "layout", struct {
		frame
		authn.SetupPage
	}{s.titled("First account"), page})
}
