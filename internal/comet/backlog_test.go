package comet_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/comet"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// gated is a store whose calls the test lets through.
type gated struct {
	*memory.Store
	beforeRange chan struct{} // nil: go on; else each read takes one first
	afterAppend chan struct{} // nil: go on; else each append is durable, and waits until it is closed then
	appended    chan struct{} // told that an append is durable, while it has room
	ranged      chan struct{} // told of each read, while it has room
}

func (s *gated) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	if s.beforeRange != nil {
		<-s.beforeRange
	}
	found, err := s.Store.Range(ctx, key, from, to, reverse, limit, maxBytes)
	select {
	case s.ranged <- struct{}{}:
	default:
	}
	return found, err
}

func (s *gated) Append(ctx context.Context, entries []channel.Entry) []error {
	results := s.Store.Append(ctx, entries)
	if s.afterAppend != nil {
		select {
		case s.appended <- struct{}{}:
		default:
		}
		<-s.afterAppend
	}
	return results
}

func texts(t *testing.T, d *device, n int) (got []string) {
	t.Helper()
	for range n {
		_, _, text, _, err := d.next()
		if err != nil {
			t.Fatalf("after %.60q: %v", got, err)
		}
		got = append(got, text)
	}
	return got
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %.80q, want %q", what, got, want)
	}
}

// A live-only message between two stored ones reaches a device that resumes when these are
// durable already and not yet released.
func TestALiveMessageAmongStoredOnesReachesADeviceThatResumes(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		s := &gated{Store: memory.New(memory.Config{}), appended: make(chan struct{}, 1), ranged: make(chan struct{}, 1)}
		g := startOver(t, engine, s, nil)
		g.push(t, "k", `"first"`, time.Hour) // without it nothing would be read
		s.afterAppend = make(chan struct{})
		pushed := make(chan []message.Receipt, 1)
		go func() {
			pushed <- g.hub.Publish(context.Background(), []message.Push{
				{Key: "k", Payload: []byte(`"stored"`), Expire: time.Hour},
				{Key: "k", Payload: []byte(`"live"`)},
				{Key: "k", Payload: []byte(`"stored too"`), Expire: time.Hour},
			})
		}()
		<-s.appended
		d, err := subscribe(g.addr, "k", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		<-s.ranged
		close(s.afterAppend) // of all three, unless the first was taken before the others came
		<-pushed
		expect(t, "the device", texts(t, d, 4), "first", "stored", "live", "stored too")
	})
}

// Messages that had to be dropped while a page was read, and are gone from the store by the time
// that it is read again, keep nobody from getting what comes next.
func TestADeviceGoesOnAfterWhatItMissedWasDeleted(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		s := &gated{Store: memory.New(memory.Config{}), beforeRange: make(chan struct{})}
		g := startOver(t, engine, s, func(c *comet.Config) { c.Loops = 1 })
		d, err := subscribe(g.addr, "k", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for i := range 300 { // more than are held back
			g.push(t, "k", fmt.Sprintf(`"%d"`, i), time.Hour)
		}
		if _, err := g.hub.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		close(s.beforeRange)
		g.push(t, "k", `"live"`, 0)
		for {
			_, _, text, _, err := d.next()
			if err != nil {
				t.Fatalf("the live message did not come: %v", err)
			}
			if text == "live" {
				return
			}
		}
	})
}

// bigBacklog has a device resume a message that its socket cannot take at once, and then as many
// small ones, with a bound that is far smaller.
func bigBacklog(t *testing.T, engine comet.Engine, small int) (*gateway, *device, string) {
	t.Helper()
	g := startOver(t, engine, memory.New(memory.Config{}), func(c *comet.Config) {
		c.Limits.MaxPendingBytes = 4 << 10
		c.Loops = 1
	})
	g.hub.SetLimits(255, 64<<20, 0)
	big := strings.Repeat("x", 12<<20)
	g.push(t, "k", `"`+big+`"`, time.Hour)
	for range small {
		g.push(t, "k", `"small"`, time.Hour)
	}
	d, err := subscribe(g.addr, "k", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if _, err := d.r.Peek(1); err != nil { // the page is on its way
		t.Fatal(err)
	}
	return g, d, big
}

func TestABacklogIsNotSlow(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g, d, big := bigBacklog(t, engine, 0)
		for i := range 5 {
			g.push(t, "k", fmt.Sprintf(`"live %d"`, i), 0)
		}
		expect(t, "the device", texts(t, d, 6), big, "live 0", "live 1", "live 2", "live 3", "live 4")
	})
}

// A device that resumes, reads nothing and sends heartbeats all the same costs what any slow one does.
func TestADeviceThatResumesAndNeverReadsIsSlow(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g, d, _ := bigBacklog(t, engine, 1)
		beats := []byte(strings.Repeat("h", 1000))
		d.SetWriteDeadline(time.Now().Add(patience))
		for sent := 0; sent < 64<<20 && g.Stats.Closed[comet.Slow].Load() == 0; sent += len(beats) {
			if _, err := d.Write(beats); err != nil {
				break
			}
		}
		if n := g.Stats.Closed[comet.Slow].Load(); n != 1 {
			t.Errorf("%d connections were closed as slow, want 1", n)
		}
	})
}
