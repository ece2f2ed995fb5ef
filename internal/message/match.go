package message

// Match tells whether pattern stands for key by the rules of Redis, byte by byte: * is any bytes, ? one, [abc] one of
// these, [^abc] none of them, [a-z] one of a range, \x is x itself, also within brackets. Brackets that do not end do so
// with the pattern.
//
// It costs len(pattern) times len(key) at most, and nearly always their sum: only the last star is tried again.
func Match(pattern, key string) bool {
	if key == "" {
		return pattern == "" // as in Redis, where a star does not stand for nothing alone
	}
	p, retry := 0, -1 // retry: behind the last star
	for k, from := 0, 0; k < len(key); {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			retry, from = p, k
			continue
		}
		if size, ok := matchByte(pattern[p:], key[k]); ok {
			p, k = p+size, k+1
			continue
		}
		if retry < 0 {
			return false
		}
		if retry == len(pattern) {
			return true
		}
		from++
		p, k = retry, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchByte tells whether what pattern begins with, no star, stands for c, and how long that is.
func matchByte(pattern string, c byte) (size int, ok bool) {
	switch {
	case pattern == "":
		return 0, false
	case pattern[0] == '?':
		return 1, true
	case pattern[0] == '[':
		return matchClass(pattern, c)
	case pattern[0] == '\\' && len(pattern) > 1:
		return 2, pattern[1] == c
	}
	return 1, pattern[0] == c
}

// matchClass is matchByte of a pattern that begins with a bracket.
func matchClass(pattern string, c byte) (size int, ok bool) {
	at := 1
	not := len(pattern) > 1 && pattern[1] == '^'
	if not {
		at++
	}
	found := false
	for at < len(pattern) && pattern[at] != ']' {
		low, high := pattern[at], pattern[at]
		switch rest := pattern[at:]; {
		case rest[0] == '\\' && len(rest) > 1:
			low, high = rest[1], rest[1]
			at += 2
		case len(rest) > 2 && rest[1] == '-':
			low, high = min(rest[0], rest[2]), max(rest[0], rest[2])
			at += 3
		default:
			at++
		}
		found = found || low <= c && c <= high
	}
	return min(at+1, len(pattern)), found != not
}
