package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
	"unicode/utf8"

	"gopush/internal/message"
)

const (
	minHeartbeat = 30 * time.Second
	maxHeartbeat = 24 * time.Hour
	// defaultMaxMessage has room for what a server takes by default, 1 MiB: in JSON a byte may take six.
	defaultMaxMessage = 8 << 20
)

// Config says what to subscribe to. Addr and Key are needed; every other field's zero value works.
type Config struct {
	// Addr is a public listener of a node: "HOST:PORT" or "tcp://HOST:PORT" (port 6969 unless
	// given), "tls://…", "ws://HOST:PORT/PATH" or "wss://…". A path is for servers behind a
	// proxy, and stands before the server's own /sub. Of a cluster, where any node serves any key, several
	// may be given with commas between them: whenever a connection is lost or not made, the next one is tried.
	Addr string
	// Key to subscribe to: 1 to 255 bytes of UTF-8 without control characters.
	Key string
	// Token opens the key where the server asks for one.
	Token string
	// After is the id to resume after, of the last message that was handled: "MS-SEQ". Empty
	// begins now; "0" begins with the oldest message that the server still has.
	After string
	// Heartbeat is how often the connection shows that it is alive: whole seconds, 30 s to 24 h;
	// 0 is 30 s. A server that was silent for 15 s more is given up.
	Heartbeat time.Duration
	// MaxMessageBytes bounds what one message may take on the wire; 0 is 8 MiB.
	MaxMessageBytes int

	// TLS is for tls:// and wss://; nil trusts what the system trusts. It is not changed.
	TLS *tls.Config
	// Dial replaces net.Dialer's DialContext, for proxies and tests.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Backoff returns the pause before the attempt-th reconnect in a row, counted from 0. A
	// connection that was up for 10 s ends the row. Nil is full jitter: evenly spread between 0
	// and a bound that doubles from 100 ms to 30 s. A server that says when to come back is obeyed instead, up to 10 minutes;
	// then Backoff counts only where it is longer, and not for the first of a row.
	Backoff func(attempt int) time.Duration

	// The hooks tell what happens, and may be nil. Like the callback they run on the goroutine
	// that called Subscribe, one at a time.

	// OnConnect is called when a connection is subscribed, with the id that it resumes after.
	OnConnect func(after string)
	// OnDisconnect is called when a connection was lost or not made, with the reason and the pause
	// before the next one.
	OnDisconnect func(err error, pause time.Duration)
	// OnGap is called, once for each gap, when messages are gone that were not delivered.
	OnGap func(Gap)
}

// check fills in what was left out of c and returns what is wrong with the rest.
func (c *Config) check() error {
	if err := message.CheckKey(c.Key, message.MaxKeyBytes); err != nil {
		return err
	}
	if !utf8.ValidString(c.Token) {
		return fmt.Errorf("token is not UTF-8")
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = minHeartbeat
	}
	if c.Heartbeat < minHeartbeat || c.Heartbeat > maxHeartbeat || c.Heartbeat%time.Second != 0 {
		return fmt.Errorf("heartbeat %v: want whole seconds from %v to %v", c.Heartbeat, minHeartbeat, maxHeartbeat)
	}
	if c.MaxMessageBytes < 0 {
		return fmt.Errorf("MaxMessageBytes %d: want at least 0", c.MaxMessageBytes)
	}
	c.fillIn()
	return nil
}

func (c *Config) fillIn() {
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = defaultMaxMessage
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Backoff == nil {
		c.Backoff = func(attempt int) time.Duration { return fullJitter(attempt, rand.N[time.Duration]) }
	}
	if c.OnConnect == nil {
		c.OnConnect = func(string) {}
	}
	if c.OnDisconnect == nil {
		c.OnDisconnect = func(error, time.Duration) {}
	}
	if c.OnGap == nil {
		c.OnGap = func(Gap) {}
	}
}

// tlsFor returns the TLS settings for a connection to a.
func (c *Config) tlsFor(a address) *tls.Config {
	settings := &tls.Config{}
	if c.TLS != nil {
		settings = c.TLS.Clone()
	}
	if settings.ServerName == "" {
		settings.ServerName = a.base.Hostname()
	}
	return settings
}
