package zookeeper

import (
	"errors"
	"path"
	"sync"

	"github.com/go-zookeeper/zk"
)

// claim is what this process wants to be registered as below a path.
type claim struct {
	dir string // where: a persistent znode; set at the start, never changed

	mu    sync.Mutex
	data  []byte        // to be written; nil: nothing shall be registered
	asked bool          // data was set since the start
	done  chan struct{} // closed when it is as data says
}

func newClaim(dir string) *claim {
	return &claim{dir: dir, done: make(chan struct{})}
}

// want says what is to be registered, nil for nothing. The channel is closed when it is so; never, when something else is
// wanted before.
func (c *claim) want(data []byte) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if data == nil && !c.asked { // nothing is there, and nobody has to look
		done := make(chan struct{})
		close(done)
		return done
	}
	c.data, c.asked, c.done = data, true, make(chan struct{})
	return c.done
}

// wanted returns what is to be registered, and what to tell that it is: nil, nil as long as nobody asked for anything.
func (c *claim) wanted() (data []byte, done chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked {
		return nil, nil
	}
	return c.data, c.done
}

// fulfilled closes done, once.
func (c *claim) fulfilled(done chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !isClosed(done) {
		close(done)
	}
}

func isClosed(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// fulfil makes what is registered what is wanted, given what was read. It returns whether that changed something, so that
// it has to be read again.
func (s *session) fulfil(c *claim) (changed bool, err error) {
	data, done := c.wanted()
	if done == nil || data == nil && isClosed(done) { // nothing was to be, and nothing is
		return false, nil
	}
	d := s.dir(c.dir)
	if err := s.list(d); err != nil {
		return false, err
	}
	mine, err := s.mine(d)
	if err != nil {
		return false, err
	}
	if data != nil {
		changed, err = s.haveOne(d, mine, data)
	} else {
		changed, err = s.haveNone(d, mine)
	}
	if err == nil && !changed {
		c.fulfilled(done)
	}
	return changed, err
}

// haveOne creates a child, unless this session has one. Whether the reply to an earlier attempt was lost does not matter:
// what that created was read, and what is one too many goes. A lost session's child is left to end by itself:
// it keeps the node in its place meanwhile.
func (s *session) haveOne(d *dir, mine []string, data []byte) (changed bool, err error) {
	var live []string
	for _, child := range mine {
		if d.data[child].owner == s.conn.SessionID() {
			live = append(live, child)
		}
	}
	switch {
	case len(live) == 0:
		return true, s.create(d, data)
	case len(live) > 1:
		return true, s.remove(d, live[1:])
	}
	return false, nil
}

// haveNone removes all children of this process, and the node when it has no others: gopush-cluster's web processes count
// one without for ever.
func (s *session) haveNone(d *dir, mine []string) (changed bool, err error) {
	if len(mine) > 0 {
		return true, s.remove(d, mine)
	}
	if len(d.children) == 0 && d.path == s.r.node.dir {
		s.removeEmpty(d)
	}
	return false, nil
}

func (s *session) create(d *dir, data []byte) error {
	const flags = zk.FlagEphemeral | zk.FlagSequence
	d.stale = true
	_, err := s.conn.Create(d.path+"/", data, flags, zk.WorldACL(zk.PermAll))
	if !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	if err := s.createPersistent(d.path); err != nil {
		return err
	}
	_, err = s.conn.Create(d.path+"/", data, flags, zk.WorldACL(zk.PermAll))
	return err
}

// createPersistent creates a path and all that it is below.
func (s *session) createPersistent(dir string) error {
	_, err := s.conn.Create(dir, nil, 0, zk.WorldACL(zk.PermAll))
	if errors.Is(err, zk.ErrNoNode) {
		if err := s.createPersistent(path.Dir(dir)); err != nil {
			return err
		}
		_, err = s.conn.Create(dir, nil, 0, zk.WorldACL(zk.PermAll))
	}
	if errors.Is(err, zk.ErrNodeExists) {
		return nil
	}
	return err
}

func (s *session) remove(d *dir, children []string) error {
	d.stale = true
	for _, child := range children {
		if err := s.conn.Delete(path.Join(d.path, child), -1); err != nil && !errors.Is(err, zk.ErrNoNode) {
			return err
		}
	}
	return nil
}

// removeEmpty removes a node without processes. Where it cannot, or somebody came, it stays: it does not count here.
func (s *session) removeEmpty(d *dir) {
	if err := s.conn.Delete(d.path, -1); err != nil && !errors.Is(err, zk.ErrNoNode) && !errors.Is(err, zk.ErrNotEmpty) {
		s.r.c.Log.Debug("node without processes stays in ZooKeeper", "path", d.path, "error", err)
	}
}
