package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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
	// Addr is an admin listener of a node; empty is "http://127.0.0.1:6970".
	Addr string
	// APIKey is sent to the server where it asks for one.
	APIKey string
	// HTTPClient makes the calls; nil is one without a timeout of its own, so that the ctx of a
	// call decides. It should not follow redirects.
	HTTPClient *http.Client
}

// Publisher pushes messages. It may be used concurrently.
type Publisher struct {
	base   *url.URL
	apiKey string
	http   *http.Client
}

// NewPublisher returns a Publisher, or what is wrong with cfg. It does not connect.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	base, err := url.Parse(cmp.Or(cfg.Addr, "http://127.0.0.1:6970"))
	if err != nil {
		return nil, fmt.Errorf("publisher address: %w", err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("publisher address %q: want http://HOST:PORT or https://HOST:PORT", cfg.Addr)
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = newHTTPClient()
	}
	base.Path = cmp.Or(base.Path, "/")
	return &Publisher{base: base, apiKey: cfg.APIKey, http: cfg.HTTPClient}, nil
}

// newHTTPClient keeps as many connections as are used at a time: each pusher has its own.
func newHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
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
}

// PushOption is an option of Publisher.Push.
type PushOption func(*Push)

// Expire sets how long a message is kept for devices that are away, see Push.Expire.
func Expire(d time.Duration) PushOption { return func(p *Push) { p.Expire = d } }

// Receipt tells what became of a push.
type Receipt struct {
	ID          string `json:"id"`          // of the message, "MS-SEQ"
	Stored      bool   `json:"stored"`      // durable: kept for devices that are away
	Subscribers int    `json:"subscribers"` // connections that it was sent to
}

// Push pushes payload, any bytes, to key. An *Error is the server's refusal. After any other
// error, and after an *Error for which Unknown is true, the message may or may not have been
// taken. It is never tried again here.
func (p *Publisher) Push(ctx context.Context, key string, payload []byte, options ...PushOption) (Receipt, error) {
	push := Push{Key: key, Payload: payload}
	for _, option := range options {
		option(&push)
	}
	if err := message.CheckKey(key, message.MaxKeyBytes); err != nil {
		return Receipt{}, fmt.Errorf("push: %w", err)
	}
	var receipt Receipt
	if err := p.post(ctx, p.pushURL(push), "application/octet-stream", payload, &receipt); err != nil {
		return Receipt{}, fmt.Errorf("push to %q: %w", key, err)
	}
	return receipt, nil
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

func (p *Publisher) endpoint() *url.URL { return p.base.JoinPath("v1/push") }

// pushURL percent-encodes the key, so that "a/b", "." and ".." stay keys.
func (p *Publisher) pushURL(push Push) *url.URL {
	u := p.endpoint()
	encoded := strings.ReplaceAll(url.PathEscape(push.Key), ".", "%2E")
	u.RawPath = u.EscapedPath() + "/" + encoded
	u.Path += "/" + push.Key
	if s := push.seconds(); s != nil {
		u.RawQuery = "expire=" + strconv.FormatInt(*s, 10)
	}
	return u
}

// post sends body and reads the answer into out, or into an *Error.
func (p *Publisher) post(ctx context.Context, u *url.URL, contentType string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
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
		return newError(resp.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%w: answer: %w", errProtocol, err)
	}
	return nil
}
