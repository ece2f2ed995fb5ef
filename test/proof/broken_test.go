package proof_test

import (
	"testing"
	"time"

	"gopush/test/proof"
)

// Each build that breaks one promise on purpose is caught, by a breach of that promise.
func TestBrokenBuildsAreCaught(t *testing.T) {
	t.Parallel()
	single := func(dir, binary string) (*proof.Topology, error) { return proof.Single(binary, dir) }
	unpowered := func(dir, binary string) (*proof.Topology, error) {
		topology, err := proof.Single(binary, dir)
		if err == nil {
			topology.BreakInside(dir, true)
		}
		return topology, err
	}
	cluster := func(dir, binary string) (*proof.Topology, error) { return proof.Cluster(binary, dir, "static") }
	for _, b := range []struct {
		tag      string
		with     []string // other tags
		topology func(dir, binary string) (*proof.Topology, error)
		faults   []proof.Kind
		breaches []proof.Breach // one of them
	}{
		{"broken_seam", nil, single, nil, []proof.Breach{proof.Doubled, proof.Disordered}},
		{"broken_gap", nil, single, nil, []proof.Breach{proof.SilentGap}},
		{"broken_idem", nil, single, []proof.Kind{proof.KillNode()}, []proof.Breach{proof.Doubled}},
		{"broken_memory", nil, single, []proof.Kind{proof.RestartNode()}, []proof.Breach{proof.Doubled}},
		{"broken_live", nil, single, nil, []proof.Breach{proof.Deaf}},
		{"broken_fence", nil, cluster, []proof.Kind{proof.HaltNode()}, []proof.Breach{proof.SilentGap, proof.Lost, proof.Doubled, proof.Disordered}},
		{"broken_fsync", []string{"proof"}, unpowered, []proof.Kind{proof.KillNode()}, []proof.Breach{proof.Lost}},
	} {
		t.Run(b.tag, func(t *testing.T) {
			t.Parallel()
			binary := build(t, append(b.with, b.tag)...)
			const tries = 8
			load := proof.Load{Keys: 4, Devices: 16, Pace: 15 * time.Millisecond, Visit: 400 * time.Millisecond}
			for i := range tries {
				topology, err := b.topology(keptDir(t), binary)
				if err != nil {
					t.Fatal(err)
				}
				cfg := proof.Config{
					Seed: *seed + uint64(i), Topology: topology, Load: load, Faults: b.faults,
					Duration: 8 * time.Second, SettleFor: 5 * time.Second, Pause: 500 * time.Millisecond,
				}
				if report := run(t, cfg); caught(report, b.breaches) {
					t.Logf("caught by run %d: %v", i+1, report.Breaches)
					return
				}
			}
			t.Errorf("%d runs of %s found none of %q", tries, b.tag, b.breaches)
		})
	}
}

// caught tells whether a report has one of breaches.
func caught(report *proof.Report, breaches []proof.Breach) bool {
	for _, b := range breaches {
		if report.Breaches[b] > 0 {
			return true
		}
	}
	return false
}
