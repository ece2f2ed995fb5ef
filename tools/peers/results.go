package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// figures are the numbers of one run by their names in the JSON of "gopush bench", those of inner
// objects with a dot: "latency.p99_us".
type figures map[string]float64

// flatten adds all numbers of a decoded JSON object to f. Lists are left out.
func (f figures) flatten(prefix string, object map[string]any) {
	for name, value := range object {
		switch value := value.(type) {
		case float64:
			f[prefix+name] = value
		case map[string]any:
			f.flatten(prefix+name+".", value)
		}
	}
}

// series is what one subject did under one workload, round by round.
type series struct {
	Subject string    `json:"subject"`
	Runs    []figures `json:"runs"`             // one for each round; null: it failed
	Errors  []string  `json:"errors,omitempty"` // of the rounds that failed
}

// add notes one more run.
func (s *series) add(f figures, err error) {
	s.Runs = append(s.Runs, f)
	if err != nil {
		s.Errors = append(s.Errors, err.Error())
	}
}

// values returns a figure of all rounds that have it.
func (s *series) values(name string) (all []float64) {
	for _, run := range s.Runs {
		if v, ok := run[name]; ok {
			all = append(all, v)
		}
	}
	return all
}

// outcome is what one workload came to: a file of bench/results. The zero value is that of one
// that was not measured.
type outcome struct {
	Taken   string   `json:"taken"` // date and time, UTC
	Args    string   `json:"args"`  // of gopush bench
	Machine machine  `json:"machine"`
	Series  []series `json:"series"`
}

// of returns the series of a subject; an empty one if it was not measured.
func (o *outcome) of(subject string) *series {
	for i := range o.Series {
		if o.Series[i].Subject == subject {
			return &o.Series[i]
		}
	}
	return &series{Subject: subject}
}

// ratios returns a figure of one subject by that of another in the same round.
func (o *outcome) ratios(subject, by, name string) (all []float64) {
	over, under := o.of(subject), o.of(by)
	for i := range min(len(over.Runs), len(under.Runs)) {
		a, ok1 := over.Runs[i][name]
		b, ok2 := under.Runs[i][name]
		if ok1 && ok2 && b > 0 {
			all = append(all, a/b)
		}
	}
	return all
}

func save(dir, name string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".json"), append(text, '\n'), 0o644)
}

// load reads what save wrote. A file that is not there leaves v as it is.
func load(dir, name string, v any) error {
	text, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// median is the middle one of values, or the mean of the middle two; there is at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
