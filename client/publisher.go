package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gopush/internal/message"
)

// maxAnswerBytes bounds the answer to a call; each result of a batch takes 100 to 600 bytes.
const maxAnswerBytes = 64 << 20

// LiveOnly is the expiry of a message that is never stored: it reaches the connections of
// that moment and no others.
const LiveOnly time.Duration = -1

// PublisherConfig says where to push. Its zero value is a node on this machine with default settings.
type PublisherConfig struct {
	// Addr is an admin listener of a node; empty is "http://127.0.0.1:6970". Of a cluster, where any node takes any push, several may
	// be given with commas between them: when one does not answer, or takes nothing now, the next one is tried.
	Addr string
	// APIKey is sent to the server where it asks for one.
	APIKey string
	// TLS is for https://, with what is shown a server that asks for a certificate; nil trusts what the system trusts. It is not
	// changed, and not looked at where there is an HTTPClient.
	TLS *tls.Config
	// HTTPClient makes the calls; nil is one without a timeout of its own, so that the ctx of a
	// call decides. It should not follow redirects.
	HTTPClient *http.Client

	// RetryFor is how long a stored push is tried again that was not answered, or that a server cannot take now: 0 is 30 s. The
	// ctx of a call may end it before. Below 0 each push is sent once, and has no idempotency key unless it is given one.
	RetryFor time.Duration
	// TryTimeout is how long a try waits for its answer before the next one, where there may be one; 0 is 10 s.
	TryTimeout time.Duration
	// Backoff returns the pause before the attempt-th turn of tries in a row, counted from 0, at all addresses; what a server asks for
	// in Retry-After comes on top. Nil is full jitter: evenly spread between 0 and a bound that doubles from 100 ms to 30 s.
	Backoff func(attempt int) time.Duration
}

// Publisher pushes messages. It may be used concurrently.
type Publisher struct {
	bases  []*url.URL
	at     atomic.Uint32 // the address that is tried next, modulo their number
	apiKey string
	http   *http.Client

	retryFor, tryTimeout time.Duration // below 0: never; 0 then
	backoff              func(attempt int) time.Duration
}

// NewPublisher returns a Publisher, or what is wrong with cfg. It does not connect.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	p := &Publisher{apiKey: cfg.APIKey, http: cfg.HTTPClient, backoff: cfg.Backoff}
	for addr := range strings.SplitSeq(cmp.Or(cfg.Addr, "http://127.0.0.1:6970"), ",") {
		base, err := parseBase(strings.TrimSpace(addr))
		if err != nil {
			return nil, err
		}
		p.bases = append(p.bases, base)
	}
	if p.http == nil {
		p.http = newHTTPClient(cfg.TLS)
	}
	if p.backoff == nil {
		p.backoff = func(attempt int) time.Duration { return fullJitter(attempt, mathrand.N[time.Duration]) }
	}
	p.retryFor = cmp.Or(cfg.RetryFor, defaultRetryFor)
	if p.retryFor > 0 {
		p.tryTimeout = cmp.Or(cfg.TryTimeout, defaultTryTimeout)
	}
	return p, nil
}

// parseBase reads one address.
func parseBase(addr string) (*url.URL, error) {
	base, err := url.Parse(addr)
	if err != nil {
		return nil, fmt.Errorf("publisher address: %w", err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("publisher address %q: want http://HOST:PORT or https://HOST:PORT", addr)
	}
	base.Path = cmp.Or(base.Path, "/")
	return base, nil
}

// newHTTPClient keeps as many connections as are used at a time: each pusher has its own.
func newHTTPClient(secured *tls.Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if secured != nil {
		transport.TLSClientConfig = secured.Clone()
	}
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Push is one message to push.
type Push struct {
	Key     string
	Payload []byte
	// Expire is how long the message is kept for devices that are away, in whole seconds, a part
	// counting as one. 0 is the server's default; LiveOnly keeps nothing.
	Expire time.Duration
	// IdempotencyKey is what the server knows the push by: repeated with the same one it is stored once, also by another process, for the
	// server's idempotency_window, 1 day. 1 to 255 bytes of UTF-8 without control characters; it counts for Key. Empty: a random one,
	// so that the push can be tried again, unless it is live only, or Once is set.
	IdempotencyKey string
	// Once has the push sent once. Without an IdempotencyKey it has none.
	Once bool
}

// PushOption is an option of Publisher.Push.
type PushOption func(*Push)

// Expire sets how long a message is kept for devices that are away, see Push.Expire.
func Expire(d time.Duration) PushOption { return func(p *Push) { p.Expire = d } }

// IdempotencyKey gives a message an idempotency key, see Push.IdempotencyKey.
func IdempotencyKey(key string) PushOption { return func(p *Push) { p.IdempotencyKey = key } }

// Once has a message sent once, see Push.Once.
func Once() PushOption { return func(p *Push) { p.Once = true } }

// Receipt tells what became of a push.
type Receipt struct {
	ID          string `json:"id"`          // of the message, "MS-SEQ"
	Stored      bool   `json:"stored"`      // durable: kept for devices that are away
	Subscribers int    `json:"subscribers"` // connections that it was sent to; of a duplicate none is told
	Duplicate   bool   `json:"duplicate"`   // a push with the same idempotency key was stored before: ID is its message's
}

// Push pushes payload, any bytes, to key. An *Error is the server's refusal. A stored message is tried again until it is acknowledged, refused
// for good, or PublisherConfig.RetryFor is over, and stored once however often it was tried. After an error that is none, or an *Error for which
// Unknown is true, the message may or may not have been taken; its Push.IdempotencyKey, if that is known, makes it safe to push it again.
func (p *Publisher) Push(ctx context.Context, key string, payload []byte, options ...PushOption) (Receipt, error) {
	push := Push{Key: key, Payload: payload}
	for _, option := range options {
		option(&push)
	}
	if err := message.CheckKey(key, message.MaxKeyBytes); err != nil {
		return Receipt{}, fmt.Errorf("push: %w", err)
	}
	p.name(&push)
	var receipt Receipt
	try := func(ctx context.Context, base *url.URL) error {
		return p.post(ctx, pushURL(base, &push), "application/octet-stream", push.IdempotencyKey, payload, &receipt)
	}
	if err := p.carry(ctx, push.repeatable(), try); err != nil {
		return Receipt{}, fmt.Errorf("push to %q: %w", key, err)
	}
	return receipt, nil
}

// name gives push an idempotency key, if it is to have one of ours.
func (p *Publisher) name(push *Push) {
	if p.retryFor < 0 {
		push.Once = true
	}
	if push.IdempotencyKey == "" && !push.Once && push.Expire >= 0 {
		push.IdempotencyKey = newIdempotencyKey()
	}
}

// repeatable tells whether push, which is named, may be sent again.
func (push *Push) repeatable() bool { return !push.Once && push.IdempotencyKey != "" }

// carry calls try once, or until it does.
func (p *Publisher) carry(ctx context.Context, repeatable bool, try func(context.Context, *url.URL) error) error {
	if !repeatable {
		return p.tryOnce(ctx, 0, try)
	}
	return p.repeat(ctx, try)
}

// seconds is the expiry as the server reads it; nil asks for its default.
func (p *Push) seconds() *int64 {
	if p.Expire == 0 {
		return nil
	}
	s := int64(max(0, p.Expire) / time.Second)
	if p.Expire%time.Second > 0 {
		s++
	}
	return &s
}

func endpoint(base *url.URL) *url.URL { return base.JoinPath("v1/push") }

// pushURL percent-encodes the key, so that "a/b", "." and ".." stay keys.
func pushURL(base *url.URL, push *Push) *url.URL {
	u := endpoint(base)
	encoded := strings.ReplaceAll(url.PathEscape(push.Key), ".", "%2E")
	u.RawPath = u.EscapedPath() + "/" + encoded
	u.Path += "/" + push.Key
	if s := push.seconds(); s != nil {
		u.RawQuery = "expire=" + strconv.FormatInt(*s, 10)
	}
	return u
}

// post sends body and reads the answer into out, or into an *Error. idempotencyKey may be empty.
func (p *Publisher) post(ctx context.Context, u *url.URL, contentType, idempotencyKey string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	if idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", idempotencyKey)
	}
	if p.apiKey != "" {
		req.Header.Set("Authorization", "Bearer "+p.apiKey)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return newError(resp, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%w: answer: %w", errProtocol, err)
	}
	return nil
}
