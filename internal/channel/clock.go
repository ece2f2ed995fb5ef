package channel

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/message"
)

// How far above a floor that is ahead of the clock mids begin; in which part of the time they go on; and how far.
const (
	creepFirst = int64(5 * time.Millisecond / message.MidTick)
	creepShare = 64
	creepMost  = int64(35 * time.Millisecond / message.MidTick)
)

// How far ahead of the clock the mid limit is written, and how close to it the clock may
// come before it is renewed (docs/design.md, "Mids survive crashes and clocks").
const (
	limitAhead   = 10 * time.Second
	limitRenew   = 5 * time.Second
	limitReserve = time.Second // for keys that are ahead of the clock
	limitRetry   = time.Second // between renewals that fail

	// Where other nodes begin above this one's limit, now and then.
	sharedAhead   = 2 * time.Second
	sharedRenew   = time.Second
	sharedReserve = 250 * time.Millisecond
)

// clock mints mids. It mints none above a limit that the store has first been told, so that
// after a crash, with whatever clock, no mid that a client holds is passed again.
type clock struct {
	now   func() time.Time
	node  string
	store Limits // nil: nothing outlives the process
	epoch *epoch // nil: the store is this node's alone

	ahead, renewAt, reserve int64         // limitAhead, limitRenew, limitReserve in ticks of a mid; set at start, never changed
	timeout                 time.Duration // of a renewal in the background: pushes may wait for it; set at start, never changed

	floor atomic.Int64  // no mid is minted at or below
	begun atomic.Int64  // mid: when floor came to be
	mu    sync.Mutex    // one renewal at a time; held over it
	limit atomic.Int64  // no mid is minted above
	stuck atomic.Bool   // the last renewal failed
	renew chan struct{} // room for one: the limit should move
	log   *slog.Logger
}

// newClock reads the limits that were written and writes the first of its own.
func newClock(ctx context.Context, cfg Config) (*clock, error) {
	k := &clock{
		now: cfg.Now, node: cfg.Node, renew: make(chan struct{}, 1), log: cfg.Log, timeout: cfg.StoreTimeout,
		ahead: midsOf(limitAhead), renewAt: midsOf(limitRenew), reserve: midsOf(limitReserve),
	}
	if cfg.Owns != nil {
		k.ahead, k.renewAt, k.reserve = midsOf(sharedAhead), midsOf(sharedRenew), midsOf(sharedReserve)
	}
	limits, ok := cfg.Store.(Limits)
	if !ok {
		k.limit.Store(math.MaxInt64)
		return k, nil
	}
	k.store = limits
	limit, err := limits.MidLimit(ctx)
	if err != nil {
		return k, err
	}
	k.rise(limit)
	if cfg.Owns == nil {
		return k, k.advance(ctx, 0)
	}
	if epochs, ok := cfg.Store.(Epochs); ok {
		k.epoch = newEpoch(epochs, cfg.StoreTimeout)
	}
	// No further than the clock: others begin above it. There are some mids below for who is pushed to first when the store is away; a node
	// that cannot write now begins without.
	_ = k.move(ctx, max(limit, message.MidAt(k.now())), 0, 0)
	return k, nil
}

// most returns a mid that no clock which is not far from this one has passed.
func (k *clock) most() int64 { return max(message.MidAt(k.now()), k.floor.Load()) + 2*k.ahead }

// reach returns once mids up to mid may be given, or why they may not. The owner of a key needs
// it after another node, whose limit was higher.
func (k *clock) reach(ctx context.Context, mid int64) error {
	if k.reaches(k.now(), mid) {
		return nil
	}
	return k.advance(ctx, mid)
}

// reaches tells whether mids up to mid may be given, and do not fall behind now.
func (k *clock) reaches(now time.Time, mid int64) bool { return mid <= k.limit.Load() && !k.late(now) }

// late tells that mids would fall behind now, and that moving the limit may help: nothing
// was pushed for a while. Whoever may block calls reach first.
func (k *clock) late(now time.Time) bool {
	return !k.stuck.Load() && message.MidAt(now) > k.limit.Load()-k.reserve
}

// advance makes a new limit durable, some time above the clock and above mid, then allows
// mids up to it.
func (k *clock) advance(ctx context.Context, mid int64) error {
	return k.move(ctx, max(message.MidAt(k.now()), k.floor.Load(), mid), k.renewAt, k.ahead)
}

// move makes a limit durable that is ahead of least, unless the one that there is is far enough ahead of it.
func (k *clock) move(ctx context.Context, least, enough, ahead int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if least <= k.limit.Load()-enough {
		return nil // somebody else did it meanwhile
	}
	err := k.set(ctx, least+ahead)
	k.stuck.Store(err != nil)
	return err
}

// set makes limit durable, and allows mids up to it. mu is held.
func (k *clock) set(ctx context.Context, limit int64) error {
	if k.epoch != nil {
		return k.setIn(ctx, Epoch{Number: k.epoch.owner.Load().Epoch}, limit)
	}
	if err := k.store.SetMidLimit(ctx, k.node, limit); err != nil {
		return err
	}
	k.limit.Store(limit)
	return nil
}

// midsOf returns how many ticks of a mid make d.
func midsOf(d time.Duration) int64 { return int64(d / message.MidTick) }

// time is now as mids tell it: below the limit by a reserve that the keys that are ahead
// of it can use. When the limit cannot be moved because the store fails, mids fall behind the
// clock instead of passing the limit: they are an order before they are a time.
func (k *clock) time(now time.Time) int64 {
	return max(k.crept(now), min(message.MidAt(now), k.limited()-k.reserve))
}

// rise has no mid be minted at or below floor.
func (k *clock) rise(floor int64) {
	k.begun.Store(message.MidAt(k.now()))
	k.floor.Store(max(k.floor.Load(), floor))
}

// crept returns from where mids are minted while the floor is ahead of the clock: some way above it, and slowly on. So there are mids between messages that
// come after each other, for live-only ones while it is in doubt whether the last one is stored.
func (k *clock) crept(now time.Time) int64 {
	floor := k.floor.Load()
	if floor == 0 {
		return 0
	}
	return floor + min(max(message.MidAt(now)-k.begun.Load(), 0)/creepShare+creepFirst, creepMost)
}

// limited returns the limit; where none was written yet the highest mid: before there is one, above the clock, there is no mid.
func (k *clock) limited() int64 {
	return cmp.Or(k.limit.Load(), math.MaxInt64)
}

// furthest is now as mids tell it, and all that they may be ahead of that: where they begin above a floor that is ahead of the clock that may be
// anything up to the limit.
func (k *clock) furthest() int64 {
	now := message.MidAt(k.now())
	if now < k.floor.Load()+creepMost {
		return k.limited()
	}
	return min(now, k.limited())
}

// next mints the mid after last at now, or returns false: there is none left below the limit.
func (k *clock) next(now time.Time, last int64) (mid int64, ok bool) {
	mid = align(max(k.time(now), last+message.MidStep)) // time is above the floor
	limit := k.limit.Load()
	if message.MidAt(now) > limit-k.renewAt {
		select {
		case k.renew <- struct{}{}:
		default:
		}
	}
	return mid, mid <= limit
}

// align returns the last mid that is not above mid.
func align(mid int64) int64 { return mid &^ (message.MidStep - 1) }

// run renews the limit whenever a mint came close to it, and what this node owns now and then.
func (k *clock) run(ctx context.Context) {
	daily := time.NewTicker(ownAgain)
	defer daily.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-daily.C:
			if k.epoch != nil && !k.stuck.Load() {
				k.epoch.disown()
			}
			continue
		case <-k.renew:
		}
		if err := k.advanceInTime(ctx); err != nil && ctx.Err() == nil {
			k.log.Warn("mid limit not renewed: message ids fall behind the clock until the store works", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(limitRetry):
			}
		}
	}
}

// advanceInTime is advance to no mid in particular, given up in time for the pushes that wait for it.
func (k *clock) advanceInTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	return k.advance(ctx, 0)
}
