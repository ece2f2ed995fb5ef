package legacyrpc

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"time"

	"gopush/internal/message"
)

// What calls fail with, as gopush-cluster words it.
var (
	errParam = errors.New("parameter error")
	errToken = errors.New("token exist")
)

// What they fail with besides.
var (
	errHistory  = errors.New("too many messages for one answer, read them with /1/msg/get of a node")
	errBusy     = errors.New("too many messages are being read now, try again later")
	errInternal = errors.New("internal error, the log of the node has it")
	errPartly   = errors.New("some keys failed") // is no error for the caller, who is told which
)

// do carries out a call and counts it, and returns what its caller is told.
func (s *Server) do(method string, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), workTimeout)
	defer cancel()
	err := s.tell(method, work(ctx))
	s.cfg.Metrics.called(method, outcomeOf(err))
	if err == errPartly {
		return nil
	}
	return err
}

// tell returns err as a caller is told of it: what is wrong with the store, and where it is, is no business of callers.
func (s *Server) tell(method string, err error) error {
	switch {
	case err == nil, err == errHistory, err == errBusy, err == errPartly:
		return err
	case errors.Is(err, message.ErrKey):
		return errParam
	case isMistake(err):
		return err
	case errors.Is(err, message.ErrUnavailable):
		return message.ErrUnavailable
	case errors.Is(err, message.ErrUnknown), errors.Is(err, context.DeadlineExceeded):
		return message.ErrUnknown
	}
	s.cfg.Log.Error("net/rpc call failed", "method", method, "err", err)
	return errInternal
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return outcomeOK
	case err == errPartly:
		return outcomePartly
	case isMistake(err):
		return outcomeRefused
	}
	return outcomeFailed
}

// isMistake tells the caller's mistakes from failures.
func isMistake(err error) bool {
	mistakes := []error{errParam, errToken, message.ErrTooLarge, message.ErrMid, message.ErrMidAhead}
	return slices.ContainsFunc(mistakes, func(mistake error) bool { return errors.Is(err, mistake) })
}

func (s *Server) checkKey(key string) error {
	return message.CheckKey(key, s.cfg.Settings().MaxKeyBytes)
}

// pushOf returns the push that msg and expire ask for, without a key. They are what HTTP takes: exactly one JSON value, and seconds in 32 bits.
func pushOf(msg json.RawMessage, expire uint) (message.Push, error) {
	if expire > math.MaxUint32 || !json.Valid(msg) {
		return message.Push{}, errParam
	}
	return message.Push{Payload: msg, Expire: time.Duration(expire) * time.Second}, nil
}

// publish pushes p to each of keys once, and returns those that failed and why one of them did.
func (s *Server) publish(ctx context.Context, keys []string, p message.Push) (failed []string, why error) {
	good := make([]string, 0, len(keys))
	seen := make(map[string]bool, len(keys))
	for _, key := range keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		if err := s.checkKey(key); err != nil {
			failed, why = append(failed, key), err
			continue
		}
		good = append(good, key)
	}
	var late []string
	for some := range slices.Chunk(good, maxPushes) {
		for i, receipt := range s.cfg.Keys.Publish(ctx, pushesTo(some, p)) {
			switch {
			case receipt.Err == nil:
			case p.Mids != message.Span{} && errors.Is(receipt.Err, message.ErrMid):
				late = append(late, some[i])
			default:
				failed, why = append(failed, some[i]), receipt.Err
			}
		}
	}
	if late == nil {
		return failed, why
	}
	return s.publishLate(ctx, late, p, failed, why)
}

// publishLate is publish for keys that have mids above the one that p asks for: they get their next ones.
func (s *Server) publishLate(ctx context.Context, late []string, p message.Push, failed []string, why error) ([]string, error) {
	p.Mids = message.Span{}
	more, err := s.publish(ctx, late, p)
	if err != nil {
		why = err
	}
	return append(failed, more...), why
}

func pushesTo(keys []string, p message.Push) []message.Push {
	pushes := make([]message.Push, len(keys))
	for i, key := range keys {
		pushes[i] = p
		pushes[i].Key = key
	}
	return pushes
}

// pushOne is publish for one key.
func (s *Server) pushOne(ctx context.Context, key string, p message.Push) error {
	_, err := s.publish(ctx, []string{key}, p)
	return err
}

// pushMany is publish for an answer that names the keys that failed.
func (s *Server) pushMany(ctx context.Context, method string, keys []string, p message.Push) (failed []string, err error) {
	failed, why := s.publish(ctx, keys, p)
	if why == nil {
		return nil, nil
	}
	s.tell(method, why) // which logs what is ours
	return failed, errPartly
}
