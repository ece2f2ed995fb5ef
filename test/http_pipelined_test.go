package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gopush/internal/message"
)

// Requests that are sent without waiting for answers are answered in their order, plain pushes and
// others, and their messages come in that order.
func TestPipelinedRequests(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		const pushes = 300
		device, backend := n.subscribe("k", "", "1"), dial(t, n.admin[0])
		var all strings.Builder
		for i := range pushes {
			fmt.Fprintf(&all, "POST /v1/push/k?expire=%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n%d", i%2*60, 100+i)
		}
		all.WriteString("DELETE /v1/keys/k/messages HTTP/1.1\r\nHost: localhost\r\n\r\n")
		all.WriteString("POST /v1/push/k?expire=0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n999")
		backend.send(all.String())

		answers, last := bufio.NewReader(backend), int64(0)
		for i := range pushes + 2 {
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("answer %d: %v", i, err)
			}
			var got struct {
				ID      string
				Deleted int
			}
			if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != 200 {
				t.Fatalf("answer %d is %s: %v", i, resp.Status, err)
			}
			if i == pushes {
				if got.Deleted != pushes/2 {
					t.Errorf("%d stored messages were deleted behind %d pushes, want half", got.Deleted, pushes)
				}
				continue
			}
			mid, err := message.ParseID(got.ID)
			if err != nil || mid <= last {
				t.Fatalf("answer %d has the id %s, %v; the one before is mid %d", i, got.ID, err, last)
			}
			last = mid
		}
		for i := range pushes {
			if got := device.message(); !strings.HasPrefix(got, fmt.Sprintf(`{"msg":%d,`, 100+i)) {
				t.Fatalf("message %d is %s", i, got)
			}
		}
		if got := n.count("gopush_http_loop_requests_total"); got != pushes {
			t.Errorf("loops served %v requests, want %d", got, pushes)
		}
		if got := n.count("gopush_connections_http_total"); got < 1 {
			t.Errorf("%v connections were handed to net/http, want the backend's", got)
		}
	})
}
