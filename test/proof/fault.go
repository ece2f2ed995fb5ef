package proof

import (
	"context"
	"math/rand/v2"
	"time"
)

// Fault is one thing that is wrong with a topology for a while. It is injected once and healed once, by one goroutine; other faults may be in
// force at the same time, of the same process too.
type Fault interface {
	// Name says what is done to what, for people: "kill -9 of n2".
	Name() string
	// Inject returns when the fault is in force.
	Inject(ctx context.Context) error
	// Heal returns when what was broken works again, or will by itself. It is called also when Inject has failed.
	Heal(ctx context.Context) error
}

// Kind is a sort of fault, which is what is counted: "kill -9".
type Kind struct {
	Name string
	// Weight is how often it is drawn beside the others; 0 is 1.
	Weight int
	// Shortest and Longest bound how long it is in force; both may be 0, for what is over when it has happened.
	Shortest, Longest time.Duration
	// New makes one for a topology that has been started. All that it chooses it draws, so that a seed replays it.
	New func(t *Topology, draw *rand.Rand) Fault
}

// step is one fault of a schedule.
type step struct {
	after time.Duration // the end of the one before, or the begin of the schedule
	lasts time.Duration
	kind  *Kind
	seed  uint64 // of what the fault draws
}

// schedule returns the faults of one lane, enough of them to fill the duration. It depends on its arguments alone.
func schedule(seed uint64, kinds []Kind, duration, pause time.Duration) (steps []step) {
	draw := rand.New(rand.NewPCG(seed, 0))
	var weights []*Kind
	for i := range kinds {
		for range max(1, kinds[i].Weight) {
			weights = append(weights, &kinds[i])
		}
	}
	if len(weights) == 0 {
		return nil
	}
	for at := time.Duration(0); at < duration; {
		k := weights[draw.IntN(len(weights))]
		s := step{after: pause/2 + upTo(draw, pause), lasts: k.Shortest, kind: k, seed: draw.Uint64()}
		if k.Longest > k.Shortest {
			s.lasts += upTo(draw, k.Longest-k.Shortest)
		}
		steps = append(steps, s)
		at += s.after + s.lasts
	}
	return steps
}

// upTo draws a time below limit, which is above 0.
func upTo(draw *rand.Rand, limit time.Duration) time.Duration {
	return time.Duration(draw.Int64N(int64(limit)))
}
