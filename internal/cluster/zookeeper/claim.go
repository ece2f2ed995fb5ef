package zookeeper

import (
	"errors"
	"path"

	"github.com/go-zookeeper/zk"

	"gopush/internal/cluster/registry"
)

// claim is what this process wants to be registered as below a path, which is a persistent znode.
type claim struct {
	registry.Claim
	dir string
}

// fulfil makes what is registered what is wanted, given what was read. It returns whether that changed something, so that
// it has to be read again.
func (s *session) fulfil(c *claim) (changed bool, err error) {
	data, done := c.Wanted()
	if done == nil {
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
		c.Fulfilled(done)
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
	_, err := s.conn.Create(d.path+"/", data, flags, s.acl())
	if !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	if err := s.createPersistent(d.path); err != nil {
		return err
	}
	_, err = s.conn.Create(d.path+"/", data, flags, s.acl())
	return err
}

// createPersistent creates a path and all that it is below.
func (s *session) createPersistent(dir string) error {
	_, err := s.conn.Create(dir, nil, 0, s.acl())
	if errors.Is(err, zk.ErrNoNode) {
		if err := s.createPersistent(path.Dir(dir)); err != nil {
			return err
		}
		_, err = s.conn.Create(dir, nil, 0, s.acl())
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
