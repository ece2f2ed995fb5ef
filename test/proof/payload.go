package proof

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// payloadOf returns the text of the number-th push to a key: it names itself, and follows from its arguments, so that a changed byte is
// seen. It has nothing that JSON or HTTP would write in another way.
func payloadOf(seed uint64, key, number int) string {
	draw := rand.New(rand.NewPCG(seed, uint64(key)<<32+uint64(number)))
	size := draw.IntN(60)
	switch draw.IntN(200) {
	case 0:
		size = 20_000 + draw.IntN(20_000)
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
		size = 1_000 + draw.IntN(3_000)
	}
	b := fmt.Appendf(nil, "%d:%d:", key, number)
	for range size {
		b = append(b, 'a'+byte(draw.Uint32()%26))
	}
	return string(b)
}

// numberIn returns which push a payload says it is of, and of which key.
func numberIn(text string) (key, number int, ok bool) {
	first, rest, ok1 := strings.Cut(text, ":")
	second, _, ok2 := strings.Cut(rest, ":")
	key, err1 := strconv.Atoi(first)
	number, err2 := strconv.Atoi(second)
	return key, number, ok1 && ok2 && err1 == nil && err2 == nil
}
