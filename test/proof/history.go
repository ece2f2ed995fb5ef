package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"gopush/internal/message"
)

// kept is a message as it is read back from the store.
type kept struct {
	mid    int64
	number int // of the push; -1: there is none
}

// history reads all that is stored for a key from a node, page by page.
func (r *run) history(ctx context.Context, n *Node, key *keyLog) (all []kept, err error) {
	for after := "0"; after != ""; {
		var page struct {
			Messages []struct {
				ID      string
				Payload json.RawMessage
				Base64  []byte // instead, where the payload is not JSON
			}
			Next string
		}
		target := fmt.Sprintf("http://%s/v1/keys/%s/messages?limit=1000&after=%s", n.Admin, url.PathEscape(key.name), after)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return nil, err
		}
		if err := r.do(req, &page); err != nil {
			return nil, fmt.Errorf("history of %q at %s: %w", key.name, n.Name, err)
		}
		for _, m := range page.Messages {
			mid, err := message.ParseID(m.ID)
			if err != nil {
				return nil, err
			}
			text := string(m.Payload)
			if m.Payload == nil {
				text = string(m.Base64)
			}
			all = append(all, kept{mid, r.recognize(key, mid, text)})
		}
		after = page.Next
	}
	return all, nil
}

// recognize returns which push a stored message is of, and finds what is wrong with its payload; -1: none.
func (r *run) recognize(key *keyLog, mid int64, text string) int {
	_, number, _ := numberIn(strings.Trim(text, `"`))
	if p := key.pushed(number); p != nil && text == p.sent() {
		return number
	}
	r.ledger.find(Wrong, "%q: mid %d is stored with a payload that nobody pushed: %.100q", key.name, mid, text)
	return -1
}

// do makes a call of the admin API and reads the answer into out, if that is not nil.
func (r *run) do(req *http.Request, out any) error {
	if key := r.cfg.Topology.APIKey; key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %.200s", resp.Status, body)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}
