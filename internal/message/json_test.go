package message_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"gopush/internal/message"
)

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 10000) + strings.Repeat("]", 10000)
	tests := []struct{ name, payload, msg, old string }{
		{"an object", `{"a":1}`, `{"a":1}`, `"{\"a\":1}"`},
		{"white space between tokens", " { \"a\" :\t[ 1 ,\r\n2 ] } \n", `{"a":[1,2]}`, `" { \"a\" :\t[ 1 ,\r\n2 ] } \n"`},
		{"white space of every kind before", "\n\r\t 1", `1`, `"\n\r\t 1"`},
		{"white space within a string", `" a  b "`, `" a  b "`, `"\" a  b \""`},
		{"numbers as they are", `[1.0,1E+2,-0,12345678901234567890]`, `[1.0,1E+2,-0,12345678901234567890]`, `"[1.0,1E+2,-0,12345678901234567890]"`},
		{"escapes as they are", `"\u00e9\/\ud800"`, `"\u00e9\/\ud800"`, `"\"\\u00e9\\/\\ud800\""`},
		{"repeated members as they are", `{"a":1,"a":2}`, `{"a":1,"a":2}`, `"{\"a\":1,\"a\":2}"`},
		{"nothing is escaped for HTML", "\"<&>\u2028\"", "\"<&>\u2028\"", "\"\\\"<&>\u2028\\\"\""},
		{"a number", `42`, `42`, `"42"`},
		{"a word", `true`, `true`, `"true"`},
		{"null", `null`, `null`, `"null"`},
		{"nothing", ``, `""`, `""`},
		{"white space only", " \n", `" \n"`, `" \n"`},
		{"two values", `1 2`, `"1 2"`, `"1 2"`},
		{"half a value", `{"a":`, `"{\"a\":"`, `"{\"a\":"`},
		{"almost a word", `nil`, `"nil"`, `"nil"`},
		{"text", `hello <b>`, `"hello <b>"`, `"hello <b>"`},
		{"a byte order mark", "\ufeff1", "\"\ufeff1\"", "\"\ufeff1\""},
		{"control characters", "x\x00\x1f\b\f\x7f", `"x\u0000\u001f\b\f` + "\x7f\"", `"x\u0000\u001f\b\f` + "\x7f\""},
		{"a control character in JSON", "\"\x01\"", `"\"\u0001\""`, `"\"\u0001\""`},
		{"other languages", "žluťoučký 馬 🐎", "\"žluťoučký 馬 🐎\"", "\"žluťoučký 馬 🐎\""},
		{"U+FFFD itself", "\ufffd", "\"\ufffd\"", "\"\ufffd\""},
		{"each byte that is not UTF-8", "a\xff\xfeb\xe2\x82", "\"a\ufffd\ufffdb\ufffd\ufffd\"", "\"a\ufffd\ufffdb\ufffd\ufffd\""},
		{"each byte that is not UTF-8 within JSON", " [\"\xff\xc3\xa9\xe2\x82\"]", "[\"\ufffdé\ufffd\ufffd\"]", "\" [\\\"\ufffdé\ufffd\ufffd\\\"]\""},
		{"nested as deep as it may be", deep, deep, `"` + deep + `"`},
		{"nested deeper", "[" + deep + "]", `"[` + deep + `]"`, `"[` + deep + `]"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := message.Message{Mid: 17000000000000004, Prev: 8, GID: message.Public, Payload: []byte(tt.payload)}
			wantJSON(t, &m, false, false, `{"msg":`+tt.msg+`,"mid":17000000000000004,"gid":1}`)
			wantJSON(t, &m, false, true, `{"msg":`+tt.msg+`,"mid":17000000000000004,"gid":1,"prev":8}`)
			wantJSON(t, &m, true, false, `{"msg":`+tt.old+`,"mid":17000000000000004,"gid":1}`)
			wantJSON(t, &m, true, true, `{"msg":`+tt.old+`,"mid":17000000000000004,"gid":1,"prev":8}`)
			if string(m.Payload) != tt.payload {
				t.Errorf("AppendJSON changed the payload to %q", m.Payload)
			}
		})
	}
}

func wantJSON(t *testing.T, m *message.Message, old, prev bool, want string) {
	t.Helper()
	const before = "before"
	for _, room := range []int{0, 1 << 16} { // a destination that must grow, and one that need not
		dst := append(make([]byte, 0, len(before)+room), before...)
		if got := m.AppendJSON(dst, old, prev); string(got) != before+want {
			t.Errorf("AppendJSON(%.60q, old %v, prev %v) = %.200q, want %.200q after %q", m.Payload, old, prev, got, want, before)
		}
	}
}

// What is appended is valid, and says what encoding/json reads from the payload.
func checkJSON(t interface{ Fatalf(string, ...any) }, payload []byte) {
	for _, old := range []bool{false, true} {
		m := message.Message{Mid: 4, Prev: 8, Payload: payload}
		out := m.AppendJSON(make([]byte, 0, 1024), old, true)
		if !json.Valid(out) || !utf8.Valid(out) {
			t.Fatalf("AppendJSON(%q, old %v) = %q: not JSON in UTF-8", payload, old, out)
		}
		var got struct{ Msg json.RawMessage }
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("AppendJSON(%q, old %v) = %q: %v", payload, old, out, err)
		}
		if want := reference(payload, old); want != string(got.Msg) {
			t.Fatalf("AppendJSON(%q, old %v) has the msg %q, want %q", payload, old, got.Msg, want)
		}
	}
}

// reference does with encoding/json, slowly, what AppendJSON does with a payload.
func reference(payload []byte, old bool) string {
	var buf bytes.Buffer
	if !old && json.Compact(&buf, payload) == nil {
		return string([]rune(buf.String()))
	}
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if enc.Encode(string(payload)) != nil {
		return "cannot happen"
	}
	quoted := strings.TrimSuffix(buf.String(), "\n")
	even := strings.ReplaceAll(quoted, `\\`, "\x00") // so that an escape begins at each backslash left
	even = strings.NewReplacer(`\ufffd`, "\ufffd", `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(even)
	return strings.ReplaceAll(even, "\x00", `\\`)
}

func TestAppendJSONAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	pieces := rapid.SampledFrom([]string{
		`{`, `}`, `[`, `]`, `"a":`, `"`, `,`, ` `, "\n", `1`, `-0.5e3`, `true`, `null`, `\`, `\u0041`, "\xff", "é", "\u2028", "\x01", "<",
	})
	rapid.Check(t, func(t *rapid.T) {
		checkJSON(t, []byte(strings.Join(rapid.SliceOf(pieces).Draw(t, "payload"), "")))
	})
}

func FuzzAppendJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":1}`, " [1 , 2] ", `"\u00e9"`, "\"\xff\"", "text\x00\xfe", `1 2`, ``, "\u2028\ufffd", `{"a":1,"a":2}`, `[[[[]]]]`, `"\\ufffd"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) { checkJSON(t, payload) })
}

func TestAppendJSONDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1024)
	for _, payload := range []string{`{ "text": "žluťoučký", "n": [1, 2] }`, `just "text"` + "\xff"} {
		m := message.Message{Mid: 17000000000000004, Payload: []byte(payload)}
		for _, old := range []bool{false, true} {
			if allocs := testing.AllocsPerRun(100, func() { dst = m.AppendJSON(dst[:0], old, true) }); allocs != 0 {
				t.Errorf("AppendJSON(%q, old %v): %v allocations, want 0", payload, old, allocs)
			}
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	m := message.Message{Mid: 17000000000000004, Payload: []byte(`{"text": "hello \"there\"", "user": 4711, "list": [1, 2, 3], "rest": "` + strings.Repeat("x", 60) + `"}`)}
	for name, old := range map[string]bool{"new": false, "old": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(m.Payload)))
			var dst []byte
			for b.Loop() {
				dst = m.AppendJSON(dst[:0], old, false)
			}
		})
	}
}
