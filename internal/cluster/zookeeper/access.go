package zookeeper

import "github.com/go-zookeeper/zk"

// logIn says who this process is, if it is to be anybody. The client says it again to each server that it comes to.
func (s *session) logIn() error {
	access := s.r.c.Access
	if access.Username == "" || s.known {
		return nil
	}
	err := s.conn.AddAuth("digest", []byte(access.Username+":"+access.Password))
	s.known = err == nil
	return err
}

// acl says whose is what this process creates: anybody's, or its user's, and then others may read it, as web processes of
// gopush-cluster do, who cannot log in.
func (s *session) acl() []zk.ACL {
	if s.r.c.Access.Username == "" {
		return zk.WorldACL(zk.PermAll)
	}
	return append(zk.AuthACL(zk.PermAll), zk.WorldACL(zk.PermRead)...)
}
