package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size. Its text is a whole number, alone or with KiB, MiB, GiB, TiB or PiB (or K, M,
// G, T, P, which mean the same): "1024" and "1KiB" are equal. It prints with the largest unit
// that leaves a whole number.
type Bytes int64

var errBytes = errors.New("a size is a number of bytes, as 4096, or with a unit, as 64KiB, 1MiB or 2GiB")

// units are the suffixes of Bytes, each 1024 times the one before it.
const units = "KMGTP"

// String returns b as UnmarshalText reads it.
func (b Bytes) String() string {
	unit := ""
	for i := 0; i < len(units) && b != 0 && b%1024 == 0; i++ {
		b /= 1024
		unit = units[i:i+1] + "iB"
	}
	return strconv.FormatInt(int64(b), 10) + unit
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; the case of the unit does not matter.
func (b *Bytes) UnmarshalText(text []byte) error {
	number, factor := splitUnit(string(text))
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return errBytes
	}
	*b = Bytes(n * factor)
	return nil
}

// splitUnit splits "64KiB" into "64" and 1024; without a unit the factor is 1.
func splitUnit(s string) (number string, factor int64) {
	upper := strings.ToUpper(strings.TrimSpace(s))
	number = strings.TrimSuffix(strings.TrimSuffix(upper, "IB"), "B")
	factor = 1
	for i, unit := range units {
		if n, found := strings.CutSuffix(number, string(unit)); found {
			return strings.TrimSpace(n), factor << (10 * (i + 1))
		}
	}
	return strings.TrimSpace(number), factor
}
