package cluster

import "sync/atomic"

// Stats counts what a cluster did. Written by whoever does it, read by anyone.
type Stats struct {
	RingChanges atomic.Int64 // how often the nodes changed
	Forwarded   atomic.Int64 // pushes passed on to the nodes that own their keys
	Strays      atomic.Int64 // keys that this node appended to though another one owned them
	Relays      atomic.Int64 // keys that are relayed now
	Refollowed  atomic.Int64 // follows asked for again: another owner, another link
	Refused     atomic.Int64 // follows that the owner refused
}
