// Package link joins the nodes of a cluster: what one asks of another, and what that one releases.
//
//	this node                                               another one
//	Link.Publish, Follow, Kick ─> one connection ─> accepted ─> Keys: its channels
//	Handler.Message, Followed  <─ that it dialled <─ sink    <─ Post
//
// Each node dials every other one, so there are two connections between two nodes: requests go one way on each, and what answers them
// the other. It promises: nothing that a method of Link does waits for the network, but for the few that take a context; each
// Publish is answered once, whatever becomes of the connection; a key's messages arrive in mid order, and where some are left out the follower is
// told; a peer that does not answer is found within three seconds, on both ends; nothing is done for who does not prove the cluster's secret.
// It does not know who owns a key.
//
// docs/protocol.md, "Links between nodes", has every byte.
package link

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"
)

// Version is of the protocol. Nodes of different versions refuse each other.
const Version = 1

// Command is the first argument of the first command on a link, by which listeners tell it from other connections.
const Command = "GOPUSH.LINK"

// Config has what the links of a node need.
type Config struct {
	Keys    Keys         // this node, as others reach it
	Handler Handler      // told of what others send
	Secret  []byte       // cluster.secret. Without it every link is refused
	Self    func() Hello // what others are told of this node. Name and Instance never change; see Announce

	TLS             *tls.Config                                              // nil: dial without. ServerName is the address's host where it is empty
	Dial            func(ctx context.Context, addr string) (net.Conn, error) // nil: TCP
	MaxMessageBytes int                                                      // 0: 1 MiB; a peer's message that is longer by more than 64 KiB ends its link
	StoreTimeout    time.Duration                                            // 0: 2 s. A push whose answer takes twice as long has failed
	MaxQueueBytes   int                                                      // what may wait for one link in each direction; 0: 64 MiB
	Beat            time.Duration                                            // 0: 1 s. A link on which nothing came for three is down
	Log             *slog.Logger                                             // nil: none
}

// Peer is a node to be linked with.
type Peer struct {
	Name  string
	Addrs []string // HOST:PORT of its admin listeners, tried in turn
}

// Hello is what a node says of itself to those it is linked with.
type Hello struct {
	Name     string   `json:"name"`
	Instance string   `json:"instance"` // of this process: another one after each start
	Weight   int      `json:"weight"`
	Admin    []string `json:"admin,omitempty"` // HOST:PORT where it is reached, as in cluster.Node
	TCP      []string `json:"tcp,omitempty"`
	WS       []string `json:"ws,omitempty"`
	Joined   bool     `json:"joined"` // it is ready to own keys, and has not left
}

// NodeStats is what a node tells another one for an operator.
type NodeStats struct {
	Connections   int64 `json:"connections"`   // of clients
	Subscriptions int64 `json:"subscriptions"` // of them
	Keys          int64 `json:"keys"`          // that they subscribe to
	Relays        int64 `json:"relays"`        // of these, fed by other nodes
}

// Links are the links of a node, both ends.
type Links struct {
	Stats Stats
}

// New makes the links of a node, and attaches them to cfg.Keys. Run must be running for them to do anything.
func New(cfg Config) *Links { return &Links{} }

// Run keeps the links until ctx ends. Then it writes what waits to be written, for a second at most, closes all of them,
// takes back what others followed, and returns when nothing of it runs any more.
func (ls *Links) Run(ctx context.Context) error { return nil }

// SetPeers keeps links to these nodes from now on and to no others. A peer whose Addrs lack the address that its link was dialled at is
// dialled again. A peer with this node's name is passed over. The slices are not kept.
func (ls *Links) SetPeers(peers []Peer) {}

// To returns the link to a peer, the same one as long as it is a peer, up or down; nil if there is no such peer.
func (ls *Links) To(name string) *Link { return nil }

// All returns the links to all peers, by name.
func (ls *Links) All() []*Link { return nil }

// Accept serves a connection that begins with unread, the first bytes of a command GOPUSH.LINK or more. It returns at once; the
// connection and the bytes are Links' from now on.
func (ls *Links) Accept(conn net.Conn, unread []byte) {}

// Announce tells all who are linked to this node that what Self returns has changed (Handler.Greeted).
func (ls *Links) Announce() {}

// Leave tells all who are linked to this node that it leaves (Handler.Left).
func (ls *Links) Leave() {}

// Drop tells every link that follows key that it has to ask again (Handler.Dropped), and takes the follows back: this node owns key no more.
// It does not wait for anything.
func (ls *Links) Drop(key string) {}
