package proof

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Breach is a way in which a promise can be broken.
type Breach string

// All breaches.
const (
	Lost        Breach = "lost"        // an acknowledged stored message is not there, or did not reach a device
	Doubled     Breach = "doubled"     // a message came twice, or is stored twice
	Disordered  Breach = "disordered"  // a mid that does not increase, or a push that was passed by a later one
	SilentGap   Breach = "silent gap"  // a device missed messages and was not told
	FalseGap    Breach = "false gap"   // a device was told of a gap where there was none
	Wrong       Breach = "wrong"       // a payload, key or prev is not what it has to be
	Redelivered Breach = "redelivered" // a message came again that was acknowledged by the consumer group
	Refused     Breach = "refused"     // a push was refused for a reason that it did not give
	Deaf        Breach = "deaf"        // a device is connected, and is not given what is pushed
	Vanished    Breach = "vanished"    // excused: who reads what is stored saw a message that was not acknowledged, and is gone
)

// Finding is a breach, with all that is known of it: key, mid, device, connection.
type Finding struct {
	Breach Breach `json:"breach"`
	Text   string `json:"text"`
}

// Report is what a run has found. It is written as JSON, and reports of several runs add up.
type Report struct {
	Seed     uint64  `json:"seed"`
	Topology string  `json:"topology"`
	Seconds  float64 `json:"seconds"` // of load and faults

	Faults       map[string]int `json:"faults"`       // by kind: how often it was injected
	Pushes       map[string]int `json:"pushes"`       // by way: payloads
	Attempts     map[string]int `json:"attempts"`     // by way: of which each may take several
	Acknowledged map[string]int `json:"acknowledged"` // by way
	Connections  map[string]int `json:"connections"`  // by dialect
	Deliveries   map[string]int `json:"deliveries"`   // by dialect
	GapsTold     map[string]int `json:"gaps_told"`    // by dialect
	Stored       int            `json:"stored"`       // messages in the end
	Checks       map[string]int `json:"checks"`       // by what is compared: how often

	Breaches map[Breach]int `json:"breaches"` // all that were found
	Excused  map[Breach]int `json:"excused"`  // of these kinds, what the topology allows
	Findings []Finding      `json:"findings"` // the first of each breach
}

// maxFindings is how many of each breach are told of in full.
const maxFindings = 20

// find adds a finding.
func (r *Report) find(f Finding) {
	if r.Breaches[f.Breach]++; r.Breaches[f.Breach] <= maxFindings {
		r.Findings = append(r.Findings, f)
	}
}

// Broken tells whether a promise was broken.
func (r *Report) Broken() bool { return len(r.Breaches) > 0 }

func newReport() *Report {
	return &Report{
		Faults: map[string]int{}, Pushes: map[string]int{}, Attempts: map[string]int{}, Acknowledged: map[string]int{},
		Connections: map[string]int{}, Deliveries: map[string]int{}, GapsTold: map[string]int{}, Checks: map[string]int{},
		Breaches: map[Breach]int{}, Excused: map[Breach]int{},
	}
}

// String is the report for people.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, seed %d: %.0f s of load\n", r.Topology, r.Seed, r.Seconds)
	line := func(what string, counts map[string]int) {
		fmt.Fprintf(&b, "  %-13s %7d ", what, total(counts))
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(&b, " %s %d,", name, counts[name])
		}
		b.WriteString("\n")
	}
	line("faults", r.Faults)
	line("pushes", r.Pushes)
	line("attempts", r.Attempts)
	line("acknowledged", r.Acknowledged)
	line("connections", r.Connections)
	line("deliveries", r.Deliveries)
	line("gaps told", r.GapsTold)
	fmt.Fprintf(&b, "  %-13s %7d\n", "stored", r.Stored)
	line("compared", r.Checks)
	for _, breach := range slices.Sorted(maps.Keys(r.Excused)) {
		fmt.Fprintf(&b, "  excused: %s %d times\n", breach, r.Excused[breach])
	}
	for _, breach := range slices.Sorted(maps.Keys(r.Breaches)) {
		fmt.Fprintf(&b, "  BROKEN: %s %d times\n", breach, r.Breaches[breach])
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "  %s: %s\n", f.Breach, f.Text)
	}
	return b.String()
}

func total(counts map[string]int) (sum int) {
	for _, n := range counts {
		sum += n
	}
	return sum
}
