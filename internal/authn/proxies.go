package authn

import (
	"net/http"
	"net/netip"
	"strings"
)

// AddressSet is a set of addresses.
type AddressSet interface {
	Contains(addr netip.Addr) bool
}

// Proxies tells what a request was before trusted proxies passed it on.
// X-Forwarded-* headers count only if the peer is trusted, for anybody can send
// them.
type Proxies struct {
	Trusted AddressSet
}

// ClientAddr returns the address of the client. Each proxy appends the address
// of its peer to X-Forwarded-For, so the list is read from its end: the first
// address that is not a trusted proxy's is the client's, and what stands before
// it is hearsay. The zero address: the peer has none (a Unix socket).
func (p Proxies) ClientAddr(r *http.Request) netip.Addr {
	client := PeerAddr(r)
	if !p.Trusted.Contains(client) {
		return client
	}
	hops := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for hops != "" {
		i := strings.LastIndexByte(hops, ',')
		addr := parseAddr(strings.TrimSpace(hops[i+1:]))
		if !addr.IsValid() {
			break // no address, so nothing before it can be told
		}
		client = addr
		if !p.Trusted.Contains(client) {
			break
		}
		hops = hops[:max(i, 0)]
	}
	return client
}

// IsHTTPS reports whether the client used HTTPS: with us, or, as a trusted
// proxy tells, with the first of the proxies.
func (p Proxies) IsHTTPS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	proto := r.Header.Get("X-Forwarded-Proto")
	if proto == "" || !p.Trusted.Contains(PeerAddr(r)) {
		return false
	}
	first, _, _ := strings.Cut(proto, ",")
	return strings.EqualFold(strings.TrimSpace(first), "https")
}

// PeerAddr returns the address that the connection comes from; zero if it has
// none.
func PeerAddr(r *http.Request) netip.Addr { return parseAddr(r.RemoteAddr) }

// parseAddr reads an address with or without a port. An IPv4 address in IPv6
// form becomes the IPv4 address; zones are cut off.
func parseAddr(text string) netip.Addr {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone("")
}
