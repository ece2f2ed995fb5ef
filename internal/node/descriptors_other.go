//go:build !unix

package node

// descriptorLimit returns how many descriptors the process may have: the system sets no limit.
func descriptorLimit() int { return 1 << 30 }
