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
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
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

	cfg      Config // set by New, never changed
	sink     *sink  //
	chunks   chunks
	maxBytes atomic.Int64  // max_message_bytes, may be reloaded
	linked   atomic.Bool   // some link was up since the start
	changed  chan struct{} // has room for one: Run is to look at the peers
	refusals refusals

	mu       sync.Mutex
	peers    map[string]*Link
	leaving  map[string]*Link       // that are no peers any more, and run still
	accepted map[*accepted]struct{} // those that shook hands
	coming   []handed               // for Run
	shaking  int                    // handshakes under way, of those that were accepted
	ended    bool                   // Run takes no more
}

// handed is a connection that was given to Accept.
type handed struct {
	conn   net.Conn
	unread []byte
}

// New makes the links of a node, and attaches them to cfg.Keys. Run must be running for them to do anything.
func New(cfg Config) *Links {
	cfg.setDefaults()
	ls := &Links{cfg: cfg, changed: make(chan struct{}, 1), peers: map[string]*Link{}, leaving: map[string]*Link{}, accepted: map[*accepted]struct{}{}}
	ls.maxBytes.Store(int64(cfg.MaxMessageBytes))
	ls.refusals.logged = map[refusedPeer]time.Time{}
	ls.sink = newSink(ls)
	ls.sink.id = cfg.Keys.Attach(ls.sink)
	return ls
}

func (cfg *Config) setDefaults() {
	setDefault(&cfg.MaxMessageBytes, 1<<20)
	setDefault(&cfg.MaxQueueBytes, 64<<20)
	setDefault(&cfg.StoreTimeout, 2*time.Second)
	setDefault(&cfg.Beat, time.Second)
	if cfg.Dial == nil {
		cfg.Dial = dialTCP
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T int | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

// Run keeps the links until ctx ends. Then it writes what waits to be written, for a second at most, closes all of them,
// takes back what others followed, and returns when nothing of it runs any more.
func (ls *Links) Run(ctx context.Context) error {
	var wg, pool sync.WaitGroup
	for range followers {
		pool.Go(func() { ls.sink.work(ctx) })
	}
	for ctx.Err() == nil {
		ls.begin(ctx, &wg)
		select {
		case <-ls.changed:
		case <-ctx.Done():
		}
	}
	ls.mu.Lock()
	ls.ended = true
	coming := ls.coming
	ls.coming = nil
	ls.mu.Unlock()
	for _, h := range coming {
		h.conn.Close()
	}
	wg.Wait()
	ls.sink.jobs.close()
	pool.Wait()
	return nil
}

// begin starts what is new: links to peers, and connections that were accepted.
func (ls *Links) begin(ctx context.Context, wg *sync.WaitGroup) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.peers {
		if !l.running {
			l.running = true
			wg.Go(func() { l.run(ctx) })
		}
	}
	for _, h := range ls.coming {
		wg.Go(func() { ls.serve(ctx, h) })
	}
	ls.coming = nil
}

// look has Run look at what is new.
func (ls *Links) look() {
	select {
	case ls.changed <- struct{}{}:
	default:
	}
}

// SetPeers keeps links to these nodes from now on and to no others. A peer whose Addrs lack the address that its link was dialled at is
// dialled again. A peer may have this node's name: that of the process that
// serves under it while this one stands by. The slices are not kept.
func (ls *Links) SetPeers(peers []Peer) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	gone := maps.Clone(ls.peers)
	for _, p := range peers {
		delete(gone, p.Name)
		l := cmp.Or(ls.peers[p.Name], ls.leaving[p.Name])
		if l == nil {
			l = newLink(ls, p.Name)
		}
		delete(ls.leaving, p.Name)
		ls.peers[p.Name] = l
		l.setAddrs(slices.Clone(p.Addrs))
	}
	for name, l := range gone {
		delete(ls.peers, name)
		if l.running {
			ls.leaving[name] = l
		}
		l.remove()
	}
	ls.look()
}

// leave ends the running of a link that is none to a peer any more, and tells whether that is so still.
func (ls *Links) leave(l *Link) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.leaving[l.name] != l {
		return false
	}
	delete(ls.leaving, l.name)
	l.running = false
	return true
}

// To returns the link to a peer, the same one as long as it is a peer, up or down; nil if there is no such peer.
func (ls *Links) To(name string) *Link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.peers[name]
}

// All returns the links to all peers, by name.
func (ls *Links) All() []*Link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return slices.SortedFunc(maps.Values(ls.peers), func(a, b *Link) int { return cmp.Compare(a.name, b.name) })
}

// Accept serves a connection that begins with unread, the first bytes of a command GOPUSH.LINK or more. It returns at once; the
// connection and the bytes are Links' from now on.
func (ls *Links) Accept(conn net.Conn, unread []byte) {
	ls.mu.Lock()
	taken := !ls.ended && ls.shaking < maxHandshakes
	if taken {
		ls.shaking++
		ls.coming = append(ls.coming, handed{conn, unread})
	}
	ls.mu.Unlock()
	if !taken {
		ls.Stats.Refused[BadHandshake].Add(1)
		conn.Close()
		return
	}
	ls.look()
}

// SetMaxMessageBytes changes Config.MaxMessageBytes while links are up. It is called before such messages are let in.
func (ls *Links) SetMaxMessageBytes(n int) {
	ls.maxBytes.Store(int64(n))
	ls.Announce()
}

// Announce tells all nodes that this one is linked with that what Self returns has changed (Handler.Greeted).
func (ls *Links) Announce() {
	text := string(ls.self())
	ls.eachAccepted(func(a *accepted) { a.queue.send(push, "hello", text) })
	for _, l := range ls.All() {
		l.tell("HELLO", text)
	}
}

// Leave tells all who are linked to this node that it leaves (Handler.Left).
func (ls *Links) Leave() {
	ls.eachAccepted(func(a *accepted) { a.queue.send(push, "left") })
}

func (ls *Links) eachAccepted(f func(*accepted)) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for a := range ls.accepted {
		f(a)
	}
}

// Drop tells every link that follows key that it has to ask again (Handler.Dropped), and takes the follows back: this node owns key no more.
// It does not wait for anything.
func (ls *Links) Drop(key string) { ls.sink.drop(key) }
