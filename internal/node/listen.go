package node

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gopush/internal/comet"
	"gopush/internal/config"
	"gopush/internal/web"
)

// How long a peer may take over HTTP, besides first_packet_timeout for its first head.
const (
	httpHeadTimeout  = 10 * time.Second
	httpReadTimeout  = 60 * time.Second // head and body
	httpWriteTimeout = 5 * time.Minute  // from the end of the head to the end of the answer
	httpIdleTimeout  = 120 * time.Second
)

// listen binds all addresses, so that a port that is taken stops the start.
func (n *Node) listen(ctx context.Context, cfg *config.Config) error {
	shared := n.webConfig()
	for _, part := range []struct {
		kind  comet.Kind
		addrs []config.Address
		bound *[]net.Addr
	}{
		{comet.Public, cfg.Public, &n.addrs.Public},
		{comet.Admin, cfg.Admin, &n.addrs.Admin},
		{comet.Ops, cfg.Ops, &n.addrs.Ops},
	} {
		for _, addr := range part.addrs {
			if err := n.listenOn(ctx, part.kind, addr, part.bound, shared); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *Node) listenOn(ctx context.Context, kind comet.Kind, addr config.Address, bound *[]net.Addr, shared web.Config) error {
	cert, err := loadCertificate(addr)
	if err != nil {
		return err
	}
	ln, err := n.gateway.Listen(ctx, kind, addr.HostPort, cert.config())
	if err != nil {
		return fmt.Errorf("listen on %s (%v): %w", addr.HostPort, kind, err)
	}
	*bound = append(*bound, ln.Addr())
	n.serveRedis(ln, kind, addr)
	shared.Subscribe = ln.Subscribe()
	server := &http.Server{
		Handler:           handler(ln, kind, shared, web.Trust{Loopback: addr.Loopback()}),
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
		Keys: n.hub, Settings: n.settings.Load, Tokens: n.tokens, Addresses: n.addresses,
		Ready: n.checks(), Stats: stats{n}, Started: n.started, Level: n.level,
		Exposition: promhttp.HandlerFor(n.metrics, promhttp.HandlerOpts{}),
		Metrics:    web.NewMetrics(n.metrics), Log: log(n.log, "web"),
	}
}

// addresses returns where clients of a protocol connect, as /1/server/get tells them.
func (n *Node) addresses(_ string, p web.Protocol) []string {
	cfg := n.cfg.Load()
	advertised := cfg.AdvertiseTCP
	if p == web.WebSocket {
		advertised = cfg.AdvertiseWS
	}
	if len(advertised) > 0 {
		return advertised
	}
	all := make([]string, len(n.addrs.Public))
	for i, a := range n.addrs.Public {
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
