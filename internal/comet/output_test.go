package comet

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// Against a model: what is written leaves in order, and what waits is counted, except for what
// has no messages in it.
func TestAQueueCountsWhatWaits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var want []byte
		var counts []bool           // of each byte of want
		ends := make(map[int][]int) // messages by how many bytes must have left for them to have
		put, gone := 0, 0
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				b := rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "bytes")
				messages := rapid.IntRange(0, 3).Draw(t, "messages")
				q.put(b, messages)
				want = append(want, b...)
				for range b {
					counts = append(counts, messages > 0)
				}
				put += len(b)
				ends[put] = append(ends[put], messages)
			},
			"written": func(t *rapid.T) {
				n := rapid.IntRange(0, len(want)).Draw(t, "n")
				if len(want) == 0 {
					t.Skip("nothing waits")
				}
				if left := q.written(n); left != (n < len(want)) {
					t.Fatalf("written(%d) of %d bytes: left = %v", n, len(want), left)
				}
				want, counts = want[n:], counts[n:]
				gone += n
			},
			"": func(t *rapid.T) {
				var got []byte
				for _, c := range q.chunks {
					got = append(got, c.bytes...)
				}
				size, messages := 0, 0
				for _, c := range counts {
					if c {
						size++
					}
				}
				for end, m := range ends {
					if end > gone {
						messages += m[0]
					}
				}
				if !bytes.Equal(got, want) || q.bytes != size || q.messages != messages {
					t.Fatalf("%q waits, %d bytes and %d messages count; want %q, %d and %d",
						got, q.bytes, q.messages, want, size, messages)
				}
			},
		})
	})
}
