package message_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gopush/internal/message"
)

// The rows are what redis-server 7.0.15 says.
func TestMatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, key string
		want         bool
	}{
		{"news", "news", true},
		{"news", "new", false},
		{"new", "news", false},
		{"", "", true},
		{"", "a", false},
		{"*", "", false},
		{"*", "anything\n", true},
		{"**", "a", true},
		{"news*", "news", true},
		{"news*", "news.sport", true},
		{"*.sport", "news.sport", true},
		{"*.sport", "news.sports", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"*a*", "b", false},
		{"?", "a", true},
		{"?", "ab", false},
		{"?", "é", false},
		{"??", "é", true},
		{"h[ae]llo", "hello", true},
		{"h[ae]llo", "hillo", false},
		{"h[^e]llo", "hallo", true},
		{"h[^e]llo", "hello", false},
		{"[a-c]", "b", true},
		{"[c-a]", "b", true},
		{"[a-c]", "d", false},
		{"[^a-c]", "d", true},
		{"[a-]", "]", true},
		{"[a-]", "-", false},
		{"[-a]", "-", true},
		{`[\-a]`, "-", true},
		{`[\]]`, "]", true},
		{`[a\-z]`, "b", false},
		{`[\`, `\`, true},
		{"[]a]", "]a]", false},
		{"[^]", "x", true},
		{"[", "[", false},
		{"[^", "x", true},
		{"[ab", "b", true},
		{"[ab", "bc", false},
		{"[a-", "-", true},
		{"x[*]*", "x*y", true},
		{"x[?]", "xy", false},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`\\`, `\`, true},
		{`\`, `\`, true},
		{`a\`, `a\`, true},
		{`\a`, "a", true},
		{"*[a-c]d*e", "xbdzcde", true},
	}
	for _, tt := range tests {
		if got := message.Match(tt.pattern, tt.key); got != tt.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tt.pattern, tt.key, got, tt.want)
		}
	}
}

// matches is what a star means, the slow way: it tries all that may follow one.
func matches(pattern, key string) bool {
	switch {
	case pattern == "":
		return key == ""
	case pattern[0] == '*':
		return matches(pattern[1:], key) || key != "" && matches(pattern, key[1:])
	case key == "":
		return false
	}
	size := 1
	switch {
	case pattern[0] == '[':
		size = max(strings.IndexByte(pattern, ']')+1, 1)
		if size == 1 {
			size = len(pattern)
		}
	case pattern[0] == '\\' && len(pattern) > 1:
		size = 2
	}
	return message.Match(pattern[:size], key[:1]) && matches(pattern[size:], key[1:])
}

func TestMatchTriesAllThatAStarMayStandFor(t *testing.T) {
	t.Parallel()
	pieces := rapid.SampledFrom([]string{"*", "*", "a", "b", "?", "[ab]", "[^a]", "[a-c]", `\*`, `\`, "c"})
	keys := rapid.StringOfN(rapid.SampledFrom([]rune("aabbc*")), 1, 10, -1)
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(pieces, 0, 8).Draw(t, "pattern"), "")
		key := keys.Draw(t, "key")
		if got, want := message.Match(pattern, key), matches(pattern, key); got != want {
			t.Fatalf("Match(%q, %q) = %v, want %v", pattern, key, got, want)
		}
	})
}

func FuzzMatch(f *testing.F) {
	for _, seed := range []string{"*", "[a-", "[^", `\`, "a*b?[c-d]"} {
		f.Add(seed, "abc")
	}
	f.Fuzz(func(t *testing.T, pattern, key string) {
		message.Match(pattern, key)
		escaped := ""
		for i := range len(key) {
			escaped += `\` + key[i:i+1]
		}
		if !message.Match(escaped, key) || !message.Match(escaped+"*", key+"x") {
			t.Fatalf("%q does not stand for %q", escaped, key)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	key := strings.Repeat("a", message.MaxKeyBytes)
	for name, pattern := range map[string]string{
		"prefix": "aaa*", "suffix": "*aaa", "worst": "*" + strings.Repeat("a", 127) + "b", "class": "*" + strings.Repeat("[b-z]", 50),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				message.Match(pattern, key)
			}
		})
	}
}
