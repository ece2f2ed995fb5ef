// Package redistest compares a server with a real redis-server.
//
//	script ──> twin ──┬──> what is tested ──┐
//	                  └──> redis-server ────┴──> the same replies?
//
// A script is what some connections send one after the other. Both servers get it in lockstep; what they reply, and what is
// delivered to subscribers, is equal but for the ids that each chooses, what passes of time, and the differences that
// differences.go lists. The package knows nothing of gopush: it compares two addresses.
package redistest
