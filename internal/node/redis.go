package node

import (
	"crypto/sha256"
	"runtime/debug"

	"gopush/internal/channel"
	"gopush/internal/comet"
	"gopush/internal/config"
	"gopush/internal/redis"
)

// The hub is what commands of Redis reach keys by, and the gateway is what they reach connections by.
var (
	_ redis.Keys    = (*channel.Hub)(nil)
	_ redis.Clients = (*comet.Gateway)(nil)
)

// adminReplies is how many times more payload an admin connection of Redis may ask for at once than a public one.
const adminReplies = 16

func (n *Node) redisConfig() redis.Config {
	rc := redis.Config{
		Keys: n.keys, Groups: n.store, APIKey: n.isAPIKey, APIKeyHash: n.isAPIKeyHash, APIKeys: func() any { return n.settings.Load() },
		Limits: n.redisLimits, Facts: n.facts, Now: n.faults.now(),
	}
	if n.cluster != nil {
		rc.Far = n.cluster
	}
	if n.tokens != nil {
		rc.Authorize, rc.Revocations = n.tokens.Check, n.tokens.Revocations
	}
	return rc
}

// isAPIKey tells whether secret is that of the API key with name, or of any where a client names none.
func (n *Node) isAPIKey(name, secret string) bool {
	return n.isAPIKeyHash(name, sha256.Sum256([]byte(secret)))
}

// isAPIKeyHash is isAPIKey for the SHA-256 of the secret.
func (n *Node) isAPIKeyHash(name string, hash [sha256.Size]byte) bool {
	found, ok := n.settings.Load().APIKeys.CheckHash(hash)
	return ok && (name == "" || name == "default" || name == found)
}

func (n *Node) redisLimits() redis.Limits {
	cfg := n.cfg.Load()
	most := int(cfg.MaxPendingBytes)
	return redis.Limits{
		MaxKeyBytes: int(cfg.MaxKeyBytes), MaxMessageBytes: int(cfg.MaxMessageBytes),
		MaxReplyBytes: [...]int{most, adminReplies * most},
	}
}

// facts are what INFO tells of the node.
func (n *Node) facts() redis.Facts {
	cfg := n.cfg.Load()
	g, h := &n.gateway.Stats, &n.hub.Stats
	f := redis.Facts{
		Version: version(), Node: nodeName(cfg), Started: n.started,
		Connections: n.gateway.Connections(), Blocked: g.Blocked.Load(), Subscribers: h.Subscribed.Load() - h.Unsubscribed.Load(),
		Accepted: g.Accepted.Load(), Pushed: h.Pushed.Load(), Stored: h.Stored.Load(),
		Commands: n.redis.Stats.Commands.Load(), Durable: cfg.Store != "memory",
	}
	if len(n.addrs.Admin) > 0 {
		f.Addr = n.addrs.Admin[0].String()
	}
	return f
}

// version is the release that the binary is.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// serveRedis has ln, which is an admin listener beyond loopback or not, speak Redis.
func (n *Node) serveRedis(ln *comet.Listener, kind comet.Kind, addr config.Address) {
	if kind != comet.Ops {
		ln.ServeRedis(n.redis, redis.Trust{Admin: kind == comet.Admin, Open: addr.Loopback()})
	}
}
