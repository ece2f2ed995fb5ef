package zookeeper

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"gopush/internal/cluster/registry"
)

// dialer gives the client connections to its servers in turn. Names are resolved whenever one is dialled, not
// once for all.
type dialer struct {
	timeout time.Duration // of the session
	tls     *tls.Config   // nil: none
	health  *registry.Health

	mu      sync.Mutex
	servers []string
	next    int      // index of the server to try next
	failed  int      // tried since there was a session
	conn    net.Conn // the last one
	over    bool     // nothing is dialled any more
}

// Init takes the servers, in an order that is different for every process.
func (d *dialer) Init(servers []string) error {
	d.servers = servers
	return nil
}

// Len is the number of servers.
func (d *dialer) Len() int { return len(d.servers) }

// Next returns the server to try next, and whether all have been tried, so that the client pauses for a second.
func (d *dialer) Next() (server string, pause bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	server = d.servers[d.next%len(d.servers)]
	pause = d.failed > 0 && d.failed%len(d.servers) == 0
	d.next++
	d.failed++
	return server, pause
}

// Connected says that a server gave a session.
func (d *dialer) Connected() { d.connected() }

func (d *dialer) connected() {
	d.mu.Lock()
	d.failed = 0
	d.mu.Unlock()
}

func (d *dialer) dial(network, addr string, timeout time.Duration) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: min(timeout, max(d.timeout/3, leastPatience))}
	var conn net.Conn
	var err error
	if d.tls != nil {
		conn, err = tls.DialWithDialer(dialer, network, addr, d.tls)
	} else {
		conn, err = dialer.Dial(network, addr)
	}
	if err != nil {
		d.health.Away(err)
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		conn.Close()
		return nil, errors.New("the registry is closed")
	}
	d.conn = d.impatient(conn)
	return d.conn, nil
}

// closing says that no session is begun any more.
func (d *dialer) closing() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
}

func (d *dialer) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}

// cut ends what the client waits for, and whatever it may begin.
func (d *dialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.conn != nil {
		d.conn.Close()
	}
}

// impatient is a connection on which nobody waits for long for a session: the client would wait for several session timeouts for
// a server that accepts and says nothing. It has noticed after two thirds of one that the last server is silent, so that
// in the third that is left all others must be asked.
type impatient struct {
	net.Conn
	usual time.Duration // the client's own deadlines are nearer, but for the session
	first time.Duration // for the session
}

// leastPatience is how long a server always has to give a session.
const leastPatience = 250 * time.Millisecond

func (d *dialer) impatient(conn net.Conn) net.Conn {
	third := d.timeout / 3
	return impatient{conn, d.timeout, max(third/time.Duration(len(d.servers)), leastPatience)}
}

// SetReadDeadline sets the deadline, or a nearer one.
func (c impatient) SetReadDeadline(t time.Time) error {
	now := time.Now()
	switch {
	case t.IsZero():
		t = now.Add(c.usual)
	case t.After(now.Add(c.usual)):
		t = now.Add(c.first)
	}
	return c.Conn.SetReadDeadline(t)
}

// quiet logs what the client says for those who look for it.
type quiet struct{ log *slog.Logger }

// Printf logs a line of the client.
func (q quiet) Printf(format string, args ...any) {
	q.log.Debug("ZooKeeper client", "says", fmt.Sprintf(format, args...))
}
