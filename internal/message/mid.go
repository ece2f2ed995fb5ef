package message

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A mid counts ticks of 100 ns since the Unix epoch in steps of four, so that it is exact
// in a double until 2084 (docs/design.md, "Words").
const (
	MidStep   = 4
	MidTick   = 100 * time.Nanosecond
	midsPerMS = int64(time.Millisecond / MidTick)
)

// MidAt returns the first mid that is not before t.
func MidAt(t time.Time) int64 {
	ticks := t.Unix()*int64(time.Second/MidTick) + int64(t.Nanosecond())/int64(MidTick)
	return (ticks + MidStep - 1) &^ (MidStep - 1)
}

// MidTime returns the moment that mid stands for.
func MidTime(mid int64) time.Time {
	perSecond := int64(time.Second / MidTick)
	return time.Unix(mid/perSecond, mid%perSecond*int64(MidTick))
}

// NextMid returns the mid of a message accepted at now in a key whose last mid is last:
// the next multiple of MidStep that is at least now and above last.
func NextMid(now time.Time, last int64) int64 {
	return max(MidAt(now), (last+MidStep)&^(MidStep-1))
}

// FormatID returns mid as modern dialects show it: "MS-SEQ", with MS the milliseconds since
// the epoch and SEQ the rest, 0 to 9999. It sorts and counts as a Redis stream id.
func FormatID(mid int64) string { return string(AppendID(make([]byte, 0, 24), mid)) }

// AppendID appends what FormatID returns to dst.
func AppendID(dst []byte, mid int64) []byte {
	dst = strconv.AppendInt(dst, mid/midsPerMS, 10)
	dst = append(dst, '-')
	return strconv.AppendInt(dst, mid%midsPerMS, 10)
}

// ParseID reads what FormatID wrote. A missing "-SEQ" is sequence 0; a bare decimal of 16
// digits or more is a mid as legacy clients hold it.
func ParseID(s string) (int64, error) {
	head, tail, found := strings.Cut(s, "-")
	ms, err := parseDigits(head)
	if err != nil {
		return 0, fmt.Errorf("id %q: %w", s, err)
	}
	if !found && len(head) >= 16 {
		return ms, nil
	}
	seq := int64(0)
	if found {
		if seq, err = parseDigits(tail); err != nil {
			return 0, fmt.Errorf("id %q: %w", s, err)
		}
	}
	if seq >= midsPerMS || ms > (math.MaxInt64-seq)/midsPerMS {
		return 0, fmt.Errorf("id %q: out of range", s)
	}
	return ms*midsPerMS + seq, nil
}

// parseDigits reads decimal digits only: no sign, no space.
func parseDigits(s string) (int64, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("not MS-SEQ")
	}
	return strconv.ParseInt(s, 10, 64)
}
