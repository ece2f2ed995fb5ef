package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"gopush/internal/cluster/registry"
)

const (
	// settle is how long after a wake-up is waited for more of them: what changes together is read once. After a new
	// connection the client also sets its watches again meanwhile.
	settle = 20 * time.Millisecond
	// retry is how long after an error all is tried again.
	retry = 500 * time.Millisecond
	// moment is how long a server has for what is under way when this process ends.
	moment = time.Second
	// refusals is how often in a row servers must have refused the session before another one is begun. They do so for ever
	// when they have lost what this process has seen, and for a while when they start or have no quorum: then the
	// session could have gone on, so that takes refusedFor session timeouts at least.
	refusals   = 5
	refusedFor = 5
)

// session is a connection to the servers, and what was read by it. Its session with them may be lost and begun anew.
type session struct {
	r      *Registry
	conn   *zk.Conn
	events <-chan zk.Event
	dialer *dialer
	dirs   map[string]*dir // by path; of the goroutine that runs it, like what follows
	known  bool            // it has logged in
	denied bool            // and may not do what it has to

	mu      sync.Mutex
	fired   map[string]bool // paths whose watches have
	renewed bool            // it has reached a server again
	expired bool            // its session was lost, and all watches with it
	refused int             // connections in a row that led to no session
	first   time.Time       // the first of them
}

// connect begins a connection. It never fails: servers are tried for as long as it lasts.
func (r *Registry) connect() *session {
	s := &session{r: r, dialer: &dialer{timeout: r.c.Timeout, tls: r.c.Access.TLS, health: r.health}, dirs: map[string]*dir{}, fired: map[string]bool{}}
	conn, events, err := zk.Connect(r.c.Servers, r.c.Timeout, zk.WithHostProvider(s.dialer), zk.WithDialer(s.dialer.dial),
		zk.WithEventCallback(s.event), zk.WithLogger(quiet{r.c.Log}), zk.WithLogInfo(false))
	if err != nil {
		panic("zookeeper: only a provider of hosts makes connecting fail: " + err.Error())
	}
	s.conn, s.events = conn, events
	return s
}

// hurry has what is asked answered soon, if only by an error: the server has a moment.
func (s *session) hurry() {
	time.AfterFunc(moment, s.dialer.cut)
}

// close ends the session, and returns when all goroutines of the connection have ended. Nothing may be asked any more:
// the client (1.0.4) gives a request that it could not send while it closes three answers, where two have room.
// Should one of its own be such a request it hangs, and is left behind.
func (s *session) close() {
	s.dialer.closing()
	s.conn.Close()
	s.dialer.cut()
	end := time.After(s.r.c.Timeout + moment)
	for {
		select {
		case _, more := <-s.events:
			if !more {
				return
			}
		case <-end:
			s.r.c.Log.Warn("client of ZooKeeper does not end: left behind")
			return
		}
	}
}

// event takes note of what the connection says. It does not block.
func (s *session) event(e zk.Event) {
	s.note(e)
	switch {
	case e.Type != zk.EventSession:
	case e.State == zk.StateExpired:
		s.dialer.connected()
		s.r.c.Log.Info("session with ZooKeeper lost: a new one begins")
	case e.State == zk.StateHasSession:
		s.r.health.Back()
	case e.State == zk.StateDisconnected && !s.dialer.isClosed():
		s.r.health.Away(fmt.Errorf("ZooKeeper at %s closes the connection, or does not answer", strings.Join(s.r.c.Servers, ", ")))
	}
	s.r.look()
}

func (s *session) note(e zk.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.Type != zk.EventSession:
		s.fired[e.Path] = true
	case e.State == zk.StateExpired:
		s.expired = true
	case e.State == zk.StateHasSession:
		s.refused, s.renewed = 0, true
	case e.State == zk.StateConnected:
		if s.refused++; s.refused == 1 {
			s.first = time.Now()
		}
	}
}

// hopeless tells whether servers refuse this session, which they would go on doing.
func (s *session) hopeless() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused >= refusals && time.Since(s.first) >= refusedFor*s.r.c.Timeout
}

// run reads and tells until ctx ends, or the connection is hopeless.
func (s *session) run(ctx context.Context, view *registry.View) {
	all := time.NewTimer(s.r.nextReread())
	defer all.Stop()
	again := time.NewTimer(0)
	defer again.Stop()
	for ctx.Err() == nil && !s.hopeless() {
		select {
		case <-ctx.Done():
			return
		case <-all.C:
			s.reread()
			all.Reset(s.r.nextReread())
		case <-s.r.wake:
			pause(ctx, settle)
		case <-again.C:
		}
		if wait := s.round(view); wait > 0 {
			again.Reset(wait)
		}
	}
}

// round reads what has changed, registers what is to be, and tells. It returns after what time there is to be another round;
// 0: when something happens.
func (s *session) round(view *registry.View) time.Duration {
	if s.conn.State() != zk.StateHasSession {
		view.Away(time.Now())
		return 0
	}
	view.Back(time.Now())
	if err := s.logIn(); err != nil {
		return s.failed(err)
	}
	s.takeFired()
	for _, c := range []*claim{s.r.node, s.r.message} {
		for changed := true; changed; {
			var err error
			if changed, err = s.fulfil(c); err != nil {
				return s.failed(err)
			}
		}
	}
	nodes, err := s.nodes()
	if err != nil {
		return s.failed(err)
	}
	if s.denied {
		s.denied = false
		s.r.health.Back()
	}
	return view.Show(time.Now(), nodes)
}

func (s *session) failed(err error) time.Duration {
	s.r.c.Log.Debug("reading ZooKeeper", "error", err)
	if errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthFailed) {
		s.denied = true
		s.r.health.Away(fmt.Errorf("ZooKeeper at %s does not let this node do what it must: %w; see cluster.registry_username", strings.Join(s.r.c.Servers, ", "), err))
	}
	return retry
}

// takeFired marks what watches have fired for.
func (s *session) takeFired() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path := range s.fired {
		if d := s.dirs[path]; d != nil {
			d.watched = false
		}
	}
	clear(s.fired)
	for _, d := range s.dirs {
		d.stale = d.stale || s.renewed
		d.watched = d.watched && !s.expired
	}
	s.renewed, s.expired = false, false
}

// pause returns after a time, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
