package proof

// Report is what a run has found. It is written as JSON, and reports of several runs add up.
type Report struct {
	Seed     uint64         `json:"seed"`
	Topology string         `json:"topology"`
	Seconds  float64        `json:"seconds"`
	Faults   map[string]int `json:"faults"` // by kind: how often it was injected
	Findings []string       `json:"findings"`
}
