package channel_test

import (
	"fmt"
	"strings"
	"testing"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// deaf is a sink that forgets what is posted.
type deaf struct{ sink }

func (*deaf) Post(*channel.Channel, uint32, *message.Message) {}

// One live-only message is pushed to a key with so many subscribers.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{0, 1, 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h, pushes := live(b, n)
			b.ReportAllocs()
			for b.Loop() {
				h.Publish(b.Context(), pushes)
			}
		})
	}
}

// live returns a running hub and what to push to a key of it with n subscribers, to which was pushed before.
func live(tb testing.TB, n int) (*channel.Hub, []message.Push) {
	tb.Helper()
	h, _ := open(tb, memory.New(memory.Config{}), 0, nil)
	id := h.Attach(new(deaf))
	for range n {
		if _, _, _, err := h.Subscribe(id, "k", 1); err != nil {
			tb.Fatal(err)
		}
	}
	pushes := []message.Push{push("k", strings.Repeat("x", 128), 0)}
	if r := h.Publish(tb.Context(), pushes)[0]; r.Err != nil || r.Subscribers != n {
		tb.Fatalf("the first push was answered with %+v, want %d subscribers", r, n)
	}
	return h, pushes
}

// A live push costs what is under way of it, and its message if anybody is to get it.
func TestALivePushAllocatesLittle(t *testing.T) {
	for n, most := range map[int]float64{0: 1, 1: 2, 10: 2} {
		h, pushes := live(t, n)
		if got := testing.AllocsPerRun(1000, func() { h.Publish(t.Context(), pushes) }); got > most {
			t.Errorf("a push to %d subscribers: %v allocations, want at most %v", n, got, most)
		}
	}
}
