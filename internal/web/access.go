package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"gopush/internal/wire/proxy"
)

// guard says who may ask for a route.
type guard int

const (
	open    guard = iota // anybody
	keyed                // an API key; on loopback any local program
	trusted              // as keyed, or a trusted network: legacy admin paths
)

// admit returns nil for a request that g lets in, else why not. Whoever shows an API key is
// judged by it. Whoever shows none must not be a web page: a browser sends what any page
// asks for, from within the trusted network and from this machine.
// docs/design.md, "Listeners: by trust, not by protocol".
func (l *listener) admit(c caller, g guard) error {
	if g == open {
		return nil
	}
	s := l.cfg.Settings()
	if c.err != nil {
		return c.err
	}
	if secret := c.credential(); secret != "" && s.APIKeys.Len() > 0 {
		if _, ok := s.APIKeys.Check(secret); !ok {
			return errWrongKey
		}
		return nil
	}
	switch trust := l.trust.of(&c); {
	case trust.Loopback && !s.local(c.host):
		return errHost
	case !trust.Loopback && c.proxied:
		return errProxied
	case !trust.Loopback && (g != trusted || !s.trusts(c.peer)):
		return errNoKey
	case !s.allowsOrigin(c, trust):
		return errOrigin
	}
	return nil
}

// of returns what a listener's address says of c. On a loopback listener whoever comes from elsewhere was forwarded: by a proxy
// of this machine, for somebody who is not.
func (t Trust) of(c *caller) Trust {
	peer, err := netip.ParseAddrPort(c.peer)
	return Trust{Loopback: t.Loopback && !c.proxied && err == nil && peer.Addr().Unmap().IsLoopback()}
}

// caller is what a request tells of who sent it. Of header fields it has the values; "": absent.
type caller struct {
	host          string
	peer          string // IP:PORT, of who stands behind trusted proxies
	proxied       bool   // a proxy that is not trusted forwards for somebody
	err           error  // proxies do not agree on who it is
	authorization string
	apiKey        string // X-API-Key
	origin        string
	site          string // Sec-Fetch-Site
}

func (l *listener) callerOf(r *http.Request) caller {
	c := caller{
		host: r.Host, peer: r.RemoteAddr,
		authorization: r.Header.Get("Authorization"), apiKey: r.Header.Get("X-API-Key"),
		origin: r.Header.Get("Origin"), site: r.Header.Get("Sec-Fetch-Site"),
	}
	l.cfg.Settings().lookBehindProxies(&c, r.Header)
	return c
}

// lookBehindProxies finds who stands behind the proxies of trusted_proxies that c came through.
func (s *Settings) lookBehindProxies(c *caller, h http.Header) {
	from, _ := netip.ParseAddrPort(c.peer)
	peer := from.Addr().Unmap().WithZone("")
	client, forwarded, err := proxy.Client(peer, h, s.trustsProxy)
	switch {
	case err != nil:
		c.err = errDisagree
	case !forwarded:
	case !s.trustsProxy(peer):
		c.proxied = true
	case !client.IsValid():
		c.peer = "unknown"
	default:
		c.peer = netip.AddrPortFrom(client, 0).String()
	}
}

func (s *Settings) trustsProxy(a netip.Addr) bool {
	return slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// credential returns the secret that c shows, "" if none.
func (c *caller) credential() string {
	scheme, secret, _ := strings.Cut(c.authorization, " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(secret)
	}
	return c.apiKey
}

// local tells whether host, as a request names it, is this machine. A page whose name was
// made to point here (DNS rebinding) still shows that name.
func (s *Settings) local(host string) bool {
	name := hostname(host)
	if name == "" || name == "localhost" {
		return true // "": HTTP/1.0 without a Host, which no browser sends
	}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Unmap().IsLoopback() {
		return true
	}
	return slices.ContainsFunc(s.AllowedHosts, func(allowed string) bool {
		return strings.EqualFold(allowed, name) || strings.EqualFold(allowed, host)
	})
}

// hostname returns host without port, brackets and final dot, in lower case.
func hostname(host string) string {
	u := url.URL{Host: host}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}

// trusts tells whether the peer at addr, "IP:PORT", is in a trusted network.
func (s *Settings) trusts(addr string) bool {
	peer, err := netip.ParseAddrPort(addr)
	if err != nil {
		return false
	}
	ip := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s.TrustedNetworks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// allowsOrigin tells a request of a program, or of a page that may ask, from one that any
// other web page caused. Browsers send Origin with what changes something and with what a
// script reads, and Sec-Fetch-Site with everything else. Our own pages are known by their
// origin where the Host was looked at.
func (s *Settings) allowsOrigin(c caller, t Trust) bool {
	if c.origin != "" {
		return slices.Contains(s.AdminOrigins, c.origin) || t.Loopback && sameOrigin(c.origin, c.host)
	}
	return c.site != "cross-site" && c.site != "same-site"
}

// sameOrigin tells whether a page of origin was served under host.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}
