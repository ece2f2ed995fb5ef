package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/alecthomas/kong"

	"gopush/client"
	"gopush/internal/config"
)

type subCmd struct {
	Keys      []string        `arg:"" name:"key" help:"Keys to subscribe to, each over a connection of its own."`
	Addr      string          `default:"127.0.0.1:6969" placeholder:"ADDR" help:"Public listener of a node: HOST:PORT, tls://HOST:PORT, ws://HOST:PORT or wss://HOST:PORT (${default}). Of a cluster several, with commas between them: when one is gone the next is tried."`
	Token     string          `env:"GOPUSH_TOKEN" placeholder:"TOKEN" help:"Token that opens the keys. Others can see a flag in the list of processes; the environment hides it"`
	After     string          `placeholder:"ID" help:"Begin after this message; 0: with the oldest that is kept. Without it: from now on."`
	JSON      bool            `name:"json" help:"Print each message as a JSON object: id, key, payload."`
	Count     int             `short:"n" placeholder:"N" help:"End after N messages (0: never)."`
	Heartbeat config.Duration `default:"30s" help:"How often a connection shows that it is alive; 30s to 1d."`

	TLS tlsFlags `embed:""`
}

// Help is printed behind the description.
func (*subCmd) Help() string {
	return `Prints each message on a line of its own, and what happens to the connections on standard error. A connection that is lost is made again and goes on after the last message printed. Of several keys, each line begins with the key and a tab. A text with line breaks or other control characters is printed in quotes with escapes.

    gopush sub alice bob
    gopush sub --after 0 --count 10 --json alice
    GOPUSH_TOKEN=secret gopush sub --addr wss://push.example.com alice
`
}

// Run prints messages until ctx ends, as many came as were asked for, or a key is refused.
func (s *subCmd) Run(ctx context.Context, app *kong.Kong) error {
	secured, err := s.TLS.config()
	if err != nil {
		return err
	}
	running, stop := context.WithCancelCause(ctx)
	messages := make(chan client.Message)
	status := log.New(app.Stderr, "gopush: ", 0)
	var subscriptions sync.WaitGroup
	for _, key := range s.Keys {
		subscriptions.Go(func() { stop(s.subscribe(running, key, secured, messages, status)) })
	}
	err = s.print(running, app.Stdout, messages)
	stop(nil)
	subscriptions.Wait()
	if ctx.Err() != nil {
		return nil // the user has seen enough
	}
	return err
}

// subscribe hands the messages of a key to the printer until ctx ends or the key is refused.
func (s *subCmd) subscribe(ctx context.Context, key string, secured *tls.Config, messages chan<- client.Message, status *log.Logger) error {
	cfg := client.Config{
		Addr: s.Addr, Key: key, Token: s.Token, After: s.After, Heartbeat: time.Duration(s.Heartbeat), TLS: secured,
		OnConnect: func(after string) { status.Printf("subscribed to %q after %s", key, after) },
		OnGap: func(g client.Gap) {
			status.Printf("%q: messages after %s and before %s are gone", key, g.After, g.From)
		},
		OnDisconnect: func(err error, pause time.Duration) {
			status.Printf("%q: %v; connecting again in %v", key, err, pause.Round(time.Millisecond))
		},
	}
	err := client.Subscribe(ctx, cfg, func(m client.Message) error {
		select {
		case messages <- m:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return fmt.Errorf("key %q: %w", key, err)
}

// print writes a line for each message until ctx ends or there are enough.
func (s *subCmd) print(ctx context.Context, out io.Writer, messages <-chan client.Message) error {
	for printed := 0; s.Count <= 0 || printed < s.Count; printed++ {
		select {
		case m := <-messages:
			if _, err := fmt.Fprintln(out, s.line(m)); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// line is what is printed of a message.
func (s *subCmd) line(m client.Message) string {
	switch {
	case s.JSON:
		return jsonLine(m)
	case len(s.Keys) > 1:
		return m.Key + "\t" + oneLine(m)
	}
	return oneLine(m)
}

// oneLine is the payload, quoted if it is a text that would be more than a line or could
// steer a terminal.
func oneLine(m client.Message) string {
	text := string(m.Payload)
	if m.Text && strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		return strconv.Quote(text)
	}
	return text
}

func jsonLine(m client.Message) string {
	payload := json.RawMessage(m.Payload)
	if m.Text {
		payload = encodeJSON(string(m.Payload))
	}
	return string(encodeJSON(struct {
		ID      string          `json:"id"`
		Key     string          `json:"key"`
		Payload json.RawMessage `json:"payload"`
	}{m.ID, m.Key, payload}))
}

// encodeJSON returns v, of which only JSON can be made, without needless escapes.
func encodeJSON(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
