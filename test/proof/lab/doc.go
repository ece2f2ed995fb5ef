// Package lab is a network of hosts on one machine, as tests break it: each host is a Linux network namespace with an
// address of its own, all of them behind one switch. What runs on a host has the host's address and ports, and reaches the
// others, and nothing else.
//
//	host n1 10.77.0.1 ──┐                        ┌── host store 10.77.0.4
//	host n2 10.77.0.2 ──┼── switch (a namespace) ┼── host registry 10.77.0.5
//	host n3 10.77.0.3 ──┘                        └── host devices 10.77.0.6 ── sockets of the test itself
//
// From any host to any other packets can be cut off, be lost at random, or come late, each way by itself and connections that are
// open included. The namespaces have no names: when the last process in them has ended, or was killed, the kernel removes them
// with all that is in them, and nothing of the machine's own network was touched.
//
// It takes Linux, root, iproute2 and nftables.
package lab
