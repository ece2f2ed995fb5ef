//go:build !linux

package proof_test

// networks are none: they need network namespaces.
func networks() []trial { return nil }
