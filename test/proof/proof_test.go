package proof_test

import (
	"testing"
	"time"

	"gopush/test/proof"
)

func TestOneNode(t *testing.T) {
	t.Parallel()
	binary, err := proof.Build(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	topology, err := proof.Single(binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	report, err := proof.Run(t.Context(), proof.Config{
		Seed: 1, Topology: topology, Duration: 15 * time.Second, Log: t.Output(),
		Faults: []proof.Kind{proof.KillNode(), proof.HaltNode(), proof.RestartNode()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", report)
}

func TestCluster(t *testing.T) {
	t.Parallel()
	binary, err := proof.Build(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	topology, err := proof.Cluster(binary, t.TempDir(), "etcd")
	if err != nil {
		t.Fatal(err)
	}
	report, err := proof.Run(t.Context(), proof.Config{
		Seed: 1, Topology: topology, Duration: 25 * time.Second, Log: t.Output(),
		Faults: []proof.Kind{proof.KillNode(), proof.HaltNode(), proof.RestartNode(), proof.KillStore(), proof.HaltStore(), proof.KillRegistry()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", report)
}
