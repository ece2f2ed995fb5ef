package legacyrpc

// maxUintBytes is the longest number that may be sent, without the byte that says how long it is: ids of types and
// lengths are far below.
const maxUintBytes = 4

// scanner takes what gob writes off the start of a piece of a message. After it met something that cannot be, bad or short
// is set and all it takes is zero.
type scanner struct {
	rest  []byte
	short bool // there is not enough; more may make it good
	bad   bool // a number that is too long
}

func (s *scanner) failed() bool { return s.short || s.bad }

// uint takes an unsigned number: one byte below 128, or a byte that says how many follow, negated, and these, the highest first.
func (s *scanner) uint() (n uint64) {
	if s.failed() {
		return 0
	}
	if len(s.rest) == 0 {
		s.short = true
		return 0
	}
	size := uintBytes(s.rest[0])
	switch {
	case size > maxUintBytes:
		s.bad = true
		return 0
	case len(s.rest) < 1+size:
		s.short = true
		return 0
	case size == 0:
		n = uint64(s.rest[0])
	}
	for _, b := range s.rest[1 : 1+size] {
		n = n<<8 | uint64(b)
	}
	s.rest = s.rest[1+size:]
	return n
}

// uintBytes returns how many bytes follow the first one of an unsigned number.
func uintBytes(first byte) int {
	if first < 0x80 {
		return 0
	}
	return -int(int8(first))
}

// int takes a number whose lowest bit says that it is to be complemented.
func (s *scanner) int() int64 {
	n := s.uint()
	if n&1 != 0 {
		return ^int64(n >> 1)
	}
	return int64(n >> 1)
}

// skip takes a string.
func (s *scanner) skip() {
	n := s.uint()
	if n > uint64(len(s.rest)) {
		s.short = true
	}
	if !s.failed() {
		s.rest = s.rest[n:]
	}
}

// fields takes a struct of at most most fields, and has take take each value by the number of its field, which is from 1 to most.
func (s *scanner) fields(most int, take func(field int)) {
	for at := 0; ; {
		delta := s.uint()
		if delta == 0 || s.failed() {
			return
		}
		if delta > uint64(most-at) {
			s.bad = true
			return
		}
		at += int(delta)
		take(at)
	}
}

// sizeOfInt returns how many bytes gob writes for n.
func sizeOfInt(n int64) int {
	u := uint64(n) << 1
	if n < 0 {
		u = uint64(^n)<<1 | 1
	}
	if u < 0x80 {
		return 1
	}
	size := 1
	for ; u > 0; u >>= 8 {
		size++
	}
	return size
}
