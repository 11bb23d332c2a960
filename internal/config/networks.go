package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Networks is a set of addresses, for example of trusted proxies.
type Networks struct {
	Any      bool // every address
	Prefixes []netip.Prefix
}

// Contains reports whether the address belongs to the set. An IPv4 address
// written in IPv6 form counts as the IPv4 address.
func (n Networks) Contains(addr netip.Addr) bool {
	if n.Any {
		return true
	}
	addr = addr.Unmap()
	for _, p := range n.Prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// String returns the set as it is written in a setting.
func (n Networks) String() string {
	if n.Any {
		return "*"
	}
	parts := make([]string, len(n.Prefixes))
	for i, p := range n.Prefixes {
		if p.IsSingleIP() {
			parts[i] = p.Addr().String()
		} else {
			parts[i] = p.String()
		}
	}
	return strings.Join(parts, ",")
}

func parseNetworks(text string) (Networks, error) {
	n := Networks{}
	for _, part := range splitList(text) {
		if part == "*" {
			n.Any = true
			continue
		}
		if addr, err := netip.ParseAddr(part); err == nil {
			addr = addr.Unmap()
			n.Prefixes = append(n.Prefixes, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return Networks{}, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", part)
		}
		n.Prefixes = append(n.Prefixes, p.Masked())
	}
	return n, nil
}
