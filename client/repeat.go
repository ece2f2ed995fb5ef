package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	defaultRetryFor   = 30 * time.Second
	defaultTryTimeout = 10 * time.Second
)

// newIdempotencyKey returns one that no other push has.
func newIdempotencyKey() string { return rand.Text() }

// repeat calls try, at one address after the other, until it ends well or is refused for good. Its error is that of the last try, when
// the time is up, or would be after the next pause.
func (p *Publisher) repeat(ctx context.Context, try func(context.Context, *url.URL) error) error {
	ends := time.Now().Add(p.retryFor)
	if d, ok := ctx.Deadline(); ok && d.Before(ends) {
		ends = d
	}
	for attempt := 0; ; attempt++ {
		err := p.tryOnce(ctx, p.tryTimeout, try)
		if err == nil || ctx.Err() != nil || !passes(err) {
			return err
		}
		pause := p.pause(attempt, err)
		if time.Now().Add(pause).After(ends) || !wait(ctx, pause) {
			return err
		}
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

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = 10 * time.Minute

// retryAfter reads a Retry-After header; 0: there is none that says anything.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}
