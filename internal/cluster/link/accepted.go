package link

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire/resp"
)

// accepted is the end of a link that answers: from when both ends have proved who they are until it breaks.
type accepted struct {
	links *Links // set when made, never changed
	sink  *sink
	peer  Hello
	most  int // max_message_bytes of the peer

	in     input           // owned by the reader, like what follows
	call   []message.Push  // those of a call that is not whole
	held   int             // bytes of them
	calls  uint64          // so far
	posted channel.SinkSet // to be flushed
	asks   sync.WaitGroup  // that are being answered
	slots  chan struct{}   // an element for each of them

	queue queue
	why   reason
	lost  []followed // what was dropped and the peer does not know; guarded by queue.mu

	number int  // among the sink's links; guarded by sink.mu, like what follows
	gone   bool // the link has broken: nothing is followed any more
}

// maxAsks bounds the questions of a link that are being answered: more fail.
const maxAsks = 32

// followed names what a link follows.
type followed struct {
	name    string
	pattern bool
}

// serve shakes hands on a connection, and serves it until it breaks or ctx ends.
func (ls *Links) serve(ctx context.Context, h handed) {
	defer h.conn.Close()
	a := &accepted{links: ls, sink: ls.sink, slots: make(chan struct{}, maxAsks)}
	a.queue.init(&ls.chunks, a.taking)
	a.in = input{conn: h.conn, parse: resp.ParseCommand, lim: handLimits(), beat: ls.cfg.Beat}
	a.in.unread(h.unread)
	peer, err := ls.receive(ctx, &a.in)
	ls.mu.Lock()
	ls.shaking--
	ls.mu.Unlock()
	if err != nil {
		ls.turnAway(ctx, &a.in, err)
		return
	}
	if ls.itself(peer.Hello) {
		return
	}
	a.setPeer(peer)
	ls.add(a)
	err = converse(ctx, ls, &a.queue, &a.in, &a.why, beatFrame(push, "beat"), a.read)
	ls.remove(a)
	a.asks.Wait()
	ls.cfg.Log.Debug("link from node ended", "node", peer.Name, "err", err)
}

// turnAway tells a peer why it is refused.
func (ls *Links) turnAway(ctx context.Context, in *input, err error) {
	if ctx.Err() != nil {
		return
	}
	why, from := refusal(err), in.conn.RemoteAddr()
	ls.Stats.Refused[why].Add(1)
	if ls.refusals.news(from, why, time.Now()) {
		ls.cfg.Log.Warn("link refused; the next ones from there are only counted", "from", from, "err", err)
	}
	in.turnAway(err)
}

func (ls *Links) add(a *accepted) {
	ls.Stats.Accepted.Add(1)
	ls.cfg.Log.Debug("link from node", "node", a.peer.Name, "from", a.in.conn.RemoteAddr())
	ls.sink.add(a)
	ls.list(a)
	if text, changed := ls.news(&a.in); changed {
		a.queue.send(push, "hello", text)
	}
}

// list adds a to accepted, in place of another one from the same process, which that has given up.
func (ls *Links) list(a *accepted) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for old := range ls.accepted {
		if old.peer.Name == a.peer.Name && old.peer.Instance == a.peer.Instance {
			old.why.set(errReplaced)
			old.in.conn.Close()
		}
	}
	ls.accepted[a] = struct{}{}
}

func (ls *Links) remove(a *accepted) {
	ls.mu.Lock()
	delete(ls.accepted, a)
	ls.mu.Unlock()
	ls.sink.remove(a)
}

func (a *accepted) setPeer(h hello) {
	a.peer, a.most = h.Hello, h.MaxMessageBytes
}

// limit sets what frames may have.
func (a *accepted) limit() { a.in.lim = limits(max(a.most, int(a.links.maxBytes.Load()))) }

// read does what comes, until that fails.
func (a *accepted) read() error {
	for {
		a.limit()
		if err := a.parse(); err != nil {
			a.queue.send(push, "bye", err.Error())
			return err
		}
		if err := a.in.fill(); err != nil {
			return err
		}
	}
}

// parse does what was read, and then flushes what that posted.
func (a *accepted) parse() error {
	defer a.flush()
	for {
		args, err := a.in.next()
		if err != nil || args == nil {
			return err
		}
		if string(args[0]) == "PUSH" {
			err = a.push(args[1:])
		} else {
			err = a.do(string(args[0]), args[1:])
		}
		if err != nil {
			return err
		}
	}
}

// flush lets go what pushes have posted, and the receipts that are there.
func (a *accepted) flush() {
	if a.posted != 0 {
		a.links.cfg.Keys.Flush(a.posted)
		a.posted = 0
	}
	a.sink.Flush()
}

// do does what is no PUSH.
func (a *accepted) do(name string, args [][]byte) error {
	a.flush()
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = string(arg)
	}
	if !a.tell(name, words) && !a.ask(name, words) {
		return malformed("%s of %d words", printable(name), len(words))
	}
	return nil
}

// tell does what has no answer of its own kind, and tells whether it was that.
func (a *accepted) tell(name string, words []string) bool {
	keys := a.links.cfg.Keys
	switch {
	case name == "BEAT":
	case len(words) == 0:
		return false
	case name == "FOLLOW" || name == "COUNT" || name == "PCOUNT":
		var n int64
		if len(words) != 2 || !numbers([][]byte{[]byte(words[1])}, &n) {
			return false
		}
		a.sink.ask(followed{words[0], name == "PCOUNT"}, op{link: a, what: opOf(name), number: n})
	case name == "UNFOLLOW" || name == "PFOLLOW" || name == "PUNFOLLOW":
		a.sink.ask(followed{words[0], name[0] == 'P'}, op{link: a, what: opOf(name)})
	case name == "LOOK":
		keys.Look(words)
	case name == "REVOKED":
		tags, ok := parseTags(words[1:])
		if !ok {
			return false
		}
		keys.Revoked(words[0], tags)
	case name == "HELLO":
		return a.greeted(words[0])
	default:
		return false
	}
	return true
}

func parseTags(words []string) (tags []uint64, ok bool) {
	for _, w := range words {
		tag, err := parseTag(w)
		if err != nil {
			return nil, false
		}
		tags = append(tags, tag)
	}
	return tags, true
}

func (a *accepted) greeted(text string) bool {
	var h hello
	if json.Unmarshal([]byte(text), &h) != nil || h.Name != a.peer.Name {
		return false
	}
	a.most = h.MaxMessageBytes
	a.limit()
	return true
}

// errReplaced ends a link whose node has made another one.
var errReplaced = errors.New("the node has made another link")

// answerFollow answers a follow, with an error or else the mid above which all will come.
func (a *accepted) answerFollow(f followed, released int64, err error) {
	switch {
	case !f.pattern && err == nil:
		a.queue.send(push, "followed", f.name, strconv.FormatInt(released, 10))
	case !f.pattern:
		a.queue.send(push, "refused", f.name, errorWord(err))
	case err == nil:
		a.queue.send(push, "pfollowed", f.name)
	default:
		a.queue.send(push, "pfollowed", f.name, errorWord(err))
	}
}

// loses has the peer told that what it follows was dropped.
func (a *accepted) loses(f followed) {
	a.queue.mu.Lock()
	a.lost = append(a.lost, f)
	a.queue.unlock()
}

// taking tells the peer of what was dropped, once there is room. queue.mu is locked.
func (a *accepted) taking() {
	for len(a.lost) > 0 && a.queue.size < a.links.cfg.MaxQueueBytes/2 {
		f := a.lost[0]
		a.lost = a.lost[1:]
		if len(a.lost) == 0 {
			a.lost = nil
		}
		if f.pattern {
			a.queue.addWords(push, "pdropped", f.name)
		} else {
			a.queue.addWords(push, "dropped", f.name)
		}
	}
}
