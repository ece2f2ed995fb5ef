package redis

import (
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"gopush/internal/message"
)

// parseEntry reads a message from an entry of a stream: its id, and the fields that append.lua wrote. The payload is a copy.
func parseEntry(key string, e *rueidis.RedisMessage) (m message.Message, err error) {
	parts, err := e.ToArray()
	if err != nil || len(parts) == 0 {
		return m, fmt.Errorf("an entry of %q is no entry of a stream: %v", key, err)
	}
	m.Key = key
	if m.Mid, err = parseID(&parts[0]); err != nil || len(parts) == 1 {
		return m, err
	}
	fields, err := parts[1].ToArray()
	if err != nil {
		return m, fmt.Errorf("message %d of %q: %w", m.Mid, key, err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if err := setField(&m, &fields[i], &fields[i+1]); err != nil {
			return m, fmt.Errorf("message %d of %q: %w", m.Mid, key, err)
		}
	}
	return m, nil
}

func parseID(r *rueidis.RedisMessage) (int64, error) {
	id, err := r.ToString()
	if err != nil {
		return 0, err
	}
	return message.ParseID(id)
}

func setField(m *message.Message, name, value *rueidis.RedisMessage) error {
	n, err := name.ToString()
	if err != nil {
		return err
	}
	v, err := value.ToString()
	if err != nil {
		return err
	}
	if n == "v" {
		m.Payload = []byte(v)
		return nil
	}
	number, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return err
	}
	switch n {
	case "p":
		m.Prev = number
	case "x":
		m.Expires = time.UnixMilli(number)
	case "g":
		m.GID = int(number)
	case "f":
		m.Form = message.Form(number)
	}
	return nil
}
