package config

import (
	"errors"
	"slices"
	"strings"
)

// SlowConsumers is what becomes of messages to keys with a prefix that connections do not read. Its text is PREFIX=POLICY.
type SlowConsumers struct {
	Prefix string // may be empty: all keys that no other prefix fits
	Policy string // close, drop or latest
}

// slowPolicies are the words for a policy.
var slowPolicies = [...]string{"close", "drop", "latest"}

var errSlowConsumers = errors.New("a policy is PREFIX=close, PREFIX=drop or PREFIX=latest, as ticker/=latest")

// String returns s as UnmarshalText reads it.
func (s SlowConsumers) String() string { return s.Prefix + "=" + s.Policy }

// MarshalText implements encoding.TextMarshaler.
func (s SlowConsumers) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The prefix may have = in it.
func (s *SlowConsumers) UnmarshalText(text []byte) error {
	at := strings.LastIndexByte(string(text), '=')
	if at < 0 || !slices.Contains(slowPolicies[:], string(text[at+1:])) {
		return errSlowConsumers
	}
	*s = SlowConsumers{Prefix: string(text[:at]), Policy: string(text[at+1:])}
	return nil
}
