package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	defaultRetryFor   = 30 * time.Second
	defaultTryTimeout = 10 * time.Second
)

// newIdempotencyKey returns one that no other push has.
func newIdempotencyKey() string { return rand.Text() }

// repeat calls try, at one address after the other, until it ends well or is refused for good. Its error is that of the last try, when
// the time is up, or would be after the next pause; where an earlier one may have been taken it says so.
func (p *Publisher) repeat(ctx context.Context, try func(context.Context, *url.URL) error) error {
	ends := time.Now().Add(p.retryFor)
	if d, ok := ctx.Deadline(); ok && d.Before(ends) {
		ends = d
	}
	doubt := false
	for attempt := 0; ; attempt++ {
		err := p.tryOnce(ctx, p.tryTimeout, try)
		if err == nil || ctx.Err() != nil || !passes(err) {
			return doubted(err, doubt)
		}
		pause := p.pause(attempt, err)
		if time.Now().Add(pause).After(ends) || !wait(ctx, pause) {
			return doubted(err, doubt)
		}
		doubt = doubt || mayBeTaken(err)
	}
}

// tryOnce calls try with the address that did last, and has the next one tried next if it does not.
func (p *Publisher) tryOnce(ctx context.Context, timeout time.Duration, try func(context.Context, *url.URL) error) error {
	if timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = limited
	}
	at := p.at.Load()
	err := try(ctx, p.bases[int(at)%len(p.bases)])
	if err != nil && passes(err) {
		p.at.CompareAndSwap(at, at+1)
	}
	return err
}

// pause returns how long to wait after the attempt-th try, from 0, which failed with err: not at all while there is an address that was not tried in
// this turn; else for the backoff, after what the server asked for.
func (p *Publisher) pause(attempt int, err error) time.Duration {
	turn, place := attempt/len(p.bases), attempt%len(p.bases)
	if place < len(p.bases)-1 {
		return 0
	}
	pause := p.backoff(turn)
	if refusal, ok := errors.AsType[*Error](err); ok {
		pause += refusal.RetryAfter
	}
	return pause
}

// passes tells whether another try may do better than one that failed with err.
func passes(err error) bool {
	if refusal, ok := errors.AsType[*Error](err); ok {
		return refusal.passes()
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return !untrusted
}

func (e *Error) passes() bool {
	return e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests || e.Code == CodeUnavailable || e.Unknown()
}

// mayBeTaken tells whether a message may have been taken by a try that ended with err.
func mayBeTaken(err error) bool {
	if refusal, ok := errors.AsType[*Error](err); ok {
		return refusal.Unknown()
	}
	op, ok := errors.AsType[*net.OpError](err)
	return !ok || op.Op != "dial" // who was not reached has taken nothing
}

// doubted returns err, in doubt as that of a message that an earlier try may have brought: what a later one is refused with says nothing of
// that, unless it is for the message itself.
func doubted(err error, doubt bool) error {
	refusal, ok := errors.AsType[*Error](err)
	if !doubt || !ok || refusal.Unknown() || refusal.judges() {
		return err
	}
	return &Error{
		Status: refusal.Status, Code: CodeUnknown, RetryAfter: refusal.RetryAfter,
		Message: "an earlier try may have been taken; the last one: " + refusal.Error(),
	}
}

// judges tells whether e is for the message itself: it would have been refused at any time.
func (e *Error) judges() bool {
	switch e.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return true
	case 0:
		return !e.passes() && e.Code != CodeSkipped
	}
	return false
}

// wait waits, and returns false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
