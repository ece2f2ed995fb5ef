package channel

import (
	"errors"
	"sync/atomic"

	"gopush/internal/message"
)

// Stats counts what a hub did. Written by whoever does it, read by anyone.
type Stats struct {
	Subscribed, Unsubscribed atomic.Int64 // subscriptions ever begun, ended
	Created, Deleted         atomic.Int64 // keys that got their first subscriber, lost their last

	Pushed     atomic.Int64 // pushes accepted: released to whoever subscribes
	Stored     atomic.Int64 // of these, made durable first
	Duplicates atomic.Int64 // pushes whose idempotency key was stored before
	Refused    atomic.Int64 // pushes that break a limit: key, size
	Failed     atomic.Int64 // stored pushes that the store refused
	Unknown    atomic.Int64 // stored pushes whose outcome the store did not tell in time
	Skipped    atomic.Int64 // pushes not tried because an earlier one of the call failed
	Fenced     atomic.Int64 // appends that met another owner's message and were done again
	Disowned   atomic.Int64 // times that another node owned a key, and an epoch had to begin
	Late       atomic.Int64 // messages found in the store when later ones had been released: not posted
	Resumes    atomic.Int64 // subscriptions that read the store from a position
	Gaps       atomic.Int64 // of these, with messages gone
	CatchingUp atomic.Int64 // keys that are being read now, since another node may have stored what was not released here
	Torn       atomic.Int64 // keys whose listeners were closed, since messages were gone before this node had them
	Unresolved atomic.Int64 // live-only messages whose prev could not be read
}

// count adds the outcome of one push.
func (h *Hub) count(r *message.Receipt) {
	s := &h.Stats
	switch {
	case r.Duplicate:
		s.Duplicates.Add(1)
	case r.Err == nil:
		s.Pushed.Add(1)
		if r.Stored {
			s.Stored.Add(1)
		}
	case errors.Is(r.Err, message.ErrSkipped):
		s.Skipped.Add(1)
	case errors.Is(r.Err, ErrUnavailable):
		s.Failed.Add(1)
	case errors.Is(r.Err, ErrUnknown):
		s.Unknown.Add(1)
	default:
		s.Refused.Add(1)
	}
}
