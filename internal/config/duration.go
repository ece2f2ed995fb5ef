package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time. Its text is that of time.Duration, with d for days of 24 hours in
// front of the other units: "7d", "1d12h", "1m30s", "250ms".
type Duration time.Duration

var errDuration = errors.New("a duration is a number with a unit, as 250ms, 5s, 10m, 12h or 7d")

const day = 24 * time.Hour

// String returns d as UnmarshalText reads it, without units that are zero.
func (d Duration) String() string {
	rest := time.Duration(d)
	days := ""
	if n := rest / day; n > 0 {
		days = strconv.FormatInt(int64(n), 10) + "d"
		if rest %= day; rest == 0 {
			return days
		}
	}
	text := rest.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return days + text
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. A negative duration is an error.
func (d *Duration) UnmarshalText(text []byte) error {
	var total time.Duration
	rest := strings.TrimSpace(string(text))
	if days, after, found := strings.Cut(rest, "d"); found {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return errDuration
		}
		total, rest = time.Duration(n)*day, after
		if rest == "" {
			*d = Duration(total)
			return nil
		}
	}
	parsed, err := time.ParseDuration(rest)
	if err != nil || parsed < 0 || total+parsed < total {
		return errDuration
	}
	*d = Duration(total + parsed)
	return nil
}
