package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"gopush/internal/message"
)

// pushV1 is POST /v1/push/{key}. docs/protocol.md, "The v1 API".
func pushV1(ctx context.Context, p *pusher, n *Node, key *keyLog, m *push) (mid int64, err error) {
	target := fmt.Sprintf("http://%s/v1/push/%s?expire=%d", n.Admin, url.PathEscape(key.name), m.expire)
	status, body, err := p.post(ctx, target, m)
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK {
		return 0, refusedV1(status, body)
	}
	return receipt(body, m)
}

// receipt reads what was answered to a push.
func receipt(body []byte, m *push) (mid int64, err error) {
	var got struct {
		ID     string
		Stored bool
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return 0, fmt.Errorf("answer %.100q: %w", body, err)
	}
	if got.Stored != m.stored {
		return 0, errMistake{fmt.Sprintf("stored is %t, want %t", got.Stored, m.stored)}
	}
	return message.ParseID(got.ID)
}

// refusedV1 tells what an error of the v1 API means.
func refusedV1(status int, body []byte) error {
	var got struct{ Error struct{ Code string } }
	text := fmt.Sprintf("%d %.200s", status, body)
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	switch got.Error.Code {
	case "unavailable", "no_node", "skipped":
		return errRefused{text}
	case "unknown", "internal":
		return fmt.Errorf("unknown: %s", text)
	}
	return errMistake{text}
}

// pushLegacy is POST /1/admin/push/private, which tells no mid. docs/protocol.md, "Admin paths".
func pushLegacy(ctx context.Context, p *pusher, n *Node, key *keyLog, m *push) (mid int64, err error) {
	target := fmt.Sprintf("http://%s/1/admin/push/private?key=%s&expire=%d", n.Admin, url.QueryEscape(key.name), m.expire)
	status, body, err := p.post(ctx, target, m)
	if err != nil {
		return 0, err
	}
	var got struct{ Ret int }
	if err := json.Unmarshal(body, &got); err != nil {
		return 0, fmt.Errorf("answer %d %.100q: %w", status, body, err)
	}
	switch {
	case status != http.StatusOK:
		return 0, refusedV1(status, body)
	case got.Ret == 0:
		return 0, nil
	case got.Ret == 1001:
		return 0, errRefused{"no node"}
	case got.Ret == 65534:
		return 0, errMistake{string(body)}
	}
	return 0, fmt.Errorf("ret %d", got.Ret)
}

// post sends a push.
func (p *pusher) post(ctx context.Context, target string, m *push) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(m.sent()))
	if err != nil {
		return 0, nil, err
	}
	req.GetBody = nil // the transport tries nothing again: we do, and count
	if m.idem != "" {
		req.Header.Set("Idempotency-Key", m.idem)
	}
	if key := p.r.cfg.Topology.APIKey; key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := p.http.Do(req)
	if dial := new(net.OpError); errors.As(err, &dial) && dial.Op == "dial" {
		return 0, nil, errRefused{err.Error()}
	}
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}
