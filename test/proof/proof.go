// Package proof checks what a push service promises while things break. A run has a topology (nodes and what they need), a load
// (devices in every dialect, pushers in every way), and faults that a schedule injects; all of them follow from one seed.
//
//	pushers ──> nodes ──> devices        every push, acknowledgement, delivery and gap
//	   │          ^          │           is written down in the Ledger, and when all
//	   │        faults       │           faults are healed and all devices are back,
//	   └──────> Ledger <─────┘           Verify holds them against docs/design.md, "Promises"
//
// A run is a function of its Config: the same seed has the same keys, devices, pushers and faults at the same times. What the machine
// makes of it, it does not decide.
package proof

import (
	"context"
	"io"
	"time"
)

// Config says what a run is. Topology is needed; everything else has a default.
type Config struct {
	Seed     uint64
	Topology *Topology     // not started; the run starts it, and ends it
	Load     Load          // who pushes and who listens
	Faults   []Kind        // what may break; none: nothing does
	Duration time.Duration // of the load; 0 is 20 s. Settling comes after it
	Pause    time.Duration // between two faults, on average; 0 is 1 s
	Lanes    int           // how many faults may be in force at a time; 0 is 1
	// SettleFor is how long devices have at most, when everything works again, to get what they are owed; 0 is 90 s: who has lost a connection
	// without noticing finds that out within the SDK's 45 s.
	SettleFor time.Duration
	Log       io.Writer // gets a line for each fault and each stage; nil: nobody does
}

// Run starts the topology, has the load and the faults go on for a while, heals everything, waits until every device has what it is
// owed, and returns what was found. The error tells that the run could not be made: a process that did not start, a fault
// that was not healed. What is wrong with the service is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	return newRun(cfg).run(ctx)
}
