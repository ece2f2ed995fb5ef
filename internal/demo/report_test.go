package demo_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/demo"
)

func TestReportAsATable(t *testing.T) {
	t.Parallel()
	r := demo.Report{
		Text: "/some/text", Lines: 3000, Rooms: 10, Devices: 1000,
		Counts: demo.Counts{Delivered: 2999998, Lost: 2, Doubled: 1, OutOfOrder: 12, Altered: 3},
		Gaps:   1, Reconnects: 1234, Down: 123456 * time.Microsecond, Took: 31234 * time.Millisecond,
		Live:     demo.Latency{Count: 2500000, P50: 1200 * time.Microsecond, P90: 2 * time.Millisecond, P99: 30 * time.Millisecond, P999: 400 * time.Millisecond, Max: 5 * time.Second},
		CaughtUp: demo.Latency{Count: 499998},
	}
	const want = `
  pushed           30,000  3,000 lines of /some/text to each of 10 rooms
  delivered     2,999,998  of 3,000,000, to 1,000 devices
  lost                  2  never came
  doubled               1  came again
  out of order         12  came after a later line
  altered               3  are no line that was pushed
  gaps                  1  told to devices by the node
  reconnects        1,234  of devices that were away, and after kill -9: the node was down for 123ms
  seconds            31.2

  latency          p50     p90      p99     p99.9        max   messages
  live          1.2 ms  2.0 ms  30.0 ms  400.0 ms  5000.0 ms  2,500,000  from the push
  caught up     0.0 ms  0.0 ms   0.0 ms    0.0 ms     0.0 ms    499,998  from the reconnect
`
	var got strings.Builder
	if err := r.Print(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("Print (-want +got):\n%s", diff)
	}
}
