package bench

// Cost is what a server used while it was measured, all its threads together.
type Cost struct {
	CPU      float64 `json:"cpu_us"`           // user and system
	Seconds  float64 `json:"seconds"`          // that it took
	Switches float64 `json:"context_switches"` // voluntary and not
	Allocs   float64 `json:"allocs,omitempty"` // objects; of what has an ops address
	RSS      float64 `json:"resident_bytes"`   // at the end
}

// add adds what another process used at the same time.
func (c *Cost) add(d Cost) {
	c.CPU += d.CPU
	c.Seconds = max(c.Seconds, d.Seconds)
	c.Switches += d.Switches
	c.Allocs += d.Allocs
	c.RSS += d.RSS
}

// per is what of one thing there is for each of another, 0 if there is none of that.
func per(what, each float64) float64 {
	if each == 0 {
		return 0
	}
	return what / each
}
