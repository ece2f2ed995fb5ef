package test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// memory returns how many bytes the process has from the system. What the race detector keeps
// for itself it never gives back, so beside it that is what Go's runtime says.
func (n *node) memory() int {
	n.t.Helper()
	if raceEnabled {
		m := n.stat("memory")
		return int(m["sys"].(float64) - m["heap_released"].(float64))
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		n.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		n.t.Fatal(err)
	}
	return kib << 10
}

// What a burst of connections took goes back to the system soon after they have gone.
func TestMemoryAfterABurst(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		before := n.memory()
		const half = 1500
		var conns []net.Conn
		for i := range half {
			web := dial(t, n.public[0]) // net/http has a goroutine and buffers for each
			if i%100 == 0 {
				web.plainRequest()
			} else {
				web.send(timeRequest)
			}
			p := dial(t, n.public[0])
			p.send(command("sub", fmt.Sprint("device", i), "60"))
			conns = append(conns, web, p)
		}
		eventually(t, "all are connected", func() bool {
			return n.count("gopush_keys_subscribed") == half && n.count("gopush_connections_http_total") >= half
		})
		peak := n.memory()
		if peak-before < 4<<20 {
			t.Errorf("%d connections take %d KiB: too little to see it go", 2*half, (peak-before)>>10)
		}
		closeAll(conns)
		eventually(t, "all have gone", func() bool { return n.count("gopush_connections") < 10 })
		eventually(t, fmt.Sprintf("most of what lies between %d and %d KiB goes back", before>>10, peak>>10), func() bool {
			return n.memory() < before+(peak-before)/2
		})
		t.Logf("memory was %d KiB, then %d, then %d", before>>10, peak>>10, n.memory()>>10)
	})
}
