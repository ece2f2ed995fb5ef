package comet

import "sync/atomic"

// Stats counts what a gateway did. Written by loops, read by anyone.
type Stats struct {
	Accepted      atomic.Int64 // connections
	AcceptPaused  atomic.Int64 // times that a loop left a listener alone, since enough joined
	AcceptFailed  atomic.Int64 // accepts that failed: no descriptors, no memory
	HandedToHTTP  atomic.Int64 // connections that turned out to speak plain HTTP
	HandedToLinks atomic.Int64 // connections that turned out to be links of other nodes
	HandedToRPC   atomic.Int64 // connections that turned out to speak net/rpc
	Subscribed    atomic.Int64 // connections that became subscribers
	Told          atomic.Int64 // connections that a drain told to go
	Heartbeats    atomic.Int64 // answered
	Delivered     atomic.Int64 // messages written to or queued for connections, live
	Resent        atomic.Int64 // the same, from what they had missed
	DroppedSlow   atomic.Int64 // live-only messages left out for connections that did not read those before
	FellBehind    atomic.Int64 // times that a connection which did not read was to read the rest from the store
	DroppedLive   atomic.Int64 // live-only messages dropped for connections that read what they missed

	PushRequests atomic.Int64 // requests over HTTP that loops served themselves

	Redis   atomic.Int64 // connections that speak Redis now
	Blocked atomic.Int64 // of these, those that wait for what is stored

	Hungry            atomic.Int64 // resumes that wait for room now
	Handshakes        atomic.Int64 // of TLS, that succeeded
	HandshakesResumed atomic.Int64 // of these, those that resumed a session

	Rings atomic.Int64 // loops that send through an io_uring now

	Closed [numReasons]atomic.Int64
}

// Reason is why a connection was closed or refused. Each has its own label in the metrics.
type Reason uint8

const (
	PeerClosed         Reason = iota + 1 // the peer closed or half-closed
	Failed                               // reading or writing failed: reset, unreachable
	Slow                                 // more waited for it than max_pending_bytes or max_pending_messages
	Memory                               // all hold more than max_memory_bytes, and it most
	HeartbeatTimeout                     // silent for heartbeat + 5 s
	FirstPacketTimeout                   // no whole first command within first_packet_timeout
	BadCommand                           // malformed or unknown command, bad argument
	BadHandshake                         // WebSocket handshake refused
	BadFrame                             // WebSocket protocol error
	BadHeartbeat                         // something other than a heartbeat from a subscriber
	TooLong                              // input past max_command_bytes or max_head_bytes
	OriginRefused                        // allowed_origins
	TokenRefused                         // token wrong, empty or expired
	KeyUnknown                           // tokens are required and the key has none
	SubscriberLimit                      // max_subscribers_per_key
	WrongNode                            // another node owns the key, and relay = off
	AuthFailed                           // the token could not be checked, or too many wait for that
	ResumeFailed                         // what it missed could not be read
	MaxConnections                       // max_connections
	AddressLimit                         // max_connections_per_address
	AddressRate                          // max_handshakes_per_address
	BadProxyHeader                       // trusted_proxies: no PROXY header, or a malformed one; or what they say disagrees
	HandshakeFailed                      // TLS
	Kicked                               // closed on request, or its token or API key was taken away
	Draining                             // the node is drained: told to go, or came to subscribe
	Busy                                 // max_joining, and no end to be seen
	Shutdown                             // the node stops
	HTTPTimeout                          // no whole request in time on a connection that pushes
	CommandTimeout                       // no whole command of Redis, or none that says who it is, in time
	Lingered                             // was being closed, and the peer did not read in time
	numReasons
)

var reasonNames = [numReasons]string{
	PeerClosed: "peer_closed", Failed: "failed", Slow: "slow", Memory: "max_memory", HeartbeatTimeout: "heartbeat_timeout",
	FirstPacketTimeout: "first_packet_timeout", BadCommand: "bad_command", BadHandshake: "bad_handshake",
	BadFrame: "bad_frame", BadHeartbeat: "bad_heartbeat", TooLong: "too_long", OriginRefused: "origin_refused",
	TokenRefused: "token_refused", KeyUnknown: "key_unknown", SubscriberLimit: "max_subscribers_per_key",
	WrongNode: "wrong_node", AuthFailed: "auth_failed", ResumeFailed: "resume_failed", MaxConnections: "max_connections",
	AddressLimit: "max_connections_per_address", AddressRate: "max_handshakes_per_address", BadProxyHeader: "bad_proxy_header",
	HandshakeFailed: "tls_handshake_failed", Kicked: "kicked", Draining: "draining", Busy: "busy", Shutdown: "shutdown", HTTPTimeout: "http_timeout", CommandTimeout: "command_timeout", Lingered: "lingered",
}

func (r Reason) String() string { return reasonNames[r] }

// Reasons returns all reasons, for metrics.
func Reasons() []Reason {
	all := make([]Reason, 0, numReasons-1)
	for r := Reason(1); r < numReasons; r++ {
		all = append(all, r)
	}
	return all
}
