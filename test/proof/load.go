package proof

// Load says who pushes and who listens. Its zero value is the load of a run in CI.
type Load struct {
	Keys    int // 0: 12
	Devices int // of each dialect; 0: 20
	Pushers int // of each way to push; 0: 2
}

func (l Load) filled() Load {
	l.Keys = orElse(l.Keys, 12)
	l.Devices = orElse(l.Devices, 20)
	l.Pushers = orElse(l.Pushers, 2)
	return l
}

func orElse(n, other int) int {
	if n == 0 {
		return other
	}
	return n
}
