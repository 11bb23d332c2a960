package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/confidant-secrets/confidant/internal/config"
)

// healthTimeout is how long the server on this machine may take to say that it
// is there.
const healthTimeout = 3 * time.Second

// CheckHealth asks the server that the settings describe whether it answers, and
// returns the URL asked.
func CheckHealth(ctx context.Context, cfg *config.Config) (url string, err error) {
	scheme := "http"
	if cfg.Server.TLSCertFile != "" {
		scheme = "https"
	}
	url = scheme + "://" + net.JoinHostPort(reachable(cfg.Server.Host), strconv.Itoa(cfg.Server.Port)) + "/healthcheck"
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return url, err
	}
	client := http.Client{Transport: &http.Transport{
		// The certificate is for the name that clients use, and this asks by
		// address, sends nothing and trusts the answer with nothing.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return url, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return url, fmt.Errorf("status %s", response.Status)
	}
	return url, nil
}

// reachable returns the address under which this machine reaches a listener.
func reachable(host string) string {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && addr == netip.IPv4Unspecified():
		return "127.0.0.1"
	case err == nil && addr == netip.IPv6Unspecified():
		return "::1"
	}
	return host
}
