// Package cluster makes several nodes one push service. It wraps the channels of this node, so that a key of another node looks
// like one of this one.
//
//	Registry ─> nodes ─> ring: who owns a key
//	push ──> owned here? channel.Hub : Link.Publish ─> its owner
//	subscribe ──> channel.Hub ── owned elsewhere: Link.Follow ─> Message ─> Hub.Feed
//
// It promises: a push is passed on once at most, and answered whatever becomes of the other node; whoever subscribes here sees a key's messages in
// their order, without a silent gap, whoever owns it and however that changes; when the registry cannot be reached nothing
// changes. It does not know how nodes find each other, nor what a connection is.
package cluster
