package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// persistent is a publisher that makes every push until it is acknowledged, one after the other, in turn to its keys: what a node refused it pushes again, and
// where the answer was cut off it asks whether the message is stored.
type persistent struct {
	admin   string
	http    *http.Client
	clock   clock
	keys    []*pushedKey
	payload []byte

	last             atomic.Int64 // Unix time in ns at which the last acknowledged push was begun
	refused, unknown int          // valid when run has returned, as err
	err              error
}

// pushedKey is a key that one publisher pushes to.
type pushedKey struct {
	number int
	name   string
	sent   *int64       // messages that were acknowledged
	acked  atomic.Int64 // Unix time in ns at which the last of them was begun; 0: none
}

func newPersistent(admin string, size int, c clock) *persistent {
	return &persistent{
		admin: admin, clock: c, payload: newPayload(size),
		http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 1}},
	}
}

// run pushes until ctx ends; the last push is carried to its end.
func (p *persistent) run(ctx context.Context) {
	defer p.http.CloseIdleConnections()
	for i := 0; ctx.Err() == nil; i++ {
		if p.err = p.carry(context.WithoutCancel(ctx), p.keys[i%len(p.keys)]); p.err != nil {
			return
		}
	}
}

// carry pushes one message until it is acknowledged, for a minute at most.
func (p *persistent) carry(ctx context.Context, k *pushedKey) error {
	ctx, cancel := context.WithTimeout(ctx, failoverAtMost)
	defer cancel()
	stamp(p.payload, k.number, *k.sent+1, p.clock.now())
	for {
		began := time.Now()
		taken, err := p.once(ctx, k)
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("push to %s: %w", k.name, err)
		}
		if taken {
			*k.sent++
			k.acked.Store(began.UnixNano())
			p.last.Store(began.UnixNano())
			return nil
		}
		select {
		case <-time.After(failoverLook):
		case <-ctx.Done():
		}
	}
}

// once makes one attempt, and finds out whether the message was taken.
func (p *persistent) once(ctx context.Context, k *pushedKey) (taken bool, err error) {
	status, body, err := p.call(ctx, http.MethodPost, "/v1/push/"+k.name+"?expire=3600", p.payload)
	switch {
	case err == nil && status == http.StatusOK:
		return true, nil
	case err == nil && !bytes.Contains(body, []byte(`"unknown"`)) && !bytes.Contains(body, []byte(`"internal"`)):
		p.refused++
		return false, fmt.Errorf("%d %.100s", status, body)
	}
	p.unknown++
	return p.stored(ctx, k)
}

// stored asks whether the message is there whose push was not answered. Nobody else pushes to the key, and what was under way has ended with its node.
func (p *persistent) stored(ctx context.Context, k *pushedKey) (bool, error) {
	status, body, err := p.call(ctx, http.MethodGet, "/v1/keys/"+k.name+"/messages?reverse=1&limit=1", nil)
	if err != nil || status != http.StatusOK {
		return false, fmt.Errorf("ask for the last message: %d %.100s %w", status, body, err)
	}
	var page struct {
		Messages []struct{ Payload json.RawMessage }
	}
	if err := json.Unmarshal(body, &page); err != nil || len(page.Messages) == 0 {
		return false, err
	}
	a, err := parsePayload(page.Messages[0].Payload)
	return a.seq == *k.sent+1, err
}

// call makes one call. An error says that there is no answer.
func (p *persistent) call(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.admin+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
