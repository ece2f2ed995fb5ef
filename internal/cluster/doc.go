// Package cluster makes several nodes one push service: who is alive, so who owns a key; what is for a key goes to its
// owner; and what the owner releases comes to the subscribers here.
package cluster
