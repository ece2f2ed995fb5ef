package wire_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	"gopush/internal/message"
	"gopush/internal/wire"
)

func limits() wire.Limits { return wire.Limits{MaxKeyBytes: 20, MinHeartbeat: 30 * time.Second} }

func args(text ...string) [][]byte {
	out := make([][]byte, len(text))
	for i, s := range text {
		out[i] = []byte(s)
	}
	return out
}

// query asks for the same as the command, with the parameters that it has arguments for.
func query(args [][]byte) url.Values {
	q := url.Values{"unknown": {"x"}}
	for i, name := range []string{"", "key", "heartbeat", "token", "ver", "mid"} {
		if 0 < i && i < len(args) {
			q.Set(name, string(args[i]))
		}
	}
	return q
}

func TestParseSub(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   [][]byte
		want wire.Sub
	}{
		{"the shortest", args("sub", "k", "30"), wire.Sub{Key: "k", Heartbeat: 30 * time.Second, Old: true}},
		{"any case", args("SuB", "k", "30"), wire.Sub{Key: "k", Heartbeat: 30 * time.Second, Old: true}},
		{"a token", args("sub", "k", "30", "t"), wire.Sub{Key: "k", Token: "t", Heartbeat: 30 * time.Second, Old: true}},
		{"a version", args("sub", "k", "30", "t", "1.0"), wire.Sub{Key: "k", Token: "t", Heartbeat: 30 * time.Second}},
		{"a mid", args("sub", "k", "30", "t", "1", "17000000000000004"), wire.Sub{Key: "k", Token: "t", Heartbeat: 30 * time.Second, Resume: true, Mid: 17000000000000004}},
		{"mid 0", args("sub", "k", "30", "", "", "0"), wire.Sub{Key: "k", Heartbeat: 30 * time.Second, Old: true, Resume: true}},
		{"the largest mid", args("sub", "k", "30", "", "1", "9223372036854775807"), wire.Sub{Key: "k", Heartbeat: 30 * time.Second, Resume: true, Mid: 1<<63 - 1}},
		{"empty is none", args("sub", "k", "30", "", "", ""), wire.Sub{Key: "k", Heartbeat: 30 * time.Second, Old: true}},
		{"the longest heartbeat", args("sub", "k", "86400"), wire.Sub{Key: "k", Heartbeat: 24 * time.Hour, Old: true}},
		{"heartbeat with leading zeros", args("sub", "k", "0045"), wire.Sub{Key: "k", Heartbeat: 45 * time.Second, Old: true}},
		{"a key with spaces and punctuation", args("sub", "é %/../\"", "30"), wire.Sub{Key: "é %/../\"", Heartbeat: 30 * time.Second, Old: true}},
		{"the longest key", args("sub", strings.Repeat("k", 20), "30"), wire.Sub{Key: strings.Repeat("k", 20), Heartbeat: 30 * time.Second, Old: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := wire.ParseSub(tt.in, limits()); got != tt.want || err != nil {
				t.Errorf("ParseSub(%q) = %+v, %v, want %+v", tt.in, got, err, tt.want)
			}
			if got, err := wire.ParseSubQuery(query(tt.in), limits()); got != tt.want || err != nil {
				t.Errorf("ParseSubQuery(%v) = %+v, %v, want %+v", query(tt.in), got, err, tt.want)
			}
		})
	}
}

func TestParseSubRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   [][]byte
		want string // part of the error
	}{
		{"no key", args("sub"), "key"},
		{"an empty key", args("sub", "", "30"), "empty"},
		{"a key too long", args("sub", strings.Repeat("k", 21), "30"), "max_key_bytes is 20"},
		{"a key with a control character", args("sub", "a\nb", "30"), "control character"},
		{"a key that is not UTF-8", args("sub", "a\xff", "30"), "not UTF-8"},
		{"no heartbeat", args("sub", "k"), "heartbeat"},
		{"an empty heartbeat", args("sub", "k", ""), "not decimal digits"},
		{"a heartbeat too short", args("sub", "k", "29"), "heartbeat 29 s"},
		{"a heartbeat too long", args("sub", "k", "86401"), "heartbeat 86401 s"},
		{"a heartbeat that overflows a duration", args("sub", "k", "9223372036854775"), "heartbeat 9223372036854775 s"},
		{"a heartbeat that overflows", args("sub", "k", "9223372036854775808"), "above 9223372036854775807"},
		{"a heartbeat with a sign", args("sub", "k", "+30"), "not decimal digits"},
		{"a heartbeat with a unit", args("sub", "k", "30s"), "not decimal digits"},
		{"a heartbeat with a point", args("sub", "k", "30.0"), "not decimal digits"},
		{"a heartbeat with a space", args("sub", "k", " 30"), "not decimal digits"},
		{"a heartbeat of other digits", args("sub", "k", "３０"), "not decimal digits"},
		{"a negative mid", args("sub", "k", "30", "", "", "-1"), "not decimal digits"},
		{"a mid that overflows", args("sub", "k", "30", "", "", "9223372036854775808"), "above 9223372036854775807"},
		{"a mid as others show it", args("sub", "k", "30", "", "", "1-0"), "not decimal digits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantRefused := func(got wire.Sub, err error) {
				if err == nil || got != (wire.Sub{}) {
					t.Errorf("%q is parsed as %+v, %v, want an error", tt.in, got, err)
				} else if text := strings.ToLower(err.Error()); len(tt.in) > 2 && !strings.Contains(text, strings.ToLower(tt.want)) {
					t.Errorf("%q is refused with %q, want %q", tt.in, err, tt.want)
				}
			}
			wantRefused(wire.ParseSub(tt.in, limits()))
			wantRefused(wire.ParseSubQuery(query(tt.in), limits()))
		})
	}
}

func TestParseSubRefusesOtherCommands(t *testing.T) {
	t.Parallel()
	for _, in := range [][][]byte{
		nil, args(""), args("su", "k", "30"), args("subs", "k", "30"), args("subscribe", "k"), args("ſub", "k", "30"),
		args("sub", "k", "30", "t", "1", "4", "x"),
	} {
		if got, err := wire.ParseSub(in, limits()); err == nil {
			t.Errorf("ParseSub(%q) = %+v, want an error", in, got)
		}
	}
}

func TestIsSub(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"sub": true, "SUB": true, "Sub": true, "": false, "su": false, "subs": false, "ſub": false} {
		if got := wire.IsSub(args(name)); got != want {
			t.Errorf("IsSub(%q) = %v, want %v", name, got, want)
		}
	}
	if wire.IsSub(nil) {
		t.Error("IsSub of no arguments = true, want false")
	}
}

func TestParseSubSharesNothing(t *testing.T) {
	t.Parallel()
	in := args("sub", "key", "30", "token")
	got, err := wire.ParseSub(in, limits())
	copy(in[1], "xxx")
	copy(in[3], "xxxxx")
	if err != nil || got.Key != "key" || got.Token != "token" {
		t.Errorf("after its buffer was used again, the Sub is %+v, %v", got, err)
	}
}

func TestVariantOfASub(t *testing.T) {
	t.Parallel()
	for want, s := range map[wire.Variant]wire.Sub{0: {}, wire.Old: {Old: true}, wire.Prev: {Resume: true}, wire.Old | wire.Prev: {Old: true, Resume: true}} {
		if got := s.Variant(); got != want {
			t.Errorf("%+v has variant %b, want %b", s, got, want)
		}
	}
}

func FuzzParseSub(f *testing.F) {
	for _, seed := range []string{
		"sub k 30", "SUB k 86400 t 1.0 17000000000000004", "sub k 29", "sub  30", "sub k +30", "sub k 30   ", "sub k 30  1 9223372036854775808",
		"get k", "sub \xff 30", "sub k 0000000000000000000000000000030",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		in := bytes.Split(line, []byte(" "))
		s, err := wire.ParseSub(in, limits())
		if wire.IsSub(in) && len(in) <= 6 {
			if q, qErr := wire.ParseSubQuery(query(in), limits()); q != s || (qErr == nil) != (err == nil) {
				t.Fatalf("ParseSub(%q) = %+v, %v, but as a query %+v, %v", in, s, err, q, qErr)
			}
		}
		if err != nil {
			if s != (wire.Sub{}) || len(err.Error()) > 200 {
				t.Fatalf("ParseSub(%q) = %+v, %v", in, s, err)
			}
			return
		}
		ok := wire.IsSub(in) && message.CheckKey(s.Key, 20) == nil && s.Key == string(in[1]) && s.Mid >= 0 &&
			30*time.Second <= s.Heartbeat && s.Heartbeat <= 24*time.Hour && s.Heartbeat%time.Second == 0 && (s.Resume || s.Mid == 0)
		if !ok {
			t.Fatalf("ParseSub(%q) = %+v", in, s)
		}
	})
}

func BenchmarkParseSub(b *testing.B) {
	in := args("sub", "user0000001", "300", "a-token-of-some-length", "1.0")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.ParseSub(in, limits()); err != nil {
			b.Fatal(err)
		}
	}
}
