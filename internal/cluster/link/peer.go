package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	firstPause = 50 * time.Millisecond // before a peer is tried again; then twice as long each time
	maxPause   = time.Second
	dialTime   = 3 * time.Second // for each address
)

// Link is the link to a peer: the end that asks. Its methods may be called by anybody at any time, with locks held too; those without a
// context wait for nothing. What has no answer (Follow, Count, Look …) is lost when the link is down, or breaks before it has been
// written: whoever asked is told by Handler.Down, and asks again after Handler.Up.
type Link struct {
	name    string // set when made, never changed
	links   *Links //
	running bool   // guarded by links.mu
	left    bool   // the peer had left when the link went down; owned by run

	current atomic.Pointer[dialled] // nil: the link is down
	changed chan struct{}           // has room for one: addrs have, or the peer was removed

	mu      sync.Mutex
	addrs   []string
	removed bool
	hello   *Hello // nil: it never said any
	err     error  // why the link is down
}

var (
	errNever = errors.New("not linked yet")
	errMoved = errors.New("its addresses have changed")

	// ErrRemoved is why a link is down whose node is registered no more: it left, and the registry told so before it did.
	ErrRemoved = errors.New("it is no peer any more")
)

func newLink(ls *Links, name string) *Link {
	return &Link{name: name, links: ls, changed: make(chan struct{}, 1), err: errNever}
}

// Name returns the peer's.
func (l *Link) Name() string { return l.name }

// Up tells whether the link is: the peer can be asked, as far as is known.
func (l *Link) Up() bool { return l.current.Load() != nil }

// Hello returns what the peer said of itself last, and whether it ever did.
func (l *Link) Hello() (Hello, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hello == nil {
		return Hello{}, false
	}
	return *l.hello, true
}

// Err returns why the link is down, or nil.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Link) setAddrs(addrs []string) {
	l.mu.Lock()
	changed := l.removed || !slices.Equal(addrs, l.addrs)
	l.addrs, l.removed = addrs, false
	l.mu.Unlock()
	if !changed {
		return
	}
	if d := l.current.Load(); d != nil && !slices.Contains(addrs, d.addr) {
		d.close(errMoved)
	} else if d != nil {
		d.stay()
	}
	l.look()
}

func (l *Link) remove() {
	l.mu.Lock()
	l.removed = true
	l.mu.Unlock()
	if d := l.current.Load(); d != nil {
		d.closeAnswered(ErrRemoved)
	}
	l.look()
}

func (l *Link) look() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// wanted returns the peer's addresses, and whether it is one still. What changes from now on is in changed.
func (l *Link) wanted() ([]string, bool) {
	select {
	case <-l.changed:
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addrs, !l.removed
}

func (l *Link) setHello(h Hello) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hello = &h
}

func (l *Link) setErr(err error) (before error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, l.err = l.err, err
	return before
}

// run keeps the link until ctx ends or the peer is removed.
func (l *Link) run(ctx context.Context) {
	absence := absence{link: l, ticker: time.NewTicker(l.links.cfg.Beat)}
	defer absence.ticker.Stop()
	pause := firstPause
	for ctx.Err() == nil {
		addrs, wanted := l.wanted()
		if !wanted && l.links.leave(l) {
			return
		}
		d, h, err := l.reach(ctx, addrs, &absence)
		if err == nil {
			absence.misses = l.serve(ctx, d, h)
			absence.ticker.Reset(l.links.cfg.Beat)
			pause = firstPause
		} else {
			l.failed(ctx, err)
		}
		if absence.wait(ctx, jittered(pause)) {
			pause = firstPause / 2
		}
		pause = min(2*pause, maxPause)
	}
}

// jittered returns d, by half more or less.
func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// failed notes why the peer could not be reached, and logs it if that is news: nothing to worry about where it has left.
func (l *Link) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	level := slog.LevelWarn
	if l.left && !errors.Is(err, errSecret) {
		level = slog.LevelInfo
	}
	l.links.Stats.DialFailed.Add(1)
	if before := l.setErr(err); before == nil || before.Error() != err.Error() {
		l.links.cfg.Log.Log(ctx, level, "node not linked", "node", l.name, "err", err)
	}
}

// absence counts the beats of a peer that is not linked.
type absence struct {
	link   *Link
	ticker *time.Ticker
	misses int
}

// wait waits for d, or until ctx ends or the peer was changed, which it tells.
func (a *absence) wait(ctx context.Context, d time.Duration) (changed bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-a.ticker.C:
			a.miss()
		case <-a.link.changed:
			return true
		case <-ctx.Done():
			return false
		case <-timer.C:
			return false
		}
	}
}

func (a *absence) miss() {
	a.misses++
	a.link.links.cfg.Handler.Missed(a.link.name, a.misses)
}

// reached is what an attempt to reach a peer ended with.
type reached struct {
	dialled *dialled
	hello   hello
	err     error
}

// reach dials the peer's addresses until a node there proves to be it. It counts beats meanwhile.
func (l *Link) reach(ctx context.Context, addrs []string, a *absence) (*dialled, hello, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end := make(chan reached, 1)
	go func() { end <- l.dialAll(ctx, addrs) }() // ends when ctx does, and is waited for
	for {
		select {
		case <-a.ticker.C:
			a.miss()
		case <-l.changed:
			cancel()
		case r := <-end:
			return r.dialled, r.hello, r.err
		}
	}
}

func (l *Link) dialAll(ctx context.Context, addrs []string) reached {
	err := errors.New("no address is known")
	for _, addr := range addrs {
		var r reached
		if r = l.dial(ctx, addr); r.err == nil {
			return r
		}
		err = fmt.Errorf("%s: %w", addr, r.err)
	}
	return reached{err: err}
}

func (l *Link) dial(ctx context.Context, addr string) reached {
	limited, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := l.links.dial(limited, addr)
	if err != nil {
		return reached{err: err}
	}
	d := newDialled(l, conn, addr)
	h, err := l.links.greet(ctx, &d.in, l.name)
	if err != nil {
		l.links.Stats.Refused[refusal(err)].Add(1)
		conn.Close()
	}
	return reached{d, h, ofCertificate(err)}
}

// ofCertificate says so where err is that the peer does not accept our certificate, or the lack of one: with TLS 1.3 that comes
// behind the handshake.
func ofCertificate(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return fmt.Errorf("%w: it does not accept this one's certificate (cluster.tls_cert): %w", errUntrusted, err)
	}
	return err
}

// dial connects to an address, with TLS if links have it.
func (ls *Links) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := ls.cfg.Dial(ctx, addr)
	if err != nil || ls.cfg.TLS == nil {
		return conn, err
	}
	cfg := ls.cfg.TLS.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secured := tls.Client(conn, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
			return nil, fmt.Errorf("%w: %w", errUntrusted, err)
		}
		if refused := ofCertificate(err); errors.Is(refused, errUntrusted) {
			return nil, refused
		}
		return nil, fmt.Errorf("TLS (cluster.tls = true): %w", err)
	}
	return secured, nil
}

// serve has the link up until it breaks, and returns how many beats were missed then.
func (l *Link) serve(ctx context.Context, d *dialled, h hello) (misses int) {
	ls := l.links
	d.setPeer(h)
	l.current.Store(d)
	ls.linked.Store(true)
	if addrs, wanted := l.wanted(); !wanted || !slices.Contains(addrs, d.addr) {
		l.current.Store(nil)
		d.conn.Close()
		d.fail(errMoved)
		return 0
	}
	ls.Stats.Dialled.Add(1)
	l.setErr(nil)
	if text, changed := ls.news(&d.in); changed {
		l.tell("HELLO", text)
	}
	ls.cfg.Handler.Up(l, h.Hello)
	err := d.run(ctx)
	if l.left = d.left; l.left && !errors.Is(err, ErrStopped) {
		err = ErrLeft
	}
	l.setErr(err)
	l.current.Store(nil)
	d.fail(err)
	ls.Stats.Lost.Add(1)
	ls.cfg.Handler.Down(l.name, err)
	misses, _ = d.in.missed()
	return misses
}
