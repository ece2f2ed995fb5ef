package client

import (
	"encoding/json"
	"fmt"

	"gopush/internal/message"
)

// Message is one message of a key.
type Message struct {
	Key  string // that was subscribed to
	ID   string // "MS-SEQ", for Config.After; MS is the time of the push in milliseconds since the Unix epoch
	Mid  int64  // the same as a number: 100 ns ticks since the Unix epoch, growing within a key
	Prev int64  // mid of the last stored message of the key before this one; 0: none
	GID  int    // 0: private, 1: public

	// Payload is what was pushed, and the callback's to keep: the bytes of a text, or a JSON value
	// without white space between its tokens.
	Payload []byte
	// Text tells that Payload is a text and no JSON value. The wire has one form for the text hi
	// and the JSON string "hi", so both are the text hi.
	Text bool
}

// Gap tells that stored messages are gone before they could be delivered: they were
// trimmed, expired or deleted, or the server's record does not go back that far.
type Gap struct {
	After string // id of the last message that was delivered, or the position that was resumed after
	From  string // id of the oldest message that can still be had, or of the key's last if none is left; "0-0" if that is unknown too
}

// decodeMessage reads what the server sends for one message.
// docs/protocol.md, "legacy message".
func decodeMessage(key string, data []byte) (Message, error) {
	var wire struct {
		Msg  json.RawMessage `json:"msg"`
		Mid  int64           `json:"mid"`
		GID  int             `json:"gid"`
		Prev int64           `json:"prev"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return Message{}, fmt.Errorf("%w: message: %w", errProtocol, err)
	}
	if wire.Mid <= 0 || len(wire.Msg) == 0 {
		return Message{}, fmt.Errorf("%w: message without mid or msg", errProtocol)
	}
	m := Message{Key: key, ID: message.FormatID(wire.Mid), Mid: wire.Mid, Prev: wire.Prev, GID: wire.GID, Payload: wire.Msg}
	if wire.Msg[0] != '"' {
		return m, nil
	}
	var text string
	if err := json.Unmarshal(wire.Msg, &text); err != nil {
		return Message{}, fmt.Errorf("%w: message text: %w", errProtocol, err)
	}
	m.Payload, m.Text = []byte(text), true
	return m, nil
}
