package node

import (
	"slices"
	"time"

	"gopush/internal/auth"
	"gopush/internal/comet"
	"gopush/internal/config"
	"gopush/internal/web"
)

// Reload takes over what can be changed while the node runs: log level, limits, API keys and
// certificates. With an error nothing has changed. cfg differs from the node's only in that.
func (n *Node) Reload(cfg config.Config) error {
	read, err := n.readCertificates(&cfg)
	if err != nil {
		return err
	}
	for i, s := range n.http {
		if s.tls != nil {
			s.tls.use(read[i])
		}
	}
	n.level.Set(cfg.LogLevel)
	n.gateway.SetLimits(limitsOf(&cfg))
	n.store.SetMaxStoredPerKey(cfg.MaxStoredPerKey)
	n.store.SetMaxDevicesPerKey(cfg.MaxDevicesPerKey)
	n.store.SetIdempotencyWindow(time.Duration(cfg.IdempotencyWindow))
	n.hub.SetLimits(int(cfg.MaxKeyBytes), int(cfg.MaxMessageBytes), cfg.MaxSubscribersPerKey)
	n.settings.Store(settingsOf(&cfg))
	n.cfg.Store(&cfg)
	select {
	case n.reloaded <- struct{}{}:
	default: // it will be seen
	}
	return nil
}

// readCertificates reads the certificates of all addresses again, in the order of n.http.
func (n *Node) readCertificates(cfg *config.Config) (all []*identity, err error) {
	for i, addr := range slices.Concat(cfg.Public, cfg.Admin, cfg.Ops) {
		var id *identity // nil: plain
		if c := n.http[i].tls; c != nil {
			if id, err = c.identityOf(filesOf(addr)); err != nil {
				return nil, err
			}
		}
		all = append(all, id)
	}
	return all, nil
}

// settingsOf returns what the handlers of HTTP need of cfg.
func settingsOf(cfg *config.Config) *web.Settings {
	secrets := make(map[string]string, len(cfg.APIKeys))
	for _, k := range cfg.APIKeys {
		secrets[k.Name] = k.Secret
	}
	return &web.Settings{
		MaxKeyBytes: int(cfg.MaxKeyBytes), MaxMessageBytes: int(cfg.MaxMessageBytes),
		DefaultExpire: time.Duration(cfg.DefaultExpire), OpenHistory: cfg.LegacyHistory == "open",
		APIKeys: auth.NewAPIKeys(secrets), TrustedNetworks: cfg.TrustedNetworks, TrustedProxies: cfg.TrustedProxies,
		AllowedHosts: cfg.AllowedHosts, AdminOrigins: cfg.AdminOrigins,
	}
}

// aroundMessage is how much larger than a message a command may be by default, and how large
// one is that carries none.
const aroundMessage = 64 << 10

// limitsOf returns what one connection may cost.
func limitsOf(cfg *config.Config) comet.Limits {
	l := comet.Limits{
		MaxKeyBytes: int(cfg.MaxKeyBytes), MaxHeadBytes: int(cfg.MaxHeadBytes),
		MaxPendingBytes: int(cfg.MaxPendingBytes), MaxPendingMessages: cfg.MaxPendingMessages,
		MaxArguments: cfg.MaxArguments, MaxSubscriptions: cfg.MaxSubscriptionsPerConnection,
		MaxJoining: cfg.MaxJoining, JoiningWait: time.Duration(cfg.JoiningWait),
		MaxConnections: cfg.MaxConnections, MaxMemory: maxMemory(cfg),
		MaxPerAddress: cfg.MaxConnectionsPerAddress, MaxHandshakesPerAddress: cfg.MaxHandshakesPerAddress,
		SlowConsumers:  slowConsumers(cfg),
		TrustedProxies: cfg.TrustedProxies, RequireProxyHeader: cfg.ProxyProtocol == "required",
		FirstPacketTimeout: time.Duration(cfg.FirstPacketTimeout), MinHeartbeat: time.Duration(cfg.MinHeartbeat),
	}
	l.MaxCommandBytes[comet.Public] = aroundMessage
	l.MaxCommandBytes[comet.Admin] = aroundMessage + int(cfg.MaxMessageBytes)
	if cfg.MaxCommandBytes > 0 {
		l.MaxCommandBytes[comet.Public] = int(cfg.MaxCommandBytes)
		l.MaxCommandBytes[comet.Admin] = int(cfg.MaxCommandBytes)
	}
	if limit := descriptorLimit(); l.MaxConnections == 0 {
		l.MaxConnections = max(limit-reservedDescriptors, limit/2)
	}
	return l
}

// slowConsumers returns what becomes of messages that connections do not read.
func slowConsumers(cfg *config.Config) (all []comet.SlowConsumers) {
	policies := map[string]comet.SlowPolicy{"close": comet.SlowClose, "drop": comet.SlowDrop, "latest": comet.SlowLatest}
	for _, s := range cfg.SlowConsumers {
		all = append(all, comet.SlowConsumers{Prefix: s.Prefix, Policy: policies[s.Policy]})
	}
	return all
}

// reservedDescriptors are for the store, the listeners and what else is not a connection;
// where there are few, half of them.
const reservedDescriptors = 256
