package config

import (
	"cmp"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
)

// derive fills in defaults that follow from other settings.
func (l *loader) derive() {
	c := l.config
	if !c.IsSet("SSLIFY") {
		c.Server.SSLify = !c.Server.Loopback()
	}
	if c.Login.Module == "" {
		c.Login.Module = "local"
		if c.Login.GoogleClientID != "" {
			c.Login.Module = "google"
		}
	}
	if !c.IsSet("HEADER_AUTH_TRUSTED_PROXIES") {
		c.Login.TrustedProxies = c.Server.ForwardedAllow
	}
	if c.Session.MaxLifetime == 0 {
		c.Session.MaxLifetime = c.Session.Lifetime
	}
	if !c.Login.OIDCClientSecret.IsSet() {
		c.Login.OIDCClientSecret = c.Login.GoogleClientSecret
	}
	setIfEmpty := func(setting *string, values ...string) {
		*setting = cmp.Or(append([]string{*setting}, values...)...)
	}
	setIfEmpty(&c.Server.PublicURL, c.SAML.URLRoot)
	setIfEmpty(&c.Login.EmailSuffix, c.Login.OldEmailSuffix)
	setIfEmpty(&c.Login.OIDCClientID, c.Login.GoogleClientID)
	setIfEmpty(&c.Storage.Region, l.aws["AWS_REGION"], "us-east-1")
	setIfEmpty(&c.AWSDoor.Region, c.Storage.Region)
	setIfEmpty(&c.Keys.File, filepath.Join(c.Storage.DataDir, "enckey"))
	if c.Storage.Embedded() {
		setIfEmpty(&c.Audit.Dir, filepath.Join(c.Storage.DataDir, "audit"))
	}
	c.aws = l.fileAWS
}

// Loopback reports whether the listener can be reached from this machine only.
func (s Server) Loopback() bool {
	if s.Host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(s.Host)
	return err == nil && addr.Unmap().IsLoopback()
}

// Address is what the server listens on, as host:port.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }
