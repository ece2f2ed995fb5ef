package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
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
	if secret := c.credential(); secret != "" && s.APIKeys.Len() > 0 {
		if _, ok := s.APIKeys.Check(secret); !ok {
			return errWrongKey
		}
		return nil
	}
	switch {
	case l.trust.Loopback && !s.local(c.host):
		return errHost
	case !l.trust.Loopback && (g != trusted || !s.trusts(c.peer)):
		return errNoKey
	case !s.allowsOrigin(c, l.trust):
		return errOrigin
	}
	return nil
}

// caller is what a request tells of who sent it. Of header fields it has the values; "": absent.
type caller struct {
	host          string
	peer          string // IP:PORT
	authorization string
	apiKey        string // X-API-Key
	origin        string
	site          string // Sec-Fetch-Site
}

func callerOf(r *http.Request) caller {
	return caller{
		host: r.Host, peer: r.RemoteAddr,
		authorization: r.Header.Get("Authorization"), apiKey: r.Header.Get("X-API-Key"),
		origin: r.Header.Get("Origin"), site: r.Header.Get("Sec-Fetch-Site"),
	}
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

// trusts tells whether the peer at addr, "IP:PORT", is in a trusted network. What a proxy
// says of whom it asks for does not count.
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
