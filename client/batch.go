package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"gopush/internal/message"
)

// Result is the outcome of one push of PushAll.
type Result struct {
	Key string
	Receipt
	Err error // nil, or an *Error
}

// PushAll pushes many messages in one call and returns a result for each, in order. The
// messages of one key apply in order; after one failed, the later ones of that key are
// skipped (CodeSkipped). What is not acknowledged of those that are stored is tried again, as Push does, in calls of its own. The error is
// for the call as a whole, as Push's is. A server takes at
// most 1000 messages and 8 MiB of them, a third larger than their payloads, in one call; past
// that it refuses the call, and nothing is pushed.
func (p *Publisher) PushAll(ctx context.Context, pushes []Push) ([]Result, error) {
	if len(pushes) == 0 {
		return nil, nil
	}
	for i, push := range pushes {
		if err := message.CheckKey(push.Key, message.MaxKeyBytes); err != nil {
			return nil, fmt.Errorf("push %d messages: number %d: %w", len(pushes), i+1, err)
		}
	}
	b := p.newBatch(pushes)
	err := p.carry(ctx, slices.ContainsFunc(b.pushes, repeatable), func(ctx context.Context, base *url.URL) error { return p.pushSome(ctx, base, b) })
	if err != nil && !b.answered {
		return nil, fmt.Errorf("push %d messages: %w", len(pushes), err)
	}
	return b.results, nil
}

func repeatable(push Push) bool { return push.repeatable() }

// batch is the pushes of a call.
type batch struct {
	pushes   []Push
	results  []Result
	left     []int  // those that are to be sent
	doubt    []bool // for each: an earlier try may have been taken
	answered bool   // a call was
}

func (p *Publisher) newBatch(pushes []Push) *batch {
	b := &batch{pushes: slices.Clone(pushes), results: make([]Result, len(pushes)), left: make([]int, len(pushes)), doubt: make([]bool, len(pushes))}
	for i := range b.pushes {
		p.name(&b.pushes[i])
		b.left[i] = i
	}
	return b
}

// pushSome sends what is left of b. Its error is nil when nothing is left.
func (p *Publisher) pushSome(ctx context.Context, base *url.URL, b *batch) error {
	if len(b.left) == 0 { // what was is not to be repeated
		return nil
	}
	body, err := json.Marshal(b.body())
	if err != nil {
		return err
	}
	var answer struct {
		Results []batchResult `json:"results"`
	}
	err = p.post(ctx, endpoint(base), "application/json", "", body, &answer)
	if err == nil && len(answer.Results) != len(b.left) {
		err = fmt.Errorf("%w: %d results came", errProtocol, len(answer.Results))
	}
	if err != nil {
		b.lost(err)
		return err
	}
	b.answered = true
	return b.take(answer.Results)
}

// lost notes that a call had no answer: what may not be repeated is left out from now on.
func (b *batch) lost(err error) {
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		refusal = &Error{Code: CodeUnknown, Message: err.Error()}
	}
	for _, i := range b.left {
		b.results[i] = Result{Key: b.pushes[i].Key, Err: doubted(refusal, b.doubt[i])}
		b.doubt[i] = b.doubt[i] || mayBeTaken(err)
	}
	b.left = slices.DeleteFunc(b.left, func(i int) bool { return !b.pushes[i].repeatable() })
}

// take takes the results of what was left. It returns why some of it is to be sent again, nil if nothing is.
func (b *batch) take(results []batchResult) (again error) {
	sent := b.left
	b.left = nil
	waiting := map[string]bool{} // keys
	judged := map[string]bool{}  // keys; what is skipped behind it would have been at any time
	for n, i := range sent {
		push, r := &b.pushes[i], &results[n]
		judged[push.Key] = judged[push.Key] || r.Error != nil && r.Error.judges()
		b.results[i] = r.result(push.Key, b.doubt[i] && !judged[push.Key])
		skipped := r.Error != nil && r.Error.Code == CodeSkipped && waiting[push.Key]
		if r.Error == nil || !push.repeatable() || !r.Error.passes() && !skipped {
			continue
		}
		waiting[push.Key] = true
		b.doubt[i] = b.doubt[i] || r.Error.Unknown()
		if b.left = append(b.left, i); again == nil {
			again = r.Error
		}
	}
	return again
}

// body returns what is sent of b.
func (b *batch) body() batchBody {
	items := make([]batchItem, len(b.left))
	for n, i := range b.left {
		push := &b.pushes[i]
		items[n] = batchItem{
			Key: push.Key, Base64: base64.StdEncoding.EncodeToString(push.Payload), Expire: push.seconds(), IdempotencyKey: push.IdempotencyKey,
		}
	}
	return batchBody{items}
}

// batchBody is the body of a call with many messages.
type batchBody struct {
	Messages []batchItem `json:"messages"`
}

type batchItem struct {
	Key            string `json:"key"`
	Base64         string `json:"base64"` // any bytes arrive as they are
	Expire         *int64 `json:"expire,omitempty"`
	IdempotencyKey string `json:"idempotency_key,omitempty"`
}

type batchResult struct {
	Receipt
	Error *Error `json:"error"`
}

// result returns r as that of a push to key, of which an earlier try may, in doubt, have been taken.
func (r *batchResult) result(key string, doubt bool) Result {
	if r.Error != nil {
		return Result{Key: key, Err: doubted(r.Error, doubt)}
	}
	return Result{Key: key, Receipt: r.Receipt}
}
