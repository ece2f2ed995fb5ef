package channel

import (
	"errors"
	"fmt"

	"gopush/internal/message"
)

// A push with an idempotency key that was stored before is answered with the first mid, and nothing is released. Who stored it is asked:
// the store, which knows keys of pushes whose outcome nobody was told, and of other owners. Pushes built after a duplicate
// chain to a mid that is not there, so they are built again; duplicates among them keep their place and are not asked about again.

// checkIdemKey refuses what no store could keep.
func checkIdemKey(p *message.Push) error {
	switch {
	case len(p.IdemKey) > message.MaxIdemKeyBytes:
		return fmt.Errorf("%w: it has %d bytes, at most %d may be", message.ErrIdemKey, len(p.IdemKey), message.MaxIdemKeyBytes)
	case p.Expire == 0:
		return fmt.Errorf("%w: a live-only message is remembered nowhere; store it (expire above 0), or leave the key out", message.ErrIdemKey)
	}
	return nil
}

// duplicateOf returns the first mid, if err is a *Duplicate; else 0.
func duplicateOf(err error) (first int64) {
	var d *Duplicate
	if err != nil && errors.As(err, &d) {
		return d.Mid
	}
	return 0
}

// repeatsAs notes that p's IdemKey was stored as mid.
func (p *pending) repeatsAs(mid int64) { p.repeats, p.mid = true, mid }

// answerDuplicate answers a push that repeats another one.
func (p *pending) answerDuplicate() {
	*p.receipt = message.Receipt{Mid: p.mid, Stored: true, Duplicate: true}
	p.call.answered()
}

// requeueFrom puts w's pushes from the ith on back into the queue, of which the first result was taken. Those that the store has are
// known from now on; first is that of the ith, 0: it is none, or is to be asked for again.
func (w *work) requeueFrom(i int, first int64) {
	pushes := w.pushes[i:]
	if first > 0 {
		pushes[0].repeatsAs(first)
	}
	for _, p := range pushes[1:] {
		if p.push.Expire == 0 || p.repeats {
			continue
		}
		if _, err := w.nextResult(); err != nil {
			if mid := duplicateOf(err); mid > 0 {
				p.repeatsAs(mid)
			}
		}
	}
	w.requeue(pushes)
}
