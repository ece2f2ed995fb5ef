package comet

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Against a model: what is written leaves in order, and what waits is counted, except for what
// has no messages in it or is being written.
func TestAQueueCountsWhatWaits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var s scales
		frames := &held{size: 100}
		var want []chunk
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				b := rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "bytes")
				messages := rapid.IntRange(0, 3).Draw(t, "messages")
				c := chunk{bytes: b, messages: int32(messages), own: uint32(cap(b))}
				if rapid.Bool().Draw(t, "shared") {
					c.own, c.of = 0, frames
				}
				q.put(&s, c)
				want = append(want, c)
			},
			"lend": func(t *rapid.T) {
				most := rapid.IntRange(0, 30).Draw(t, "most")
				got, waits := slices.Concat(q.lend(most)...), allBytes(want)
				if !bytes.Equal(got, waits[:min(most, len(waits))]) {
					t.Fatalf("lend(%d) of %q = %q", most, waits, got)
				}
				for i := 0; i < len(want) && most > 0; i++ {
					want[i].messages = 0
					most -= len(want[i].bytes)
				}
			},
			"written": func(t *rapid.T) {
				all := allBytes(want)
				n := rapid.IntRange(0, len(all)).Draw(t, "n")
				if left := q.written(&s, n); left != (n < len(all)) {
					t.Fatalf("written(%d) of %d bytes: left = %v", n, len(all), left)
				}
				for ; len(want) > 0 && n >= len(want[0].bytes); want = want[1:] {
					n -= len(want[0].bytes)
				}
				if n > 0 {
					want[0].bytes = want[0].bytes[n:]
				}
			},
			"": func(t *rapid.T) {
				size, messages, own, shared, total := 0, 0, 0, 0, int64(0)
				for _, c := range want {
					if messages += int(c.messages); c.messages > 0 {
						size += len(c.bytes)
					}
					if own += int(c.own); c.of != nil {
						shared += len(c.bytes)
						total = int64(c.of.size)
					}
				}
				if q.own != own || q.shared != shared || s.total != total {
					t.Fatalf("it holds %d bytes alone and %d with others, who hold %d; want %d, %d and %d", q.own, q.shared, s.total, own, shared, total)
				}
				if got := allBytes(q.chunks); !bytes.Equal(got, allBytes(want)) || q.bytes != size || q.messages != messages {
					t.Fatalf("%q waits, %d bytes and %d messages count; want %q, %d and %d",
						got, q.bytes, q.messages, allBytes(want), size, messages)
				}
			},
		})
	})
}

func allBytes(chunks []chunk) (all []byte) {
	for _, c := range chunks {
		all = append(all, c.bytes...)
	}
	return all
}
