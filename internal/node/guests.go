package node

import (
	"net"

	"gopush/internal/cluster/legacyrpc"
	"gopush/internal/cluster/link"
	"gopush/internal/comet"
	"gopush/internal/config"
)

// openRPC makes what speaks to processes of gopush-cluster, if they are welcome.
func (n *Node) openRPC(cfg *config.Config) {
	if cfg.LegacyRPC != "on" {
		return
	}
	rc := legacyrpc.Config{
		Keys: n.keys, Settings: n.rpcSettings,
		Metrics: legacyrpc.NewMetrics(n.metrics), Log: log(n.log, "legacy_rpc"),
	}
	if n.tokens != nil {
		rc.Tokens = n.tokens
	}
	n.rpc = legacyrpc.New(rc)
}

func (n *Node) rpcSettings() legacyrpc.Settings {
	cfg := n.cfg.Load()
	return legacyrpc.Settings{
		MaxKeyBytes: int(cfg.MaxKeyBytes), MaxMessageBytes: int(cfg.MaxMessageBytes), TrustedNetworks: cfg.TrustedNetworks,
	}
}

// serveGuests has the links and the net/rpc connections of ln, an admin listener, served.
func (n *Node) serveGuests(ln *comet.Listener, addr config.Address) {
	if n.links != nil {
		ln.ServeLinks(link.Command, n.links.Accept)
	}
	if n.rpc != nil {
		ln.ServeRPC(legacyrpc.First, func(conn net.Conn, unread []byte) {
			near := addr.Loopback() && !comet.Forwarded(conn)
			go n.rpc.Serve(comet.Begun(conn, unread), near) // until n.rpc is closed
		})
	}
}
