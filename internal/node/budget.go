package node

import (
	"runtime/debug"

	"gopush/internal/config"
)

// memoryShare is the part of the memory there is that connections may hold by default, one in so many. The collector of
// garbage lets what was let go lie for about as much again.
const memoryShare = 4

// unknownMemory is taken for the memory of a machine that does not tell.
const unknownMemory = 4 << 30

// maxMemory returns how many bytes all connections may hold: what cfg says, or else a share of what the machine, the control
// group of the process, or GOMEMLIMIT allows.
func maxMemory(cfg *config.Config) int64 {
	if cfg.MaxMemoryBytes > 0 {
		return int64(cfg.MaxMemoryBytes)
	}
	there := machineMemory()
	if there <= 0 {
		there = unknownMemory
	}
	return max(min(there, debug.SetMemoryLimit(-1))/memoryShare, leastMemory)
}

// leastMemory is what connections may hold on the smallest machine.
const leastMemory = 16 << 20
