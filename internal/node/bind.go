package node

import (
	"context"
	"fmt"
	"net"

	"gopush/internal/comet"
	"gopush/internal/config"
)

// socket is an address that is listened on. What connects waits until it is served.
type socket struct {
	net.Listener
	kind comet.Kind
	addr config.Address
}

// bind binds all addresses, so that a port that is taken stops the start, and where others reach the node is known.
func (n *Node) bind(ctx context.Context, cfg *config.Config) error {
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
			var lc net.ListenConfig
			ln, err := lc.Listen(ctx, "tcp", addr.HostPort)
			if err != nil {
				return fmt.Errorf("listen on %s (%v): %w", addr.HostPort, part.kind, err)
			}
			n.sockets = append(n.sockets, socket{ln, part.kind, addr})
			*part.bound = append(*part.bound, ln.Addr())
		}
	}
	return nil
}
