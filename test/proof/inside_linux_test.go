package proof_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"gopush/test/proof"
)

// What is broken inside a node is broken and mended, in whatever state the node is.
func TestBreakInside(t *testing.T) {
	t.Parallel()
	binary, err := proof.Build(t.Context(), t.TempDir(), false, "proof")
	if err != nil {
		t.Fatal(err)
	}
	topology, err := proof.Single(binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := os.MkdirTemp("", "proof")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(sockets)
	topology.BreakInside(sockets, true)
	n := topology.Nodes[0]
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer n.Kill()
	kinds := []proof.Kind{
		proof.FailDisk(), proof.FillDisk(), proof.SlowDisk(), proof.StallDisk(), proof.SetClock(time.Minute), proof.LosePower(), proof.ExhaustDescriptors(),
	}
	for i, kind := range kinds {
		for _, ended := range []bool{false, true} {
			if ended {
				n.Kill()
			}
			f := kind.New(topology, rand.New(rand.NewPCG(uint64(i), 0)))
			if err := f.Inject(t.Context()); err != nil {
				t.Errorf("%s: Inject: %v", f.Name(), err)
			}
			if err := f.Heal(t.Context()); err != nil {
				t.Errorf("%s: Heal: %v", f.Name(), err)
			}
			if err := n.Start(t.Context()); err != nil {
				t.Fatalf("after %s: %v", f.Name(), err)
			}
		}
	}
	if err := n.Order(t.Context(), "nonsense"); err == nil {
		t.Error("nonsense was obeyed")
	}
	if bug := n.Bug(); bug != "" {
		t.Error(bug)
	}
}
