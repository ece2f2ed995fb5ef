package registrytest

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a process and a server, and is what may go wrong there.
type Proxy struct {
	Addr string // where the process finds the server

	target   string
	listener net.Listener
	all      sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	cut    bool
	frozen chan struct{} // closed when bytes pass again; nil: they do
	delay  time.Duration // of what the server says
}

// NewProxy returns a proxy for a server; it ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, listener: l, conns: map[net.Conn]bool{}}
	p.all.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.Thaw()
		p.Cut()
		p.all.Wait()
	})
	return p
}

// Break closes all connections. New ones are welcome.
func (p *Proxy) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// Cut closes all connections, and those that come, until Mend.
func (p *Proxy) Cut() {
	p.setCut(true)
	p.Break()
}

// Mend ends what Cut began.
func (p *Proxy) Mend() { p.setCut(false) }

// Freeze stops what is under way without closing anything, until Thaw.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen == nil {
		p.frozen = make(chan struct{})
	}
}

// Thaw ends what Freeze began.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil {
		close(p.frozen)
		p.frozen = nil
	}
}

// Delay has all that the server says from now on arrive late.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

func (p *Proxy) setCut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
}

func (p *Proxy) accept() {
	for {
		process, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.all.Go(func() { p.serve(process) })
	}
}

func (p *Proxy) serve(process net.Conn) {
	defer process.Close()
	if !p.keep(process) {
		return
	}
	defer p.drop(process)
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(server) {
		return
	}
	defer p.drop(server)
	var both sync.WaitGroup
	both.Go(func() { p.pass(server, process, false) })
	both.Go(func() { p.pass(process, server, true) })
	both.Wait()
}

// late are bytes and when they arrive.
type late struct {
	bytes []byte
	at    time.Time
}

// pass has what from says arrive at to, until either is closed; then both are.
func (p *Proxy) pass(to, from net.Conn, fromServer bool) {
	queue := make(chan late, 1024)
	var writer sync.WaitGroup
	writer.Go(func() { p.deliver(to, queue) })
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			queue <- late{append([]byte(nil), buf[:n]...), time.Now().Add(p.lateness(fromServer))}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	writer.Wait()
	to.Close()
	from.Close()
}

// deliver writes what has waited, in order, also when writing fails: then it waits for the end.
func (p *Proxy) deliver(to io.Writer, queue <-chan late) {
	for l := range queue {
		time.Sleep(time.Until(l.at))
		p.thawed()
		_, _ = to.Write(l.bytes) // the reader of the other direction finds out
	}
}

func (p *Proxy) lateness(fromServer bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !fromServer {
		return 0
	}
	return p.delay
}

// thawed returns when bytes may pass.
func (p *Proxy) thawed() {
	p.mu.Lock()
	frozen := p.frozen
	p.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cut {
		p.conns[c] = true
	}
	return !p.cut
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}
