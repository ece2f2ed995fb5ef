package proof

import (
	"context"
	"net"
	"time"

	"gopush/client"
	"gopush/internal/message"
)

// listenSDK is the Go SDK, which connects to all nodes in turn by itself until the visit ends.
func listenSDK(ctx context.Context, d *device, n *Node) error {
	addrs := n.Public
	for _, other := range d.r.cfg.Topology.Nodes {
		if other != n {
			addrs += "," + other.Public
		}
	}
	return client.Subscribe(ctx, client.Config{
		Addr: addrs, Key: d.key.name, After: message.FormatID(d.after()),
		Dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return d.r.cfg.Topology.dialSoon(ctx, addr)
		},
		Backoff:      func(int) time.Duration { return 50 * time.Millisecond },
		OnConnect:    func(string) { d.subscribed(n) },
		OnDisconnect: func(err error, _ time.Duration) { d.left(err) },
		OnGap: func(g client.Gap) {
			if from, err := message.ParseID(g.From); err == nil {
				d.gone(from)
			}
		},
	}, func(m client.Message) error {
		d.take(string(m.Payload), false, m.Mid, m.Prev)
		return nil
	})
}
