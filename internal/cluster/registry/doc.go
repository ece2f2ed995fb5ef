// Package registry is what the registries of nodes have in common: the setting that says which one to use, how a node
// is written down in one, what is told of the nodes that were read, and since when a registry cannot be reached.
//
//	setting ──Parse──> which registry, where            what was read ──Decode, First──> nodes that serve ──View──> see
//
// It knows no server and does no I/O.
package registry
