package registry

import "crypto/tls"

// Access is how a process is let in by the servers of a registry. The zero value: without anything, and without TLS.
type Access struct {
	Username string // of etcd, or of ZooKeeper's digest scheme; empty: none
	Password string
	TLS      *tls.Config // nil: none. ServerName is that of the server where it is empty
}
