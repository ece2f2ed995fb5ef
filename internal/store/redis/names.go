package redis

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// The kinds of names: what is kept of a key, in the order of KEYS in lua/record.lua, who owns it last; and its tokens.
const (
	kinds      = "rsxgco"
	recordKind = 'r'
	streamKind = 's'
	tokenKind  = 't'
	idemKind   = 'i'
	touchKind  = 'w'
)

// name returns the name of a kind of what is kept of key: "gopush:r{user 7}". What stands in the first braces decides where in a
// Redis Cluster it is, so a key that would end them at once stands behind others: "gopush:r{-}}seven.".
func (s *Store) name(kind byte, key string) string {
	if strings.HasPrefix(key, "}") {
		return s.cfg.Prefix + string(kind) + "{-}" + key + "."
	}
	return s.cfg.Prefix + string(kind) + "{" + key + "}"
}

// keyOf returns the key that name was made of, for a name of that kind.
func (s *Store) keyOf(kind byte, name string) (key string, ok bool) {
	key, ok = strings.CutPrefix(name, s.cfg.Prefix+string(kind)+"{")
	if !ok {
		return "", false
	}
	if key, ok := strings.CutSuffix(key, "}"); ok {
		return key, true
	}
	return strings.CutSuffix(strings.TrimPrefix(key, "-}"), ".")
}

// idemName returns the name of e's idempotency key: "gopush:i{user 7}" and 22 letters. It expires by itself.
func (s *Store) idemName(e *channel.Entry) string {
	id := e.IdemName()
	return s.name(idemKind, e.Key) + base64.RawURLEncoding.EncodeToString(id[:])
}

// names returns the names of all that is kept of key, for record.lua.
func (s *Store) names(key string) []string {
	names := make([]string, len(kinds))
	for i := range kinds {
		names[i] = s.name(kinds[i], key)
	}
	return names
}

// escapeGlob makes a pattern for SCAN of a prefix.
func escapeGlob(prefix string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(prefix)
}

// formatMid writes a mid as scripts compare it: 19 digits. None is below 0.
func formatMid(mid int64) string {
	digits := strconv.AppendInt(make([]byte, 0, 24), max(mid, 0), 10)
	return zeros[len(digits):] + string(digits)
}

const zeros = "0000000000000000000" // as many as a mid has digits

// parseMid reads a mid with 19 digits, or with as many as it has; "" is 0.
func parseMid(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseInt(s, 10, 64)
}

// formatID writes a mid as the id of an entry of a stream.
func formatID(mid int64) string { return message.FormatID(max(mid, 0)) }

// formatTime writes a moment in ms. What is later than message.Never is that.
func formatTime(t time.Time) string {
	return strconv.FormatInt(min(t.UnixMilli(), message.Never.UnixMilli()), 10)
}
