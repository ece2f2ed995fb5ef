package bench_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"gopush/internal/bench"
)

// programs are the peers by their names, with the program of each.
var programs = map[string]string{
	"redis": "redis-server", "redis streams": "redis-server", "nats": "nats-server", "mosquitto": "mosquitto", "nchan": "nginx",
}

// withPeers runs test for each peer that is installed.
func withPeers(t *testing.T, test func(t *testing.T, name string)) {
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := exec.LookPath(program)
			_, err2 := exec.LookPath(filepath.Join("/usr/sbin", program))
			if err != nil && err2 != nil {
				t.Skipf("%s is not installed: make peers-deps", program)
			}
			test(t, name)
		})
	}
}

func TestBroadcastOfPeers(t *testing.T) {
	t.Parallel()
	withPeers(t, func(t *testing.T, name string) {
		report, err := bench.Load(t.Context(), bench.LoadConfig{
			Config: bench.Config{Subjects: []string{name}, Runs: 1},
			Shared: true, Connections: 20, Publishers: 1, Batch: 1, Messages: 50, Size: 200, Window: 8,
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := (bench.Tally{Received: 20 * 54}); report.Tally != want {
			t.Errorf("counted %+v, want %+v", report.Tally, want)
		}
	})
}

func TestPipelinedUnicastOfPeers(t *testing.T) {
	t.Parallel()
	withPeers(t, func(t *testing.T, name string) {
		const messages = 200
		report, err := bench.Load(t.Context(), bench.LoadConfig{
			Config:      bench.Config{Subjects: []string{name}, Runs: 1},
			Connections: 10, Publishers: 2, Pipelined: true, Batch: 4, Messages: messages, Size: 60, Window: 32,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := report.Runs[0].Deliveries; got != messages {
			t.Errorf("%d deliveries were measured, want %d", got, messages)
		}
	})
}
