package legacyrpc

import (
	"context"
	"errors"
	"time"

	"gopush/internal/message"
)

// comet is the service CometRPC: docs/protocol.md, "Legacy net/rpc".
type comet struct{ s *Server }

// New lets a token in for a key.
func (c *comet) New(args *CometNewArgs, _ *int) error {
	return c.s.do("CometRPC.New", func(ctx context.Context) error {
		if err := c.s.checkKey(args.Key); err != nil || c.s.cfg.Tokens == nil {
			return err
		}
		return register(ctx, c.s.cfg.Tokens, args)
	})
}

func register(ctx context.Context, tokens Tokens, args *CometNewArgs) error {
	lifetime, ok := lifetimeOf(args.Expire)
	if !ok || message.CheckKey(args.Token, maxTokenBytes) != nil {
		return errParam
	}
	switch _, err := tokens.Check(ctx, args.Key, args.Token); {
	case err == nil:
		return errToken
	case !errors.Is(err, message.ErrUnknownKey) && !errors.Is(err, message.ErrToken):
		return err
	}
	_, _, err := tokens.Register(ctx, args.Key, args.Token, lifetime)
	return err
}

const (
	// maxTokenBytes is the longest token, by the rules of keys besides.
	maxTokenBytes = 255
	// maxLifetime is the longest that a token may be asked to live.
	maxLifetime = 100 * 365 * 24 * time.Hour
)

// lifetimeOf returns the lifetime of a token that is to live so many seconds.
func lifetimeOf(seconds int64) (lifetime time.Duration, ok bool) {
	if seconds < 0 || seconds > int64(maxLifetime/time.Second) {
		return 0, false
	}
	return time.Duration(seconds) * time.Second, true
}

// Close forgets the tokens of a key and closes its connections.
func (c *comet) Close(key string, _ *int) error {
	return c.s.do("CometRPC.Close", func(ctx context.Context) error {
		if err := c.s.checkKey(key); err != nil {
			return err
		}
		if c.s.cfg.Tokens != nil {
			if _, _, err := c.s.cfg.Tokens.Revoke(ctx, key); err != nil {
				return err
			}
		}
		_, err := c.s.cfg.Keys.Kick(ctx, key)
		return err
	})
}

// PushPrivate pushes a message to a key.
func (c *comet) PushPrivate(args *CometPushPrivateArgs, _ *int) error {
	return c.s.do("CometRPC.PushPrivate", func(ctx context.Context) error {
		p, err := pushOf(args.Msg, args.Expire)
		if err != nil {
			return err
		}
		return c.s.pushOne(ctx, args.Key, p)
	})
}

// PushPrivates pushes a message to several keys.
func (c *comet) PushPrivates(args *CometPushPrivatesArgs, reply *CometPushPrivatesResp) error {
	const method = "CometRPC.PushPrivates"
	return c.s.do(method, func(ctx context.Context) error {
		p, err := pushOf(args.Msg, args.Expire)
		if err != nil {
			return err
		}
		reply.FKeys, err = c.s.pushMany(ctx, method, args.Keys, p)
		return err
	})
}

// Migrate does nothing: the registry tells of the nodes, and who is connected to another one than the owner stays.
func (c *comet) Migrate(_ *CometMigrateArgs, _ *int) error {
	return c.s.do("CometRPC.Migrate", nothing)
}

// Ping answers.
func (c *comet) Ping(_ int, _ *int) error {
	return c.s.do("CometRPC.Ping", nothing)
}

func nothing(context.Context) error { return nil }
