package zookeeper

import (
	"errors"
	"path"
	"slices"

	"github.com/go-zookeeper/zk"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registry"
)

// dir is a znode whose children are kept known.
type dir struct {
	path     string
	watched  bool             // a watch is set and has not fired
	stale    bool             // children may have changed
	czxid    int64            // of the znode itself: a later one of the same path is another one
	children []string         // ascending
	data     map[string]child // those that were read
	empty    int              // how often in a row all was read again and there were no children
}

// child is what a child says.
type child struct {
	owner   int64 // its session; 0: it is not ephemeral
	id      string
	process registry.Process
	garbage bool // it is no process of a node
}

// dir returns what is known of a path.
func (s *session) dir(path string) *dir {
	d := s.dirs[path]
	if d == nil {
		d = &dir{path: path, stale: true, data: map[string]child{}}
		s.dirs[path] = d
	}
	return d
}

// list reads the children of d if they may have changed. A znode that is not there has none.
func (s *session) list(d *dir) error {
	if d.watched && !d.stale {
		return nil
	}
	if d.watched {
		children, stat, err := s.conn.Children(d.path)
		slices.Sort(children)
		if err == nil && stat.Czxid == d.czxid && slices.Equal(children, d.children) {
			d.stale = false
			return nil
		}
		if err != nil && !errors.Is(err, zk.ErrNoNode) {
			return err
		}
		// The watch may have been lost: have another one. Should it fire all the same, nothing happens.
	}
	children, stat, _, err := s.conn.ChildrenW(d.path)
	if errors.Is(err, zk.ErrNoNode) {
		*d = dir{path: d.path, data: map[string]child{}}
		return nil
	}
	if err != nil {
		return err
	}
	if d.czxid != stat.Czxid {
		clear(d.data)
	}
	slices.Sort(children)
	d.watched, d.stale, d.czxid, d.children = true, false, stat.Czxid, children
	for name := range d.data {
		if _, found := slices.BinarySearch(children, name); !found {
			delete(d.data, name)
		}
	}
	return nil
}

// read returns what a child says; false where it is gone.
func (s *session) read(d *dir, name string) (child, bool, error) {
	if c, known := d.data[name]; known {
		return c, true, nil
	}
	data, stat, err := s.conn.Get(path.Join(d.path, name))
	if errors.Is(err, zk.ErrNoNode) {
		d.stale = true
		return child{}, false, nil
	}
	if err != nil {
		return child{}, false, err
	}
	c := child{owner: stat.EphemeralOwner, id: registry.DecodeID(data)}
	c.process, err = registry.Decode(path.Base(d.path), data)
	if c.garbage = err != nil || c.owner == 0; c.garbage && d.path != s.r.message.dir {
		s.r.c.Log.Debug("child in ZooKeeper is passed over", "path", path.Join(d.path, name), "ephemeral", c.owner != 0, "error", err)
	}
	d.data[name] = c
	return c, true, nil
}

// mine returns the children of d that this process created, ascending.
func (s *session) mine(d *dir) (mine []string, err error) {
	for _, name := range d.children {
		c, there, err := s.read(d, name)
		if err != nil {
			return nil, err
		}
		if there && c.owner != 0 && c.id == s.r.id {
			mine = append(mine, name)
		}
	}
	return mine, nil
}

// serving returns the node whose processes are the children of d: what the first that is one says. False where none is.
func (s *session) serving(d *dir) (cluster.Node, bool, error) {
	for _, name := range d.children {
		c, there, err := s.read(d, name)
		if err != nil {
			return cluster.Node{}, false, err
		}
		if there && !c.garbage {
			n := c.process.Node
			n.Self = c.id == s.r.id
			return n, true, nil
		}
	}
	return cluster.Node{}, false, nil
}

// nodes reads which nodes serve.
func (s *session) nodes() (nodes []cluster.Node, err error) {
	root := s.dir(s.r.root)
	if err := s.list(root); err != nil {
		return nil, err
	}
	if !root.watched { // a watch needs something to be watched
		if err := s.createPersistent(root.path); err != nil {
			return nil, err
		}
		if err := s.list(root); err != nil {
			return nil, err
		}
	}
	for _, name := range root.children {
		d := s.dir(path.Join(root.path, name))
		if err := s.list(d); err != nil {
			return nil, err
		}
		n, serves, err := s.serving(d)
		if err != nil {
			return nil, err
		}
		if serves && registry.CheckName(name) == nil {
			nodes = append(nodes, n)
		}
	}
	s.forget(root)
	return nodes, nil
}

// forget drops what is known of nodes that are not there any more.
func (s *session) forget(root *dir) {
	for p := range s.dirs {
		_, found := slices.BinarySearch(root.children, path.Base(p))
		if path.Dir(p) == root.path && !found && p != s.r.node.dir {
			delete(s.dirs, p)
		}
	}
}

// emptyRereads is how often in a row a node must have been found without processes before it is removed, so that nobody is in
// the middle of coming.
const emptyRereads = 3

// reread makes all be read again, and removes nodes whose processes are long gone.
func (s *session) reread() {
	for p, d := range s.dirs {
		d.stale = true
		clear(d.data)
		if path.Dir(p) != s.r.root || len(d.children) > 0 || p == s.r.node.dir {
			d.empty = 0
			continue
		}
		if d.empty++; d.empty >= emptyRereads {
			s.removeEmpty(d)
		}
	}
}
