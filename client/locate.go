package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"gopush/internal/message"
)

// maxTimeAnswer bounds what is read of the answer to a question for the time.
const maxTimeAnswer = 4 << 10

// locate finds the position to begin at, once: now, by the server's clock. A key's mids come
// from the same clock and only grow, so whatever is pushed from now on is above it.
// docs/protocol.md, "time/get".
func (s *subscription) locate(ctx context.Context) error {
	if s.located {
		return nil
	}
	now, err := s.serverTime(ctx)
	if err != nil {
		return fmt.Errorf("ask %s for its time: %w", s.addr().host, err)
	}
	s.last, s.located = now&^(message.MidStep-1)-message.MidStep, true
	return nil
}

// serverTime asks the node for its clock, in ticks of 100 ns since the Unix epoch.
func (s *subscription) serverTime(ctx context.Context) (int64, error) {
	conn, err := s.addr().dial(ctx, &s.cfg)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	resp, _, err := exchange(conn, s.addr().request("1/time/get"))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, withRetry(fmt.Errorf("HTTP status %s", resp.Status), resp)
	}
	var answer struct {
		Ret  int `json:"ret"`
		Data struct {
			TimeID int64 `json:"timeid"`
		} `json:"data"`
	}
	body := io.LimitReader(resp.Body, maxTimeAnswer)
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("%w: time: %w", errProtocol, err)
	}
	if answer.Ret != 0 || answer.Data.TimeID < message.MidStep {
		return 0, fmt.Errorf("%w: time %d, ret %d", errProtocol, answer.Data.TimeID, answer.Ret)
	}
	return answer.Data.TimeID, nil
}
