//go:build !linux

package node

// machineMemory returns how much memory there is for the process, in bytes; 0: not known.
func machineMemory() int64 { return 0 }
