package proof

import "time"

// Load says who pushes and who listens. Its zero value is the load of a run in CI.
type Load struct {
	Keys    int // 0: 12
	Devices int // of each dialect; 0: 20
	Pushers int // of each way to push; 0: 2
	// Pace is the longest pause of a pusher between two pushes; 0: 40 ms.
	Pace time.Duration
	// Visit is how long most connections of devices last at most, others seven times as long; 0: 3 s.
	Visit time.Duration
}

func (l Load) filled() Load {
	l.Keys = orElse(l.Keys, 12)
	l.Devices = orElse(l.Devices, 20)
	l.Pushers = orElse(l.Pushers, 2)
	l.Pace = orElse(l.Pace, 40*time.Millisecond)
	l.Visit = orElse(l.Visit, 3*time.Second)
	return l
}

func orElse[T int | time.Duration](n, other T) T {
	if n == 0 {
		return other
	}
	return n
}
