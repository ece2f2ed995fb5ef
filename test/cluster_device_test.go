package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"

	"gopush/client"
	"gopush/internal/message"
)

// dialect is how a device listens: connect subscribes at a node and reads until the connection ends.
type dialect struct {
	name    string
	resumes bool // it asks for what it missed
	admin   bool // it connects to an admin listener
	stored  bool // it gets stored messages only
	listen  func(ctx context.Context, d *listener, addr string) error
}

// dialects are all ways to listen.
func dialects() []dialect {
	return []dialect{
		{name: "legacy RESP", resumes: true, listen: listenRESP},
		{name: "legacy WebSocket", resumes: true, listen: listenWebSocket},
		{name: "SDK", resumes: true, listen: listenSDK},
		{name: "SUBSCRIBE", listen: listenSubscribe},
		{name: "PSUBSCRIBE", admin: true, listen: listenPattern},
		{name: "XREAD", resumes: true, stored: true, listen: listenXRead},
		{name: "XREADGROUP", resumes: true, stored: true, listen: listenGroup},
	}
}

// resuming are those ways that miss nothing that is stored, whatever happens.
func resuming() []dialect {
	return slices.DeleteFunc(dialects(), func(d dialect) bool { return !d.resumes })
}

// listener is a device: it listens to one key and comes back, to the next node, whenever its connection ends.
type listener struct {
	dialect
	key      string
	complete bool // it has to get all stored messages that are acknowledged
	live     bool // and the live-only ones

	cancel context.CancelFunc
	ended  chan struct{}
	first  chan struct{} // closed when it is subscribed for the first time

	mu     sync.Mutex
	at     []*member // where it connects to, in turn
	got    []receipt
	has    map[string]bool // payloads of got
	visits int
	last   int64    // mid of the last message
	gaps   []string // that it was told of
	why    error    // the last connection ended
}

func (d *listener) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("%s of %s, first at %s, %d connections, the last ended with %v", d.name, d.key, d.at[0].name, d.visits, d.why)
}

// listen starts a device at a node, from which it goes on to others, and waits until it is subscribed.
// It begins with what is stored already, if its dialect can.
func (c *cluster) listen(how dialect, key string, at *member, others ...*member) *listener {
	c.t.Helper()
	d := c.approach(how, key, at, others...)
	select {
	case <-d.first:
	case <-time.After(patience):
		c.t.Fatalf("%s: is not subscribed", d)
	}
	return d
}

// approach is listen, without waiting.
func (c *cluster) approach(how dialect, key string, at *member, others ...*member) *listener {
	d := &listener{
		dialect: how, key: key, at: append([]*member{at}, others...), complete: how.resumes, live: false,
		has: map[string]bool{}, first: make(chan struct{}), ended: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	d.cancel = cancel
	go d.run(ctx)
	c.t.Cleanup(d.stop)
	return d
}

// undisturbed says that the connection of the device does not end, so that it gets everything.
func (d *listener) undisturbed() *listener {
	d.complete, d.live = true, !d.dialect.stored
	return d
}

// run connects again and again.
func (d *listener) run(ctx context.Context) {
	defer close(d.ended)
	for turn := 0; ctx.Err() == nil; turn++ {
		at := d.at[turn%len(d.at)].at
		addr := at[0]
		if d.admin {
			addr = at[1]
		}
		err := d.dialect.listen(ctx, d, addr)
		if ctx.Err() != nil {
			return
		}
		d.mu.Lock()
		d.why = err
		d.mu.Unlock()
		pause(ctx, 20*time.Millisecond) // a node that is gone is not asked without end
	}
}

// member returns one of its nodes that runs.
func (d *listener) member() *member {
	for _, m := range d.at {
		select {
		case <-m.exited:
		default:
			return m
		}
	}
	return d.at[0]
}

// stop ends the device.
func (d *listener) stop() {
	d.cancel()
	<-d.ended
}

// subscribed notes that a connection is.
func (d *listener) subscribed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.visits++; d.visits == 1 {
		close(d.first)
	}
}

// take notes a message.
func (d *listener) take(payload string, mid int64) {
	payload = strings.Trim(payload, `"`)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, receipt{payload, mid, d.visits})
	d.has[payload] = true
	d.last = max(d.last, mid)
}

func (d *listener) gap(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gaps = append(d.gaps, fmt.Sprintf("connection %d: %s", d.visits, what))
}

func (d *listener) after() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

func (d *listener) receipts() []receipt {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

func (d *listener) gapsTold() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.gaps)
}

// connections returns how often the device was subscribed.
func (d *listener) connections() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.visits
}

// missing returns which of want have not come.
func (d *listener) missing(want map[string]int64) (payloads []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for payload := range want {
		if !d.has[payload] {
			payloads = append(payloads, payload)
		}
	}
	return payloads
}

// expectUndisturbed checks that no connection has ended.
func expectUndisturbed(t *testing.T, devices ...*listener) {
	t.Helper()
	for _, d := range devices {
		if d.connections() != 1 {
			t.Errorf("%s: want the one connection that it began with", d)
		}
	}
}

// dialFor connects, until ctx ends.
func dialFor(ctx context.Context, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	return conn, nil
}

// heartbeat of devices, in seconds: they send none, since no test is that long.
const heartbeat = "600"

// listenRESP is "sub KEY HEARTBEAT TOKEN VERSION MID".
func listenRESP(ctx context.Context, d *listener, addr string) error {
	conn, err := dialFor(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, command("sub", d.key, heartbeat, "", "1", strconv.FormatInt(d.after(), 10))); err != nil {
		return err
	}
	return d.readLegacy(newLines(conn))
}

// newLines returns the texts of a legacy RESP connection, one at a call.
func newLines(conn net.Conn) func() (string, error) {
	r := bufio.NewReader(conn)
	return func() (string, error) {
		line, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "$") {
			return line, err
		}
		return r.ReadString('\n') // messages of tests have no line ends in them
	}
}

// readLegacy takes the texts of a legacy dialect to their end.
func (d *listener) readLegacy(next func() (string, error)) error {
	for {
		text, err := next()
		if err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(text, "+h"):
			d.subscribed()
		case strings.HasPrefix(text, "+g"):
			d.gap(fmt.Sprintf("%q after %d", text, d.after()))
		case strings.HasPrefix(text, "{"):
			var m legacyMessage
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				return err
			}
			if m.Prev != nil && *m.Prev > d.after() {
				d.gap(fmt.Sprintf("%s with mid %d stands behind %d, the last that came is %d", m.Msg, m.Mid, *m.Prev, d.after()))
			}
			d.take(string(m.Msg), m.Mid)
		default:
			return fmt.Errorf("was told %q", text)
		}
	}
}

func listenWebSocket(ctx context.Context, d *listener, addr string) error {
	query := url.Values{"key": {d.key}, "heartbeat": {heartbeat}, "ver": {"1"}, "mid": {fmt.Sprint(d.after())}}
	conn, _, err := websocket.Dial(ctx, "ws://"+addr+"/sub?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	return d.readLegacy(func() (string, error) {
		_, text, err := conn.Read(ctx)
		return string(text), err
	})
}

// listenSDK is one connection of the SDK, which would connect again by itself, but only to the same node.
func listenSDK(ctx context.Context, d *listener, addr string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := client.Subscribe(ctx, client.Config{
		Addr: addr, Key: d.key, After: message.FormatID(d.after()),
		OnConnect:    func(string) { d.subscribed() },
		OnDisconnect: func(err error, _ time.Duration) { cancel(err) },
		OnGap:        func(g client.Gap) { d.gap(fmt.Sprintf("%+v", g)) },
	}, func(m client.Message) error {
		d.take(string(m.Payload), m.Mid)
		return nil
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// redisClient returns a client for one pusher.
func redisClient(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, PoolSize: 1, DialTimeout: time.Second, ReadTimeout: patience})
}

// redisListener returns a client for one device, whose connections end with ctx, whatever is waited for.
func redisListener(ctx context.Context, addr string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: addr, MaxRetries: -1, DialerRetries: 1, PoolSize: 1, ReadTimeout: patience,
		Dialer: func(_ context.Context, _, addr string) (net.Conn, error) { return dialFor(ctx, addr) },
	})
}

func listenSubscribe(ctx context.Context, d *listener, addr string) error {
	return d.readPubSub(ctx, addr, "SUBSCRIBE", d.key)
}

// listenPattern has a pattern that only the key fits.
func listenPattern(ctx context.Context, d *listener, addr string) error {
	return d.readPubSub(ctx, addr, "PSUBSCRIBE", "["+d.key[:1]+"]"+d.key[1:])
}

// readPubSub subscribes in RESP 2 and takes what is delivered.
func (d *listener) readPubSub(ctx context.Context, addr string, subscribe ...string) error {
	conn, err := dialFor(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, command(subscribe...)); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	for {
		fields, err := readArray(r)
		if err != nil {
			return err
		}
		if fields[0] == "message" || fields[0] == "pmessage" {
			d.take(fields[len(fields)-1], 0)
		} else {
			d.subscribed()
		}
	}
}

// readArray reads an array of bulk strings and integers, as text.
func readArray(r *bufio.Reader) (fields []string, err error) {
	line := func() string {
		text, failed := r.ReadString('\n')
		err = errors.Join(err, failed)
		return strings.TrimSpace(text)
	}
	head := line()
	count, failed := strconv.Atoi(strings.TrimPrefix(head, "*"))
	if failed != nil && err == nil {
		return nil, fmt.Errorf("was told %q", head)
	}
	for range count {
		field := line()
		if strings.HasPrefix(field, "$") {
			field = line()
		}
		fields = append(fields, field)
	}
	if len(fields) == 0 && err == nil {
		err = errors.New("was told nothing")
	}
	return fields, err
}

func listenXRead(ctx context.Context, d *listener, addr string) error {
	c := redisListener(ctx, addr)
	defer c.Close()
	if err := c.Ping(ctx).Err(); err != nil {
		return err
	}
	d.subscribed()
	for {
		streams, err := c.XRead(ctx, &redis.XReadArgs{Streams: []string{d.key, message.FormatID(d.after())}, Count: 100, Block: 10 * time.Second}).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return err
		}
		if err := d.takeStreams(streams); err != nil {
			return err
		}
	}
}

// takeStreams takes what an XREAD brought.
func (d *listener) takeStreams(streams []redis.XStream) error {
	for _, s := range streams {
		for _, m := range s.Messages {
			mid, err := message.ParseID(m.ID)
			if err != nil {
				return err
			}
			d.take(fmt.Sprint(m.Values["msg"]), mid)
		}
	}
	return nil
}

// listenGroup has a group of its own: what it took and could not acknowledge comes again, and is the same message.
func listenGroup(ctx context.Context, d *listener, addr string) error {
	c := redisListener(ctx, addr)
	defer c.Close()
	if err := c.XGroupCreateMkStream(ctx, d.key, d.group(), "0").Err(); err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return err
	}
	d.subscribed()
	for from := "0"; ; {
		streams, err := c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: d.group(), Consumer: "c", Streams: []string{d.key, from}, Count: 100, Block: 10 * time.Second}).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return err
		}
		var ids []string
		for i := range streams {
			for _, m := range streams[i].Messages {
				ids = append(ids, m.ID)
			}
			streams[i].Messages = slices.DeleteFunc(streams[i].Messages, func(m redis.XMessage) bool {
				mid, err := message.ParseID(m.ID)
				return err == nil && mid <= d.after()
			})
		}
		if err := d.takeStreams(streams); err != nil {
			return err
		}
		if len(ids) == 0 {
			from = ">" // nothing is pending
			continue
		}
		if err := c.XAck(ctx, d.key, d.group(), ids...).Err(); err != nil {
			return err
		}
	}
}

// group is the name of the group of a device.
func (d *listener) group() string { return fmt.Sprintf("device %p", d) }
