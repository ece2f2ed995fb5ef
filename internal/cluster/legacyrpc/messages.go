package legacyrpc

import (
	"context"
	"math"

	"gopush/internal/message"
)

// messages is the service MessageRPC: docs/protocol.md, "Legacy net/rpc".
type messages struct{ s *Server }

// SavePrivate stores a message.
func (m *messages) SavePrivate(args *MessageSavePrivateArgs, _ *int) error {
	return m.s.do("MessageRPC.SavePrivate", func(ctx context.Context) error {
		p, err := pushOf(args.Msg, args.Expire)
		if err != nil || args.MsgId < 0 {
			return errParam
		}
		if args.Expire == 0 {
			return m.s.checkKey(args.Key)
		}
		p.Mids = spanOf(args.MsgId)
		return m.s.pushOne(ctx, args.Key, p)
	})
}

// SavePrivates stores a message for several keys.
func (m *messages) SavePrivates(args *MessageSavePrivatesArgs, reply *MessageSavePrivatesResp) error {
	const method = "MessageRPC.SavePrivates"
	return m.s.do(method, func(ctx context.Context) error {
		p, err := pushOf(args.Msg, args.Expire)
		if err != nil || args.MsgId < 0 {
			return errParam
		}
		if args.Expire == 0 {
			return nil
		}
		p.Mids = spanOf(args.MsgId)
		reply.FKeys, err = m.s.pushMany(ctx, method, args.Keys, p)
		return err
	})
}

// spanOf returns the mids of a message that is to have mid: it, or the next multiple of message.MidStep, since the ids of
// gopush-cluster are none; 0: any.
func spanOf(mid int64) message.Span {
	if mid == 0 {
		return message.Span{}
	}
	mid = min(mid, math.MaxInt64-2*message.MidStep) // far ahead of any clock, too
	return message.Span{First: mid, Last: mid + message.MidStep - 1}
}

// GetPrivate answers the stored messages of a key after a mid, oldest first.
func (m *messages) GetPrivate(args *MessageGetPrivateArgs, reply *MessageGetResp) error {
	return m.s.do("MessageRPC.GetPrivate", func(ctx context.Context) error {
		if args.MsgId < 0 {
			return errParam
		}
		if err := m.s.checkKey(args.Key); err != nil {
			return err
		}
		err := m.s.read(ctx, args.Key, args.MsgId, reply)
		if err != nil {
			m.s.histories.Add(-reply.held) // an error is answered without it
		}
		return err
	})
}

// read fills reply page by page, within what all answers may hold.
func (s *Server) read(ctx context.Context, key string, after int64, reply *MessageGetResp) error {
	for after < math.MaxInt64 {
		page, err := s.cfg.Keys.Range(ctx, key, after+1, math.MaxInt64, false, 0, pageBytes)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := s.hold(page, reply); err != nil {
			return err
		}
		after = page[len(page)-1].Mid
	}
	return nil
}

// hold adds page to reply.
func (s *Server) hold(page []message.Message, reply *MessageGetResp) error {
	before := reply.held
	for i := range page {
		msg := page[i].AppendMsg(nil)
		reply.held += int64(len(msg))
		reply.Msgs = append(reply.Msgs, &Message{Msg: msg, MsgId: page[i].Mid, GroupId: uint(page[i].GID)})
	}
	switch all := s.histories.Add(reply.held - before); {
	case reply.held > s.cfg.MaxHistory:
		return errHistory
	case all > 4*s.cfg.MaxHistory:
		return errBusy
	}
	return nil
}

// DelPrivate removes what is stored for a key; its connections stay.
func (m *messages) DelPrivate(key string, _ *int) error {
	return m.s.do("MessageRPC.DelPrivate", func(ctx context.Context) error {
		if err := m.s.checkKey(key); err != nil {
			return err
		}
		_, err := m.s.cfg.Keys.Delete(ctx, key)
		return err
	})
}

// Ping answers.
func (m *messages) Ping(_ int, _ *int) error {
	return m.s.do("MessageRPC.Ping", nothing)
}
