package proof_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopush/test/proof"
)

var (
	seed   = flag.Uint64("proof.seed", 1, "seed of the first run; the later ones count on")
	length = flag.Duration("proof.run", 20*time.Second, "load of a run")
	hours  = flag.Float64("proof.hours", 0, "runs of TestProof, one after the other, of each kind; 0: one of each")
	only   = flag.String("proof.only", "", "runs of TestProof whose names contain this, only")
	result = flag.String("proof.results", "", "file that the reports of the runs are added to, as JSON")
)

// trial is a sort of run.
type trial struct {
	name  string
	tags  []string // of the binary
	long  bool     // it is made where hours are given, or it is asked for
	needs error    // why it cannot be made here; nil: it can
	start func(binary, dir string) (proof.Config, error)
}

// trials are all sorts of runs.
func trials() []trial {
	return append([]trial{
		{name: "one node", start: func(binary, dir string) (proof.Config, error) {
			topology, err := proof.Single(binary, dir)
			return proof.Config{Topology: topology, Faults: []proof.Kind{proof.KillNode(), proof.HaltNode(), proof.RestartNode()}}, err
		}},
		{name: "cluster with etcd", start: func(binary, dir string) (proof.Config, error) {
			topology, err := proof.Cluster(binary, dir, "etcd")
			return proof.Config{Topology: topology, Faults: []proof.Kind{
				proof.KillNode(), proof.HaltNode(), proof.RestartNode(), proof.KillStore(), proof.HaltStore(), proof.KillRegistry(),
			}}, err
		}},
		{name: "cluster with static nodes", start: func(binary, dir string) (proof.Config, error) {
			topology, err := proof.Cluster(binary, dir, "static")
			return proof.Config{Topology: topology, Lanes: 2, Faults: []proof.Kind{
				proof.KillNode(), proof.HaltNode(), proof.RestartNode(), proof.KillStore(), proof.HaltStore(),
			}}, err
		}},
		{name: "one node broken from inside", tags: []string{"proof"}, start: func(binary, dir string) (proof.Config, error) {
			topology, err := proof.Single(binary, dir)
			if err == nil {
				topology.Name = "one node, embedded store, broken from inside"
				topology.BreakInside(dir, true)
			}
			losing := proof.LosePower()
			losing.Weight = 4
			return proof.Config{Topology: topology, Faults: []proof.Kind{
				losing, proof.FailDisk(), proof.FillDisk(), proof.SlowDisk(), proof.StallDisk(), proof.SetClock(time.Minute), proof.ExhaustDescriptors(),
			}}, err
		}},
	}, networks()...)
}

// The promises hold while things break: docs/design.md, "Promises". A seed that fails is run again with -proof.seed and -proof.only.
func TestProof(t *testing.T) {
	t.Parallel()
	begun, next := time.Now(), *seed
	for first := true; first || time.Since(begun).Hours() < *hours; first = false {
		for _, tr := range trials() {
			if !strings.Contains(tr.name, *only) || tr.long && *only == "" && *hours == 0 {
				continue
			}
			t.Run(tr.name, func(t *testing.T) { tr.run(t, next) })
			next++
		}
	}
}

// run makes one run, in which no promise may be broken. What a failed one leaves is kept.
func (tr trial) run(t *testing.T, seed uint64) {
	if tr.needs != nil && os.Getenv("CI") == "" {
		t.Skip(tr.needs)
	}
	cfg, err := tr.start(build(t, tr.tags...), keptDir(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Seed, cfg.Duration, cfg.Log = seed, *length, t.Output()
	report := run(t, cfg)
	t.Log(report)
	if report.Broken() {
		t.Errorf("promises were broken in the run with -proof.seed %d -proof.only %q", seed, tr.name)
	}
	record(t, report)
}

// run makes a run.
func run(t *testing.T, cfg proof.Config) *proof.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cfg.Duration+10*time.Minute)
	defer cancel()
	report, err := proof.Run(ctx, cfg)
	if err != nil {
		t.Fatalf("seed %d: %v", cfg.Seed, err)
	}
	return report
}

// record adds a report to the results.
func record(t *testing.T, report *proof.Report) {
	t.Helper()
	if *result == "" {
		return
	}
	s, err := proof.ReadSummary(*result)
	if err != nil {
		t.Fatal(err)
	}
	s.Add(report)
	if err := s.WriteFile(*result); err != nil {
		t.Fatal(err)
	}
}

// keptDir returns a directory that is removed with the test unless that has failed.
func keptDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gopush-proof-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs and stores of the run are in %s", dir)
			return
		}
		os.RemoveAll(dir)
	})
	return dir
}

// binaries are those that were built already, by their tags.
var binaries = proof.NewBinaries(raceEnabled)

// TestMain removes what was built.
func TestMain(m *testing.M) {
	code := m.Run()
	binaries.Close()
	os.Exit(code)
}

func build(t *testing.T, tags ...string) string {
	t.Helper()
	binary, err := binaries.Build(t.Context(), tags...)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// The tables of docs/reliability.md are those of the results that stand beside it.
func TestTablesAreThoseOfTheResults(t *testing.T) {
	t.Parallel()
	s, err := proof.ReadSummary(filepath.Join("testdata", "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join("..", "..", "docs", "reliability.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- results -->\n", "<!-- end -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the results", page)
	}
	want := before + begin + s.Tables() + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s has other tables than test/proof/testdata/results.json: run go test ./test/proof -run Tables -update", page)
	}
}

var update = flag.Bool("update", false, "write the tables of docs/reliability.md")
