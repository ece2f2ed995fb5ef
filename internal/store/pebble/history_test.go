package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

// history is what was done to a store, by key.
type history struct {
	maxStored int
	mid       atomic.Int64

	mu   sync.Mutex // guards what the keys' writers note
	keys [4]keyHistory
}

type keyHistory struct {
	name    string
	last    int64           // that the writer knows
	acked   []int64         // mids, in order
	refused map[int64]error // mids that must not be there
}

func newHistory(maxStored int) *history {
	h := &history{maxStored: maxStored}
	for i := range h.keys {
		h.keys[i] = keyHistory{name: fmt.Sprint("key", i), refused: map[int64]error{}}
	}
	h.mid.Store(message.MidAt(time.Now()))
	return h
}

// payload is large enough that a few make a file.
var payload = []byte(strings.Repeat("payload ", 256))

// work has a writer for each key append rounds messages, as a channel does.
func (h *history) work(t *testing.T, s channel.Store, rounds int) {
	var wg sync.WaitGroup
	for i := range h.keys {
		wg.Go(func() {
			for range rounds {
				if err := h.append(&h.keys[i], s); err != nil {
					t.Errorf("Append to %s: %v", h.keys[i].name, err)
				}
			}
		})
	}
	wg.Wait()
}

// append appends one message, and notes how that went. Its error is one that must not be.
func (h *history) append(k *keyHistory, s channel.Store) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	mid := h.mid.Add(message.MidStep)
	e := channel.Entry{Message: message.Message{Key: k.name, Mid: mid, Prev: k.last, Expires: message.Never, Payload: payload}}
	err := s.Append(ctx, []channel.Entry{e})[0]
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		k.last = mid
		k.acked = append(k.acked, mid)
	case errors.Is(err, channel.ErrUnavailable):
		k.refused[mid] = err
	case errors.Is(err, channel.ErrUnknown):
	case errors.Is(err, channel.ErrOrder):
		k.refused[mid] = err
		if info, err := s.Info(ctx, k.name); err == nil {
			k.last = info.Last
		}
	default:
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("it hangs: %w", err)
	}
	return nil
}

// fail appends one message and returns its error.
func (h *history) fail(t *testing.T, s channel.Store) error {
	t.Helper()
	e := channel.Entry{Message: message.Message{Key: "refused", Mid: h.mid.Add(message.MidStep), Expires: message.Never}}
	return s.Append(context.Background(), []channel.Entry{e})[0]
}

// recover waits until the store takes messages again.
func (h *history) recover(t *testing.T, s *pebble.Store) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		acked := len(h.keys[0].acked)
		if err := h.append(&h.keys[0], s); err != nil {
			t.Fatalf("Append while recovering: %v", err)
		}
		if len(h.keys[0].acked) > acked {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the store did not recover: Healthy = %v", s.Healthy())
		}
	}
	if err := s.Healthy(); err != nil {
		t.Errorf("Healthy after an append succeeded = %v", err)
	}
}

// check compares what can be read with the history.
func (h *history) check(t *testing.T, when string, s channel.Store) {
	t.Helper()
	for i := range h.keys {
		k := &h.keys[i]
		got, err := s.Range(context.Background(), k.name, 0, math.MaxInt64, false, 0, 0)
		if err != nil {
			t.Fatalf("%s: Range(%s): %v", when, k.name, err)
		}
		k.check(t, when, got, h.maxStored)
	}
}

func (k *keyHistory) check(t *testing.T, when string, got []message.Message, maxStored int) {
	t.Helper()
	there := map[int64]bool{}
	for i, m := range got {
		there[m.Mid] = true
		if err := k.refused[m.Mid]; err != nil {
			t.Errorf("%s: %s has %d, whose Append said %v", when, k.name, m.Mid, err)
		}
		if i > 0 && m.Prev != got[i-1].Mid {
			t.Errorf("%s: %s has %d after %d, but its Prev is %d", when, k.name, m.Mid, got[i-1].Mid, m.Prev)
		}
		if len(m.Payload) != len(payload) {
			t.Errorf("%s: %s has %d with %d bytes, want %d", when, k.name, m.Mid, len(m.Payload), len(payload))
		}
	}
	if len(got) > maxStored {
		t.Errorf("%s: %s has %d messages, the cap is %d", when, k.name, len(got), maxStored)
	}
	for i, mid := range k.acked {
		if !there[mid] && (len(got) < maxStored || mid > got[0].Mid) {
			t.Errorf("%s: %s lost %d, acknowledgement %d of %d", when, k.name, mid, i, len(k.acked))
		}
	}
}
