//go:build !broken_memory

package pebble

// remembered returns which generations of those that are on the disk are asked when the store has been opened.
func remembered(all []generation) []generation { return all }
