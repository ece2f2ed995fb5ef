package proof

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Summary is what several runs have found. It is written as JSON, and its tables stand in docs/reliability.md.
type Summary struct {
	Reports []*Report `json:"reports"`
}

// ReadSummary reads what WriteFile wrote; an empty summary where there is no such file.
func ReadSummary(file string) (*Summary, error) {
	s := &Summary{}
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	return s, err
}

// Add adds the report of a run.
func (s *Summary) Add(r *Report) { s.Reports = append(s.Reports, r) }

// WriteFile writes the summary as JSON.
func (s *Summary) WriteFile(file string) error {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// row is what the runs of a table's row have in common.
type row struct {
	name                                     string
	runs, injected, pushes, deliveries, gaps int
	seconds                                  float64
	lost, doubled, disordered, silent, other int
}

func (w *row) add(r *Report, injected int) {
	w.runs++
	w.seconds += r.Seconds
	w.injected += injected
	w.pushes += total(r.Acknowledged)
	w.deliveries += total(r.Deliveries)
	w.gaps += total(r.GapsTold)
	for breach, n := range r.Breaches {
		switch breach {
		case Lost:
			w.lost += n
		case Doubled, Redelivered:
			w.doubled += n
		case Disordered:
			w.disordered += n
		case SilentGap:
			w.silent += n
		default:
			w.other += n
		}
	}
}

// Tables returns the tables of docs/reliability.md: a row for each topology, and one for each kind of fault.
func (s *Summary) Tables() string {
	topologies, kinds := map[string]*row{}, map[string]*row{}
	of := func(rows map[string]*row, name string) *row {
		rows[name] = cmp.Or(rows[name], &row{name: name})
		return rows[name]
	}
	for _, r := range s.Reports {
		of(topologies, r.Topology).add(r, total(r.Faults))
		for kind, n := range r.Faults {
			of(kinds, kind).add(r, n)
		}
	}
	var b strings.Builder
	b.WriteString("| topology | runs | minutes of load | faults | acknowledged pushes | deliveries | gaps told | lost | doubled | disordered | missed untold | other |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(topologies)) {
		w := topologies[name]
		fmt.Fprintf(&b, "| %s | %d | %.0f | %d | %d | %d | %d | %s\n", name, w.runs, w.seconds/60, w.injected, w.pushes, w.deliveries, w.gaps, w.breaches())
	}
	b.WriteString("\n| fault | times | in runs with acknowledged pushes | and deliveries | lost | doubled | disordered | missed untold | other |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		w := kinds[name]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %s\n", name, w.injected, w.pushes, w.deliveries, w.breaches())
	}
	return b.String()
}

func (w *row) breaches() string {
	return fmt.Sprintf("%d | %d | %d | %d | %d |", w.lost, w.doubled, w.disordered, w.silent, w.other)
}
