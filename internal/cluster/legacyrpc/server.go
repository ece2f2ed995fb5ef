package legacyrpc

import (
	"net"
	"net/netip"
	"net/rpc"
	"slices"
	"sync"
	"sync/atomic"
)

// Server serves connections that speak net/rpc.
type Server struct {
	cfg       Config       // set by New, never changed
	rpc       *rpc.Server  //
	histories atomic.Int64 // bytes of payload that answers hold

	mu     sync.Mutex
	open   map[*codec]struct{}
	closed bool
	serves sync.WaitGroup // a count for each of open; added to under mu, while not closed
}

// New makes a server. Close ends it.
func New(cfg Config) *Server {
	cfg.setDefaults()
	s := &Server{cfg: cfg, rpc: rpc.NewServer(), open: make(map[*codec]struct{})}
	for name, service := range map[string]any{"CometRPC": &comet{s}, "MessageRPC": &messages{s}} {
		if err := s.rpc.RegisterName(name, service); err != nil {
			panic(err) // the services have methods
		}
	}
	return s
}

// Serve answers the calls that come on conn until the peer has closed it, breaks a rule, or Close is called, and
// closes it. loopback tells that its listener can be reached from this machine only; else its peer must be in a trusted network.
func (s *Server) Serve(conn net.Conn, loopback bool) {
	if !loopback && !s.trusts(conn.RemoteAddr()) {
		s.refuse(conn, Untrusted)
		return
	}
	c := newCodec(s, conn)
	if why, ok := s.enter(c); !ok {
		s.refuse(conn, why)
		return
	}
	defer s.serves.Done()
	s.rpc.ServeCodec(c)
	s.leave(c)
}

// Close reads no more calls, waits until those that are under way have been answered, and returns when every Serve has ended.
// Serve refuses what comes later.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.in.stop()
	}
	s.mu.Unlock()
	s.serves.Wait()
}

// trusts tells whether the peer at addr is in a trusted network.
func (s *Server) trusts(addr net.Addr) bool {
	peer, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return false
	}
	ip := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s.cfg.Settings().TrustedNetworks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func (s *Server) refuse(conn net.Conn, why Reason) {
	conn.Close()
	s.cfg.Metrics.closed(why)
	if why == Untrusted {
		s.cfg.Log.Debug("net/rpc refused: the peer is in none of trusted_networks", "peer", conn.RemoteAddr())
	}
}

func (s *Server) enter(c *codec) (why Reason, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return Shutdown, false
	case len(s.open) >= s.cfg.MaxConnections:
		return TooMany, false
	}
	s.open[c] = struct{}{}
	s.serves.Add(1)
	s.cfg.Metrics.connections.Inc()
	return "", true
}

func (s *Server) leave(c *codec) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
	s.cfg.Metrics.connections.Dec()
	s.cfg.Metrics.closed(c.why())
}
