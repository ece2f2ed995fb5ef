package comet_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/comet"
	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// floodPush is what publishers flood with, and floodAnswer what each is answered.
const (
	floodPush   = "POST /v1/push/k?expire=0 HTTP/1.1\r\nHost: localhost:6970\r\nContent-Length: 5\r\n\r\nhello"
	floodAnswer = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2\r\nContent-Type: application/json\r\n" +
		"X-Content-Type-Options: nosniff\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\n\r\n{}"
)

func takeFlood(string, *http1.Request) ([]message.Push, func([]byte, []message.Receipt, bool) []byte) {
	pushes := []message.Push{{Key: "k", Payload: []byte("hello")}}
	return pushes, func(dst []byte, _ []message.Receipt, _ bool) []byte { return append(dst, floodAnswer...) }
}

// flood pushes n times without waiting, and returns when all is answered.
func flood(addr string, n int) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	go func() {
		some := []byte(strings.Repeat(floodPush, 1000))
		for left := n * len(floodPush); left > 0; left -= len(some) {
			c.Write(some[:min(left, len(some))])
		}
	}()
	_, err = io.CopyN(io.Discard, c, int64(n*len(floodAnswer)))
	return err
}

// Publishers push without waiting for answers, all they can. How fast is that, and how long does a device of the
// same loop wait for the answer to a heartbeat meanwhile?
func BenchmarkFlood(b *testing.B) {
	for _, publishers := range []int{1, 8} {
		b.Run(fmt.Sprint(publishers, " publishers"), func(b *testing.B) {
			g := start(b, comet.EngineAuto, func(c *comet.Config) { c.Loops = 1 })
			ln, err := g.Listen(b.Context(), comet.Admin, "127.0.0.1:0", nil)
			if err != nil {
				b.Fatal(err)
			}
			ln.ServePushes(takeFlood)
			d, err := subscribe(g.addr, "away", -1)
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			b.ResetTimer()
			ended := make(chan error, publishers)
			for range publishers {
				go func() { ended <- flood(ln.Addr().String(), (b.N+publishers-1)/publishers) }()
			}
			var beats []time.Duration
			for left := publishers; left > 0; {
				beats = append(beats, heartbeat(b, d))
				select {
				case err := <-ended:
					if left--; err != nil {
						b.Fatal(err)
					}
				case <-time.After(time.Millisecond):
				}
			}
			slices.Sort(beats)
			b.ReportMetric(float64(beats[len(beats)/2].Microseconds()), "µs/heartbeat")
		})
	}
}

// heartbeat returns how long d waits for the answer to one.
func heartbeat(b *testing.B, d *device) time.Duration {
	began := time.Now()
	io.WriteString(d, "h")
	if _, err := d.r.ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
