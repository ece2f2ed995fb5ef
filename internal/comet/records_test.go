package comet

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// However a stream of records comes, what is given away ends where a head or a record does, and nothing is lost.
func TestRecordsAreGivenAwayOneByOne(t *testing.T) {
	t.Parallel()
	for range 200 {
		var stream []byte
		ends := map[int]bool{0: true} // of heads and records
		for range 1 + rand.IntN(20) {
			body := bytes.Repeat([]byte{byte(rand.Int())}, rand.IntN(1<<rand.IntN(15)))
			stream = binary.BigEndian.AppendUint16(append(stream, 23, 3, 3), uint16(len(body)))
			ends[len(stream)] = true
			stream = append(stream, body...)
			ends[len(stream)] = true
		}
		var given, passing records
		dst := make([]byte, 1+rand.IntN(1<<15))
		for at := 0; at < len(stream); {
			src := stream[at:min(len(stream), at+1+rand.IntN(1<<12))]
			n := given.take(dst, src)
			if n == 0 || !bytes.Equal(dst[:n], src[:n]) {
				t.Fatalf("take at %d of %d gave %d bytes of %d", at, len(stream), n, len(src))
			}
			for between := at + 1; between < at+n; between++ {
				if ends[between] {
					t.Fatalf("take at %d gave %d bytes, over the end of a head or record at %d", at, n, between)
				}
			}
			passing.pass(src[:n])
			if at += n; given != passing {
				t.Fatalf("at %d: %+v where bytes pass, %+v where they are given", at, passing, given)
			}
		}
	}
}

// What is no TLS is told by its first bytes, whatever follows.
func FuzzBeginsTLS(f *testing.F) {
	for _, b := range []string{"\x16\x03\x01\x00\x02ab", "\x16\x03\x01\x00", "GET / HTTP/1.1\r\n", "*1\r\n", "\x16\x03\x03\xff\xffa", "\x16"} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		whole, err := beginsTLS(b)
		if err != nil && whole {
			t.Fatalf("beginsTLS(%q) = true, %v", b, err)
		}
		if more, moreErr := beginsTLS(append(bytes.Clone(b), 1, 2, 3)); whole && !more || err != nil && moreErr == nil {
			t.Fatalf("beginsTLS(%q) = %v, %v; with more %v, %v", b, whole, err, more, moreErr)
		}
	})
}
