package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

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
// skipped (CodeSkipped). The error is for the call as a whole, as Push's is. A server takes at
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
	body, err := json.Marshal(newBatch(pushes))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Results []batchResult `json:"results"`
	}
	if err := p.post(ctx, p.endpoint(), "application/json", body, &answer); err != nil {
		return nil, fmt.Errorf("push %d messages: %w", len(pushes), err)
	}
	if len(answer.Results) != len(pushes) {
		return nil, fmt.Errorf("push %d messages: %d results came", len(pushes), len(answer.Results))
	}
	results := make([]Result, len(pushes))
	for i, r := range answer.Results {
		results[i] = r.result()
	}
	return results, nil
}

// batch is the body of a call with many messages.
type batch struct {
	Messages []batchItem `json:"messages"`
}

type batchItem struct {
	Key    string `json:"key"`
	Base64 string `json:"base64"` // any bytes arrive as they are
	Expire *int64 `json:"expire,omitempty"`
}

func newBatch(pushes []Push) batch {
	items := make([]batchItem, len(pushes))
	for i, push := range pushes {
		items[i] = batchItem{Key: push.Key, Base64: base64.StdEncoding.EncodeToString(push.Payload), Expire: push.seconds()}
	}
	return batch{items}
}

type batchResult struct {
	Key string `json:"key"`
	Receipt
	Error *Error `json:"error"`
}

func (r batchResult) result() Result {
	if r.Error != nil {
		return Result{Key: r.Key, Err: r.Error}
	}
	return Result{Key: r.Key, Receipt: r.Receipt}
}
