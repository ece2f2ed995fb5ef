package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/message"
	"gopush/internal/wire/resp"
)

// dialled is one connection of a Link: from when both ends have proved who they are until it breaks.
type dialled struct {
	link *Link // set when made, never changed
	addr string
	conn net.Conn
	most atomic.Int64 // max_message_bytes of the peer

	in      input // owned by the reader, like what follows
	posted  bool  // messages were told of, or receipts, and no Flush
	lastKey string
	looked  time.Time // when calls were looked at for those that are late
	left    bool      // the peer said that it leaves

	queue queue
	why   reason

	calls  calls              // guarded by queue.mu, like what follows
	asks   map[string]*ask    // by the ID on the wire
	asked  uint64             // asks so far
	counts map[counted][]byte // where the number of a COUNT that was not taken yet stands in the queue
	closed error              // nothing is taken any more
	going  error              // it is closed with this when no push waits for its answer; nil: it stays
}

// reason is why a connection ended: what was told first.
type reason struct {
	mu  sync.Mutex
	err error
}

// set returns the reason, which is err if there was none.
func (r *reason) set(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	return r.err
}

// ErrStopped is why a link ends when Run does.
var ErrStopped = errors.New("this node stops")

// ErrLeft is why a link ends whose peer had said that it leaves.
var ErrLeft = errors.New("the node has left")

var errOverfull = errors.New("too much waits to be written")

func newDialled(l *Link, conn net.Conn, addr string) *dialled {
	d := &dialled{link: l, addr: addr, conn: conn, asks: map[string]*ask{}, counts: map[counted][]byte{}}
	d.in = input{conn: conn, parse: resp.ParsePush, lim: handLimits(), beat: l.links.cfg.Beat}
	d.queue.init(&l.links.chunks, d.taking)
	return d
}

// setPeer notes what the peer said of itself.
func (d *dialled) setPeer(h hello) {
	d.most.Store(int64(h.MaxMessageBytes))
	d.link.setHello(h.Hello)
	d.in.lim = limits(d.largest())
}

// largest returns how large payloads may be that pass the link.
func (d *dialled) largest() int { return int(max(d.most.Load(), d.link.links.maxBytes.Load())) }

// taking begins the writing of what waits. queue.mu is locked.
func (d *dialled) taking() {
	d.calls.taken = d.calls.next
	clear(d.counts)
}

// close ends the connection. The error is told.
func (d *dialled) close(err error) {
	d.why.set(err)
	d.conn.Close()
}

// closeAnswered closes as soon as no push waits for its answer: at once if none does, and no later than they all have failed.
func (d *dialled) closeAnswered(err error) {
	d.queue.mu.Lock()
	d.going = err
	d.queue.mu.Unlock()
	d.goAnswered()
}

// stay takes closeAnswered back.
func (d *dialled) stay() {
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	d.going = nil
}

// goAnswered closes if that was asked for and no push waits.
func (d *dialled) goAnswered() {
	d.queue.mu.Lock()
	err, waits := d.going, d.calls.head < len(d.calls.list)
	d.queue.mu.Unlock()
	if err != nil && !waits {
		d.close(err)
	}
}

// run reads and writes until the connection breaks or ctx ends, and returns why.
func (d *dialled) run(ctx context.Context) error {
	ls := d.link.links
	return converse(ctx, ls, &d.queue, &d.in, &d.why, beatFrame(command, "BEAT"), d.read)
}

// converse writes what is queued and has read read, until one of them fails or ctx ends: then what is queued is written,
// for a second at most. It returns why.
func converse(ctx context.Context, ls *Links, q *queue, in *input, why *reason, beat []byte, read func() error) error {
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := q.write(in.conn, ls.cfg.Beat, beat); err != nil {
			why.set(err)
		}
		in.conn.Close()
	})
	stop := context.AfterFunc(ctx, func() {
		why.set(ErrStopped)
		q.end()
		time.AfterFunc(lastWords, func() { in.conn.Close() })
	})
	defer stop()
	err := why.set(read())
	q.end()
	closing := time.AfterFunc(lastWords, func() { in.conn.Close() })
	wg.Wait()
	closing.Stop()
	ls.Stats.Broken[breakOf(err)].Add(1)
	return err
}

// lastWords is how long what waits may take to be written at the end.
const lastWords = time.Second

// breakOf tells how a link is counted that ended with err.
func breakOf(err error) Break {
	switch {
	case errors.Is(err, errSilent):
		return Silent
	case errors.Is(err, errMalformed):
		return Malformed
	case errors.Is(err, errOverfull):
		return Overfull
	}
	return Closed
}

// read tells the handler of what comes, until that fails.
func (d *dialled) read() error {
	for {
		d.in.lim = limits(d.largest())
		if err := d.parse(); err != nil {
			return err
		}
		d.goAnswered()
		err := d.in.fill()
		if n, more := d.in.missed(); more {
			d.link.links.cfg.Handler.Missed(d.link.name, n)
		}
		if err != nil {
			return err
		}
		d.failLate()
	}
}

// parse tells of what was read.
func (d *dialled) parse() error {
	defer d.flush()
	for {
		args, err := d.in.next()
		if err != nil || args == nil {
			return err
		}
		if err := d.told(args); err != nil {
			return err
		}
	}
}

// flush follows what was told.
func (d *dialled) flush() {
	if d.posted {
		d.posted = false
		d.link.links.cfg.Handler.Flush()
	}
}

// told does what one push of the peer asks for.
func (d *dialled) told(args [][]byte) error {
	kind, args := args[0], args[1:]
	if string(kind) == "message" && len(args) == 7 {
		m, err := d.message(args)
		if err == nil {
			d.link.links.cfg.Handler.Message(d.link.name, m)
		}
		return err
	}
	if string(kind) == "pmessage" && len(args) == 8 {
		m, err := d.message(args[1:])
		if err == nil {
			d.link.links.cfg.Handler.PatternMessage(d.link.name, string(args[0]), m)
		}
		return err
	}
	if string(kind) == "receipts" && len(args) >= 5 {
		return d.receipts(args)
	}
	if d.flush(); !d.toldMore(string(kind), args) {
		return malformed("%s of %d words", printable(string(kind)), len(args))
	}
	return nil
}

// toldMore does what a push asks for that comes seldom, and tells whether it was one.
func (d *dialled) toldMore(kind string, args [][]byte) bool {
	h, name := d.link.links.cfg.Handler, d.link.name
	switch {
	case kind == "beat":
		return true
	case kind == "left":
		d.left = true
		h.Left(name)
		return true
	case len(args) == 0:
		return false
	case kind == "answer":
		return d.answered(args)
	}
	word := string(args[0])
	switch kind {
	case "bye":
		d.why.set(fmt.Errorf("it was closed by node %s: %s", name, word))
	case "followed":
		var released int64
		if len(args) != 2 || !numbers(args[1:], &released) {
			return false
		}
		h.Followed(name, word, released)
	case "refused":
		if len(args) != 2 {
			return false
		}
		h.Refused(name, word, wordError(string(args[1])))
	case "dropped":
		h.Dropped(name, word)
	case "pfollowed":
		h.FollowedPattern(name, word, d.patternError(args[1:]))
	case "pdropped":
		h.DroppedPattern(name, word)
	case "failed":
		return len(args) == 2 && d.askFailed(word, wordError(string(args[1])))
	case "hello":
		return d.greeted(args[0])
	default:
		return false
	}
	return true
}

func (d *dialled) patternError(words [][]byte) error {
	if len(words) == 0 {
		return nil
	}
	return wordError(string(words[0]))
}

func (d *dialled) greeted(text []byte) bool {
	var h hello
	if json.Unmarshal(text, &h) != nil || h.Name != d.link.name {
		return false
	}
	d.setPeer(h)
	d.link.links.cfg.Handler.Greeted(d.link.name, h.Hello)
	return true
}

// message makes one of the words KEY MID PREV GID EXPIRES FORM PAYLOAD.
func (d *dialled) message(args [][]byte) (*message.Message, error) {
	var mid, prev, gid, expires, form int64
	if !numbers(args[1:6], &mid, &prev, &gid, &expires, &form) {
		return nil, malformed("a message's numbers")
	}
	if d.lastKey != string(args[0]) {
		d.lastKey = string(args[0])
	}
	d.posted = true
	d.link.links.Stats.Received.Add(1)
	m := &message.Message{
		Key: d.lastKey, Mid: mid, Prev: prev, GID: int(gid), Form: message.Form(form), Payload: append([]byte(nil), args[6]...),
	}
	if expires != 0 {
		m.Expires = time.UnixMilli(expires)
	}
	return m, nil
}
