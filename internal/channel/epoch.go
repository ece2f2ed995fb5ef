package channel

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"gopush/internal/message"
)

// Of the nodes that share a store one at a time owns a key. Before a node gives the key's messages their order it has the store say so, once in an epoch:
//
//	unowned ─ Own ─> owned ─ an epoch begins ─> unowned
//	           └ *Owned: another node is the owner. It is no more once an epoch has begun
//
// A node leaves an epoch in which it does not know what became of an append, before it believes of the key that what the store has not it never will have:
// the store refuses by then what it has not carried out.
//
// Within an epoch one process mints a key's mids. It mints above all of the epochs before, since no limit of theirs is moved any more. And it knows all that was
// stored in them, since the store takes nothing from an owner who is none any more. So no live-only message passes a stored one that its
// node has not seen: docs/design.md, "Cluster".

const (
	beginShare = 8                     // a node begins no more epochs within store_timeout: nodes that disagree take turns, and no mids run ahead of the clock
	ownAgain   = 24 * time.Hour        // an owner has the store say so again, so that it does not forget it
	epochAhead = 50 * time.Millisecond // how far above the floor of an epoch the first limit in it is: epochs are not to drive mids ahead of the clock
)

// errUnread is what a push fails with when messages of its key cannot be read that another node stored.
var errUnread = fmt.Errorf("%w: what another node stored for the key could not be read", ErrUnavailable)

// epoch is which one a node is in.
type epoch struct {
	store   Epochs
	owner   atomic.Pointer[Owner] // this process, in its epoch; 0: none yet, or none at the moment. Who appends has it in the entries
	doubted atomic.Int64          // the last one in which nobody knows what became of an append: no key is owned in it any more
	disown  func()                // has no key be this node's
	every   time.Duration         // this node begins no more than one in that time; set at start, never changed
	begun   time.Time             // when it last began one; guarded by the clock's mu
}

func newEpoch(store Epochs, timeout time.Duration) *epoch {
	e := &epoch{store: store, disown: func() {}, every: timeout / beginShare}
	e.owner.Store(&Owner{Name: rand.Text()})
	return e
}

// setIn makes a limit durable in the epoch in, or in the one that is by now, and allows mids up to it. mu is held.
func (k *clock) setIn(ctx context.Context, in Epoch, limit int64) error {
	for {
		is, err := k.epoch.store.SetLimitIn(ctx, in.Number, k.node, limit)
		if err != nil {
			return err
		}
		if is.Number <= in.Number {
			if !k.lost(in) {
				k.enter(in, limit)
				return nil
			}
			if is, err = k.epoch.store.BeginEpoch(ctx, in.Number); err != nil {
				return err
			}
		}
		in, limit = is, max(limit, k.firstLimit(is))
	}
}

// firstLimit is what the limit is in an epoch at first.
func (k *clock) firstLimit(in Epoch) int64 {
	return max(k.limit.Load(), in.Floor+midsOf(epochAhead), message.MidAt(k.now())+k.ahead)
}

// lost tells whether the store had lost the limit of this node when an epoch began: others may mint in it what is not above. mu is held.
func (k *clock) lost(in Epoch) bool {
	return in.Number != k.epoch.owner.Load().Epoch && in.Floor < k.limit.Load()
}

// enter has the node be in an epoch, and mint up to limit. With the floor above the limit, as yet, nothing is minted until no key is owned from before. mu
// is held.
func (k *clock) enter(in Epoch, limit int64) {
	if before := k.epoch.owner.Load(); in.Number != before.Epoch {
		k.epoch.owner.Store(&Owner{Name: before.Name}) // no store takes anything from one in epoch 0: it may be of a key that is still to be disowned
		k.rise(in.Floor)
		k.epoch.disown()
		defer k.epoch.owner.Store(&Owner{Name: before.Name, Epoch: in.Number})
	}
	k.limit.Store(limit)
}

// entering tells whether the node is between epochs: it mints nothing, not for want of a limit.
func (k *clock) entering() bool { return k.epoch != nil && k.epoch.owner.Load().Epoch == 0 }

// doubt has the node leave the epoch of owner before it owns another key: the store may still carry out what was appended in it. nil: there are no epochs.
func (k *clock) doubt(owner *Owner) {
	if owner == nil {
		return
	}
	for at := k.epoch.doubted.Load(); at < owner.Epoch && !k.epoch.doubted.CompareAndSwap(at, owner.Epoch); {
		at = k.epoch.doubted.Load()
	}
}

// leave has the node be in an epoch in which a key can be its own that another one owns in epoch owned: in the one that is, or in one that it
// begins. It may fail to be one by then.
func (k *clock) leave(ctx context.Context, owned int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	own := k.epoch.owner.Load().Epoch
	if own < owned {
		if err := k.set(ctx, k.limit.Load()); err != nil {
			return err
		}
		own = k.epoch.owner.Load().Epoch
		if own >= owned {
			return nil
		}
	}
	if own > owned {
		return nil
	}
	return k.begin(ctx, owned)
}

// begin begins an epoch after known. mu is held.
func (k *clock) begin(ctx context.Context, known int64) error {
	wait := time.NewTimer(k.epoch.every - time.Since(k.epoch.begun))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	in, err := k.epoch.store.BeginEpoch(ctx, known)
	if err != nil {
		return err
	}
	k.epoch.begun = time.Now()
	return k.setIn(ctx, in, k.firstLimit(in))
}

// own has this node own key, in an epoch in which nothing is in doubt. It returns in which, and what the store knows of the key.
func (h *Hub) own(ctx context.Context, key string) (*Owner, Info, error) {
	for e := h.clock.epoch; ; {
		owner := e.owner.Load()
		owned, info, err := (*Owned)(nil), Info{}, error(&Owned{Epoch: owner.Epoch})
		if owner.Epoch > e.doubted.Load() {
			if info, err = e.store.Own(ctx, key, *owner); errors.As(err, &owned) {
				h.Stats.Disowned.Add(1)
			}
		}
		switch {
		case err == nil:
			return owner, info, nil
		case errors.As(err, &owned):
			err = h.clock.leave(ctx, owned.Epoch)
		}
		if err != nil { // whose outcome is not the push's
			return nil, Info{}, fmt.Errorf("%w: whether this node owns the key could not be settled: %v", ErrUnavailable, err)
		}
	}
}

// disown has no channel's key be this node's, until the store has said so again.
func (h *Hub) disown() {
	for i := range h.buckets {
		b := &h.buckets[i]
		b.mu.Lock()
		for _, c := range b.channels {
			for ; c != nil; c = c.next {
				c.state |= unowned
			}
		}
		b.mu.Unlock()
	}
}

// ownFor has this node own the key of a channel for the pushes that wait in it, or returns why not. What others have stored, up to mid last, is to be
// read then: now, or later if it cannot be.
func (h *Hub) ownFor(ctx context.Context, at place) (owner *Owner, last int64, err error) {
	owner, info, err := h.own(ctx, at.channel.key)
	if err != nil {
		return nil, 0, err
	}
	at.bucket.mu.Lock()
	defer at.bucket.mu.Unlock()
	c := at.channel
	if c.state&doubtful != 0 {
		return owner, info.Last, nil
	}
	if info.Last > c.stored {
		c.state &^= loaded
	}
	switch {
	case h.readsOn(c):
		c.state |= behind
	case c.state&loaded == 0:
		c.know(info.Last)
	}
	return owner, info.Last, nil
}

// owned has c be a channel whose key this node owns as owner, unless that is over, what was stored up to last was not read, or somebody says
// meanwhile that there is more to read. The bucket is locked.
func (h *Hub) owned(c *Channel, owner *Owner, last int64) error {
	if c.state&loaded == 0 || c.stored < last {
		return errUnread
	}
	if c.state&behind == 0 && h.clock.epoch.owner.Load() == owner {
		c.state &^= unowned
	}
	return nil
}

// owner is this process as the owner of keys; nil: the store does not ask.
func (h *Hub) owner() *Owner {
	if h.clock.epoch == nil {
		return nil
	}
	return h.clock.epoch.owner.Load()
}

// wantsOwner tells whether the key of c has to be owned for the pushes that wait. The bucket is locked.
func (c *Channel) wantsOwner() bool {
	return c.state&unowned != 0 && c.waits() && (c.subscribers() > 0 || slices.ContainsFunc(c.extra.queue, (*pending).stored))
}

// doubts tells whether the key of c has to be owned anew for the store to say what became of an append to it. The bucket is locked.
func (h *Hub) doubts(c *Channel) bool {
	return h.clock.epoch != nil && c.state&(doubtful|relayed) == doubtful
}

// final tells whether the store will never have what of c it has not now, and this node tried to append. owner is who owns the key of c since, if it is
// this node; of a relay it is its next owner, who sees to it. The bucket is locked.
func (h *Hub) final(c *Channel, owner *Owner) bool {
	if h.clock.epoch == nil {
		return h.givenUp.Load() == 0 // else it may when what was given up comes back
	}
	return owner != nil || c.state&relayed != 0
}

func (p *pending) stored() bool { return p.push.Expire > 0 }

// failUnowned fails the pushes that wait and for which the key would have to be owned, if err is why it is not. The bucket is locked.
func (c *Channel) failUnowned(err error) (touched SinkSet) {
	if err == nil || errors.Is(err, errLimit) || !c.wantsOwner() {
		return 0
	}
	heard := c.subscribers() > 0
	c.extra.queue = slices.DeleteFunc(c.extra.queue, func(p *pending) bool {
		switch {
		case p.repeats:
			p.answerDuplicate()
		case p.stored() || heard:
			p.fail(err)
		default:
			return false
		}
		touched |= p.call.from
		return true
	})
	return touched
}

func isOwned(err error) bool { return errors.As(err, new(*Owned)) }
