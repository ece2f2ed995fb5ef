package redis

import (
	"unicode/utf8"

	"gopush/internal/message"
)

const (
	textNoAuth    = "NOAUTH Authentication required."
	textNoKey     = "NOPERM this user has no permissions to access one of the keys used as arguments"
	textNoChannel = "NOPERM this user has no permissions to access one of the channels used as arguments"
)

// allowed tells whether c.session may have c carried out now. Otherwise it has replied, or c is to be checked first.
func (c *call) allowed() bool {
	return c.goodKeys()
}

// goodKeys tells whether the keys of c may be keys. Otherwise it has replied.
func (c *call) goodKeys() bool {
	if c.command.rights.has(unchecked) {
		return true
	}
	most := c.limits().MaxKeyBytes
	for i, end, step := c.command.keysOf(c.args); i < end; i += step {
		if plain(c.args[i], most) {
			continue
		}
		if err := message.CheckKey(string(c.args[i]), most); err != nil {
			c.failed(err)
			return false
		}
	}
	return true
}

// plain tells that key is good without an allocation, as it does of most.
func plain(key []byte, most int) bool {
	for _, b := range key {
		if b < ' ' || b >= utf8.RuneSelf-1 {
			return false
		}
	}
	return 0 < len(key) && len(key) <= most
}
