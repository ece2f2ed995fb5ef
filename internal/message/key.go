package message

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxKeyBytes is the length of the longest key that any setting may allow.
const MaxKeyBytes = 255

// ErrKey is what a bad key fails with.
var ErrKey = errors.New("bad key")

// CheckKey returns nil for a key of 1 to maxBytes bytes of UTF-8 without control
// characters, else an ErrKey that says what is wrong with it.
func CheckKey(key string, maxBytes int) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: empty", ErrKey)
	case len(key) > maxBytes:
		return fmt.Errorf("%w: %d bytes, max_key_bytes is %d", ErrKey, len(key), maxBytes)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: not UTF-8", ErrKey)
	}
	for _, r := range key {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: control character %U", ErrKey, r)
		}
	}
	return nil
}
