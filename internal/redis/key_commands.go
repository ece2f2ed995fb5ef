package redis

import (
	"context"
	"math"
	"strconv"
	"time"

	"gopush/internal/message"
)

// keyCommands are those about keys, whatever they hold.
func keyCommands() []command {
	const read, aclRead = "readonly fast", "keyspace read fast"
	group := func(summary, since string) about { return about{summary, since, "generic"} }
	all := keys{first: 1, last: -1, step: 1}
	return []command{
		{
			name: "exists", arity: -2, flags: read, categories: aclRead, keys: all,
			about: group("Determine if a key exists", "1.0.0"), do: exists,
		},
		{
			name: "type", arity: 2, flags: read, categories: aclRead, keys: oneKey(),
			about: group("Determine the type stored at key", "1.0.0"), do: typeOf,
		},
		{
			name: "ttl", arity: 2, flags: read, categories: aclRead, keys: oneKey(),
			about: group("Get the time to live for a key in seconds", "1.0.0"),
			do:    ttl(func(left time.Duration) int64 { return (left.Milliseconds() + 500) / 1000 }),
		},
		{
			name: "pttl", arity: 2, flags: read, categories: aclRead, keys: oneKey(),
			about: group("Get the time to live for a key in milliseconds", "2.6.0"), do: ttl(time.Duration.Milliseconds),
		},
		{
			name: "del", arity: -2, flags: "write", categories: "keyspace write slow", keys: all, rights: adminOnly,
			about: group("Delete a key", "1.0.0"), do: del,
		},
		{
			name: "unlink", arity: -2, flags: "write fast", categories: "keyspace write fast", keys: all, rights: adminOnly,
			about: group("Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.", "4.0.0"), do: del,
		},
		{
			name: "scan", arity: -2, flags: "readonly", categories: "keyspace read slow", rights: adminOnly,
			about: group("Incrementally iterate the keys space", "2.8.0"), do: scan,
		},
		{
			name: "dbsize", arity: 1, flags: read, categories: aclRead, rights: adminOnly,
			about: about{"Return the number of keys in the selected database", "1.0.0", "server"}, do: dbSize,
		},
		{
			name: "memory", arity: -2, categories: "slow",
			about: about{"A container for memory diagnostics commands", "4.0.0", "server"},
			subcommands: []command{
				{
					name: "usage", arity: -3, flags: "readonly", categories: "read slow", keys: subKey(),
					about: about{"Estimate the memory usage of a key", "4.0.0", "server"}, do: memoryUsage,
				},
				helpCommand("memory", "slow", []string{
					"USAGE <key> [SAMPLES <count>]",
					"    Return the bytes that the stored messages of <key> take, by up to <count> of them",
					"    (default: 5, 0 means many).",
				}),
			},
		},
	}
}

// texts copies args.
func texts(args [][]byte) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = string(arg)
	}
	return out
}

func exists(c *call) {
	keys, names := c.server.cfg.Keys, texts(c.args[1:])
	c.work(func(ctx context.Context, r *reply) {
		n := int64(0)
		for _, name := range names {
			info, err := keys.Info(ctx, name)
			if err != nil {
				r.failed(err)
				return
			}
			if info.Exists {
				n++
			}
		}
		r.int(n)
	})
}

// ask has answer reply with what is known of the key that is the nth argument.
func (c *call) ask(n int, answer func(ctx context.Context, r *reply, key string, info message.KeyInfo)) {
	keys, key := c.server.cfg.Keys, string(c.args[n])
	c.work(func(ctx context.Context, r *reply) {
		info, err := keys.Info(ctx, key)
		if err != nil {
			r.failed(err)
			return
		}
		answer(ctx, r, key, info)
	})
}

func typeOf(c *call) {
	c.ask(1, func(_ context.Context, r *reply, _ string, info message.KeyInfo) {
		if info.Exists {
			r.simple("stream")
		} else {
			r.simple("none")
		}
	})
}

// ttl replies how long that of the newest messages of a key is kept that is kept longest: -1 if without an end, or if there is none; -2 if there is no key.
func ttl(count func(left time.Duration) int64) func(*call) {
	return func(c *call) {
		server := c.server
		c.ask(1, func(ctx context.Context, r *reply, key string, info message.KeyInfo) {
			if !info.Exists {
				r.int(-2)
				return
			}
			last, err := server.lastExpiry(ctx, key)
			switch {
			case err != nil:
				r.failed(err)
			case last.IsZero(), last.Equal(message.Never):
				r.int(-1)
			default:
				r.int(count(max(0, last.Sub(server.cfg.Now()))))
			}
		})
	}
}

// Of what is looked at of a key's messages to tell something of all: whoever asks, of however much, it costs a page.
const (
	pageMessages = 256
	pageBytes    = 1 << 20
)

// newest returns a page of the stored messages of key, newest first.
func (s *Server) newest(ctx context.Context, key string) ([]message.Message, error) {
	return s.cfg.Keys.Range(ctx, key, 0, math.MaxInt64, true, pageMessages, pageBytes)
}

// lastExpiry returns when the last of key's newest messages is forgotten; zero: it has none.
func (s *Server) lastExpiry(ctx context.Context, key string) (last time.Time, err error) {
	page, err := s.newest(ctx, key)
	for i := range page {
		if m := &page[i]; m.Expires.After(last) {
			last = m.Expires
		}
	}
	return last, err
}

func del(c *call) {
	keys, names := c.server.cfg.Keys, texts(c.args[1:])
	c.work(func(ctx context.Context, r *reply) {
		deleted := int64(0)
		for _, name := range names {
			info, err := keys.Info(ctx, name)
			if err == nil && info.Exists {
				_, err = keys.Delete(ctx, name)
				deleted++
			}
			if err != nil {
				r.failed(err)
				return
			}
		}
		r.int(deleted)
	})
}

// dbSize counts the keys, as far as the time for a command goes.
func dbSize(c *call) {
	keys := c.server.cfg.Keys
	c.work(func(ctx context.Context, r *reply) {
		n, cursor := 0, ""
		for {
			page, next, err := keys.Keys(ctx, cursor, maxScanned)
			if err == nil && next != "" {
				err = ctx.Err()
			}
			if err != nil {
				r.failed(err)
				return
			}
			n += len(page)
			if cursor = next; cursor == "" {
				r.int(int64(n))
				return
			}
		}
	})
}

// bytesOfMessage is about what a stored message takes beside its payload.
const bytesOfMessage = 64

// memoryUsage is MEMORY USAGE key [SAMPLES n].
func memoryUsage(c *call) {
	samples := 5
	switch options := c.args[3:]; {
	case len(options) == 0:
	case len(options) != 2 || !is(options[0], "SAMPLES"):
		c.syntax()
		return
	default:
		n, err := strconv.ParseInt(string(options[1]), 10, 32)
		if err != nil {
			c.error(textNotInt)
			return
		}
		if n < 0 {
			c.syntax()
			return
		}
		samples = int(n)
	}
	server := c.server
	c.ask(2, func(ctx context.Context, r *reply, key string, info message.KeyInfo) {
		if !info.Exists {
			r.null()
			return
		}
		page, err := server.newest(ctx, key)
		if err != nil {
			r.failed(err)
			return
		}
		if samples > 0 {
			page = page[:min(samples, len(page))]
		}
		n := size(page) + len(page)*bytesOfMessage
		if len(page) > 0 {
			n = n * max(info.Stored, len(page)) / len(page)
		}
		r.int(int64(len(key) + bytesOfMessage + n))
	})
}
