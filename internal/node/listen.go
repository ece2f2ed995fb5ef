package node

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gopush/internal/comet"
	"gopush/internal/web"
)

// How long a peer may take over HTTP, besides first_packet_timeout for its first head.
const (
	httpHeadTimeout  = 10 * time.Second
	httpReadTimeout  = 60 * time.Second // head and body
	httpWriteTimeout = 5 * time.Minute  // from the end of the head to the end of the answer
	httpIdleTimeout  = 120 * time.Second
)

// listen serves what connects to all addresses.
func (n *Node) listen() error {
	shared := n.webConfig()
	for _, s := range n.sockets {
		if err := n.listenOn(s, shared); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) listenOn(s socket, shared web.Config) error {
	cert, err := loadCertificate(fmt.Sprintf("%v %v", s.kind, s.Addr()), s.addr, n.cfg.Load().TLSMinVersion)
	if err != nil {
		return err
	}
	n.addCertificate(cert)
	ln, err := n.gateway.ListenOn(s.kind, s.Listener, cert.config())
	if err != nil {
		return fmt.Errorf("serve %s (%v): %w", s.addr.HostPort, s.kind, err)
	}
	n.serveRedis(ln, s.kind, s.addr)
	if s.kind == comet.Admin {
		n.serveGuests(ln, s.addr)
	}
	shared.Subscribe = ln.Subscribe()
	server := &http.Server{
		Handler:           handler(ln, s.kind, shared, web.Trust{Loopback: s.addr.Loopback()}),
		ReadHeaderTimeout: httpHeadTimeout,
		ReadTimeout:       httpReadTimeout,
		WriteTimeout:      httpWriteTimeout,
		IdleTimeout:       httpIdleTimeout,
		MaxHeaderBytes:    int(n.cfg.Load().MaxHeadBytes),
		ErrorLog:          slog.NewLogLogger(log(n.log, "http").Handler(), slog.LevelDebug),
	}
	shared.Metrics.CountHeads(server)
	n.http = append(n.http, httpServer{listener: ln, tls: cert, Server: server})
	return nil
}

func handler(ln *comet.Listener, kind comet.Kind, cfg web.Config, trust web.Trust) http.Handler {
	switch kind {
	case comet.Admin:
		admin := web.Admin(cfg, trust)
		ln.ServePushes(admin.Pushes)
		return admin
	case comet.Ops:
		return web.Ops(cfg, trust)
	}
	return web.Public(cfg)
}

func (n *Node) webConfig() web.Config {
	return web.Config{
		Keys: n.keys, Settings: n.settings.Load, Tokens: n.tokens, Addresses: n.addresses, Cluster: n.membership(), Drain: n.drain,
		Ready: n.checks(), Stats: stats{n}, Started: n.started, Now: n.faults.now(), Level: n.level,
		Exposition: promhttp.HandlerFor(n.metrics, promhttp.HandlerOpts{}),
		Metrics:    web.NewMetrics(n.metrics), Log: log(n.log, "web"),
	}
}

// addresses returns where clients of a protocol connect for key, as /1/server/get tells them.
func (n *Node) addresses(key string, p web.Protocol) []string {
	if n.cluster != nil {
		return n.ownersAddresses(key, p)
	}
	cfg := n.cfg.Load()
	if p == web.WebSocket {
		return n.clientAddresses(cfg.AdvertiseWS)
	}
	return n.clientAddresses(cfg.AdvertiseTCP)
}

// clientAddresses returns what clients are told: what is advertised, or else the public addresses.
func (n *Node) clientAddresses(advertised []string) []string {
	if len(advertised) > 0 {
		return advertised
	}
	return texts(n.addrs.Public)
}

func texts(addrs []net.Addr) []string {
	all := make([]string, len(addrs))
	for i, a := range addrs {
		all[i] = a.String()
	}
	return all
}

// allowsOrigin judges the pages that subscribe: all do, unless allowed_origins names some.
func (n *Node) allowsOrigin(origin string) bool {
	allowed := n.cfg.Load().AllowedOrigins
	for _, a := range allowed {
		if a == origin {
			return true
		}
	}
	return len(allowed) == 0
}
