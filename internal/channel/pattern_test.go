package channel_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

func subscribePattern(t testing.TB, h *channel.Hub, s *sink, pattern string, spare uint32) (*channel.Channel, uint32) {
	t.Helper()
	c, ref, err := h.SubscribePattern(s.id, pattern, spare)
	if err != nil {
		t.Fatal(err)
	}
	return c, ref
}

func payloads(messages []message.Message) string {
	var all []string
	for _, m := range messages {
		all = append(all, string(m.Payload))
	}
	return strings.Join(all, " ")
}

func TestAPatternGetsWhatMatches(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 2, nil)
	publish(t, h, push("a1", "before", 0), push("a1", "stored before", time.Minute))
	pa, ref := subscribePattern(t, h, sinks[0], "a*", 7)
	if again, second := subscribePattern(t, h, sinks[0], "a*", 8); again != pa || second != ref || ref != 7 {
		t.Errorf("the second subscriber of the pattern: another channel: %v; ref %d, want 7", again != pa, second)
	}
	pb, _ := subscribePattern(t, h, sinks[1], "?1", 9)
	key, _, _ := subscribe(t, h, sinks[1], "b1", 10)
	if !pa.Pattern() || pa.Key() != "a*" || key.Pattern() || h.Patterns() != 2 {
		t.Errorf("Pattern() = %v, Key() = %q, of a key %v; %d patterns, want 2", pa.Pattern(), pa.Key(), key.Pattern(), h.Patterns())
	}

	for _, row := range []struct {
		push message.Push
		want int
	}{
		{push("a1", "live", 0), 3},
		{push("a1", "stored", time.Minute), 3},
		{push("b1", "live-b", 0), 2},
		{push("b1", "stored-b", time.Minute), 2},
		{push("a2", "live-a2", 0), 2},
		{push("c", "none", time.Minute), 0},
	} {
		if r := publish(t, h, row.push)[0]; r.Err != nil || r.Subscribers != row.want {
			t.Errorf("push of %q: %+v, want %d subscribers", row.push.Payload, r, row.want)
		}
	}
	h.UnsubscribePattern(sinks[0].id, pa)
	if r := publish(t, h, push("a2", "one-left", 0))[0]; r.Subscribers != 1 {
		t.Errorf("with one subscriber of the pattern left: %+v", r)
	}
	h.UnsubscribePattern(sinks[0].id, pa)
	publish(t, h, push("a2", "after", 0))

	if got, want := payloads(sinks[0].of(pa)), "live stored live-a2 one-left"; got != want {
		t.Errorf("a* got %q, want %q", got, want)
	}
	if got, want := payloads(sinks[1].of(pb)), "live stored live-b stored-b"; got != want {
		t.Errorf("?1 got %q, want %q", got, want)
	}
	if got, want := payloads(sinks[1].of(key)), "live-b stored-b"; got != want {
		t.Errorf("the key got %q, want %q", got, want)
	}
	if h.Patterns() != 1 || h.Subscribers("a*") != 0 || h.Stats.Subscribed.Load() != 1 {
		t.Errorf("%d patterns, want 1; %d subscribers of keys, want 1", h.Patterns(), h.Stats.Subscribed.Load())
	}
}

func TestPatternsAreLimited(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 1, func(c *channel.Config) { c.MaxPatterns, c.MaxKeyBytes = 2, 3 })
	first, _ := subscribePattern(t, h, sinks[0], "a", 1)
	subscribePattern(t, h, sinks[0], "b", 2)
	if _, _, err := h.SubscribePattern(sinks[0].id, "c", 3); !errors.Is(err, channel.ErrPatterns) {
		t.Errorf("a third pattern: %v, want %v", err, channel.ErrPatterns)
	}
	subscribePattern(t, h, sinks[0], "b", 3)
	if _, _, err := h.SubscribePattern(sinks[0].id, "long", 3); !errors.Is(err, message.ErrKey) {
		t.Errorf("a pattern of four bytes: %v, want %v", err, message.ErrKey)
	}
	h.UnsubscribePattern(sinks[0].id, first)
	subscribePattern(t, h, sinks[0], "c", 3)
}

// While others come and go, a pattern's subscriber sees every message released after it came, each key's in order.
func TestAPatternMissesNothingWhileOthersComeAndGo(t *testing.T) {
	t.Parallel()
	const publishers, each = 4, 200
	h, sinks := open(t, memory.New(memory.Config{}), 2, nil)
	c, _ := subscribePattern(t, h, sinks[0], "k?", 1)
	var wg, others sync.WaitGroup
	ended := make(chan bool)
	for i := range 2 {
		others.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				p, _, err := h.SubscribePattern(sinks[1].id, []string{"k*", "k?"}[i], 5)
				if err != nil {
					t.Error(err)
					return
				}
				h.UnsubscribePattern(sinks[1].id, p)
				k, _, _, _ := h.Subscribe(sinks[1].id, "k1", 6)
				h.Unsubscribe(sinks[1].id, k)
			}
		})
	}
	for range publishers {
		wg.Go(func() {
			for i := range each {
				publish(t, h, push(fmt.Sprint("k", i%3), "x", time.Duration(i%2)*time.Minute))
			}
		})
	}
	wg.Wait()
	close(ended)
	others.Wait()
	got := sinks[0].of(c)
	if len(got) != publishers*each {
		t.Errorf("%d messages posted, want %d", len(got), publishers*each)
	}
	last := make(map[string]int64)
	for _, m := range got {
		if m.Mid <= last[m.Key] {
			t.Fatalf("mid %d of key %s after %d", m.Mid, m.Key, last[m.Key])
		}
		last[m.Key] = m.Mid
	}
}

func TestSubscribedKeysAreListed(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 1, nil)
	for i := range 20 {
		subscribe(t, h, sinks[0], fmt.Sprint("k", i), uint32(i+1))
	}
	if _, _, _, _, err := h.Follow(sinks[0].id, "k-followed", 30); err != nil {
		t.Fatal(err)
	}
	got := h.Subscribed("k1?", 0)
	slices.Sort(got)
	if want := []string{"k10", "k11", "k12", "k13", "k14", "k15", "k16", "k17", "k18", "k19"}; !slices.Equal(got, want) {
		t.Errorf("Subscribed(k1?) = %q, want %q", got, want)
	}
	if n := len(h.Subscribed("*", 7)); n != 7 {
		t.Errorf("Subscribed(*, 7) has %d keys", n)
	}
	if n := len(h.Subscribed("*", 0)); n != 20 {
		t.Errorf("Subscribed(*) has %d keys, want 20", n)
	}
}

// One live-only message is pushed to a key that so many patterns do not match, or do.
func BenchmarkPublishPatterns(b *testing.B) {
	for _, row := range []struct {
		patterns int
		text     string
	}{{0, ""}, {128, "news.%d.*"}, {128, "*%d"}, {1, "*%.d"}} {
		b.Run(fmt.Sprintf("%d/%s", row.patterns, row.text), func(b *testing.B) {
			h, pushes := live(b, 0)
			id := h.Attach(new(deaf))
			for i := range row.patterns {
				if _, _, err := h.SubscribePattern(id, fmt.Sprintf(row.text, i), 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				h.Publish(b.Context(), pushes)
			}
		})
	}
}
