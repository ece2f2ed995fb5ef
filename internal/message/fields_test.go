package message_test

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gopush/internal/message"
)

func TestAppendFields(t *testing.T) {
	t.Parallel()
	got := message.AppendFields([]byte("before"), [][]byte{[]byte("a"), []byte("1"), []byte(""), []byte("x\r\ny")})
	if want := "before*4\r\n$1\r\na\r\n$1\r\n1\r\n$0\r\n\r\n$4\r\nx\r\ny\r\n"; string(got) != want {
		t.Errorf("AppendFields = %q, want %q", got, want)
	}
}

func TestParseFieldsReadsWhatAppendFieldsWrote(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want [][]byte
		for range rapid.IntRange(0, 10).Draw(t, "fields") {
			bytes := rapid.SliceOfN(rapid.Byte(), 0, 30)
			want = append(want, bytes.Draw(t, "name"), bytes.Draw(t, "value"))
		}
		payload := message.AppendFields(nil, want)
		got, err := message.ParseFields(nil, payload)
		if err != nil || cmp.Diff(want, got, cmpopts.EquateEmpty()) != "" {
			t.Fatalf("ParseFields(%q) = %q, %v, want %q", payload, got, err, want)
		}
		cut := rapid.IntRange(0, len(payload)-1).Draw(t, "cut")
		if _, err := message.ParseFields(nil, payload[:cut]); !errors.Is(err, message.ErrFields) {
			t.Fatalf("ParseFields(%q) of the first %d bytes: %v, want ErrFields", payload, cut, err)
		}
	})
}

func TestParseFieldsRefuses(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		"", "hello", `{"a":1}`, "*", "*\r\n", "*-1\r\n", "*02\r\n", "*0\r", "*0\n", "*0\r\nx", "*1\r\n$1\r\na\r\n", "*2\r\n$1\r\na\r\n",
		"*2\r\n$1\r\na\r\n$-1\r\n", "*2\r\n$1\r\na\r\n$2\r\nb\r\n", "*2\r\n$1\r\na\r\n:1\r\n", "*2\r\n$1\r\na\r\n$1\r\nb\r\nx", "*2\r\n$999999999\r\n",
		"*9999999999\r\n", "*999999998\r\n", "*2\r\n$1\r\na\rx$1\r\nb\r\n",
	} {
		if got, err := message.ParseFields(nil, []byte(payload)); !errors.Is(err, message.ErrFields) {
			t.Errorf("ParseFields(%q) = %q, %v, want ErrFields", payload, got, err)
		}
	}
}

func FuzzParseFields(f *testing.F) {
	for _, seed := range []string{"*0\r\n", "*2\r\n$1\r\na\r\n$0\r\n\r\n", "*2\r\n$1\r\na\r\n$2\r\nb\r\n", "*999999998\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		fields, err := message.ParseFields(nil, payload)
		if err != nil {
			return
		}
		if got := message.AppendFields(nil, fields); string(got) != string(payload) {
			t.Fatalf("ParseFields(%q) = %q, which is written as %q", payload, fields, got)
		}
	})
}

func fieldsOf(fields ...string) []byte {
	all := make([][]byte, len(fields))
	for i, f := range fields {
		all[i] = []byte(f)
	}
	return message.AppendFields(nil, all)
}

func TestFieldsAreAnObject(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		payload []byte
		msg     string // and the payload as text
		old     string
	}{
		{"one", fieldsOf("a", "1"), `{"a":"1"}`, `"{\"a\":\"1\"}"`},
		{"in order, repeated", fieldsOf("b", "2", "a", "1", "b", ""), `{"b":"2","a":"1","b":""}`, `"{\"b\":\"2\",\"a\":\"1\",\"b\":\"\"}"`},
		{"of any bytes", fieldsOf("\"\xff", "a\r\n{é"), "{\"\\\"\ufffd\":\"a\\r\\n{é\"}", "\"{\\\"\\\\\\\"\ufffd\\\":\\\"a\\\\r\\\\n{é\\\"}\""},
		{"JSON is text like any other", fieldsOf("a", `{"b":1}`), `{"a":"{\"b\":1}"}`, `"{\"a\":\"{\\\"b\\\":1}\"}"`},
		{"none", fieldsOf(), `{}`, `"{}"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := message.Message{Mid: 17000000000000004, Prev: 8, Form: message.Fields, Payload: tt.payload}
			wantJSON(t, &m, false, true, `{"msg":`+tt.msg+`,"mid":17000000000000004,"gid":0,"prev":8}`)
			wantJSON(t, &m, true, true, `{"msg":`+tt.old+`,"mid":17000000000000004,"gid":0,"prev":8}`)
			if got := m.AppendPayload([]byte("before")); string(got) != "before"+tt.msg {
				t.Errorf("AppendPayload = %q, want %q after %q", got, tt.msg, "before")
			}
		})
	}
}

func TestFieldsThatCannotBeReadAreOpaque(t *testing.T) {
	t.Parallel()
	m := message.Message{Mid: 4, Form: message.Fields, Payload: []byte("*2\r\n$1\r\na\r\n$2\r\nb")}
	wantJSON(t, &m, false, false, `{"msg":"*2\r\n$1\r\na\r\n$2\r\nb","mid":4,"gid":0}`)
	wantJSON(t, &m, true, false, `{"msg":"*2\r\n$1\r\na\r\n$2\r\nb","mid":4,"gid":0}`)
	if got := m.AppendPayload(nil); string(got) != string(m.Payload) {
		t.Errorf("AppendPayload = %q, want the payload as it is", got)
	}
}

func TestAppendPayloadOfBytesIsThePayload(t *testing.T) {
	t.Parallel()
	m := message.Message{Payload: fieldsOf("a", "\xff")}
	if got := m.AppendPayload([]byte(".")); string(got) != "."+string(m.Payload) {
		t.Errorf("AppendPayload = %q, want %q", got, m.Payload)
	}
}

// FuzzFields: the object is JSON that says what encoding/json has for each name and value.
func FuzzFields(f *testing.F) {
	f.Add("a", "1", "b", "2")
	f.Add("\"\xff", "\\", "", "\u2028\r\n\x00")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		m := message.Message{Form: message.Fields, Payload: fieldsOf(a, b, c, d)}
		object := m.AppendPayload(nil)
		if !json.Valid(object) || !utf8.Valid(object) {
			t.Fatalf("AppendPayload(%q) = %q: not JSON in UTF-8", m.Payload, object)
		}
		want := "{" + reference([]byte(a), true) + ":" + reference([]byte(b), true) + "," + reference([]byte(c), true) + ":" + reference([]byte(d), true) + "}"
		if string(object) != want {
			t.Fatalf("AppendPayload(%q) = %q, want %q", m.Payload, object, want)
		}
		quoted := reference(object, true)
		if got, want := string(m.AppendJSON(nil, true, false)), `{"msg":`+quoted+`,"mid":0,"gid":0}`; got != want {
			t.Fatalf("AppendJSON(%q) = %q, want %q", m.Payload, got, want)
		}
	})
}

func TestFieldsDoNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1024)
	m := message.Message{Form: message.Fields, Payload: fieldsOf("text", "žluťoučký\xff", "n", "1")}
	for name, run := range map[string]func(){
		"AppendJSON":      func() { dst = m.AppendJSON(dst[:0], false, true) },
		"AppendJSON, old": func() { dst = m.AppendJSON(dst[:0], true, true) },
		"AppendPayload":   func() { dst = m.AppendPayload(dst[:0]) },
	} {
		if allocs := testing.AllocsPerRun(100, run); allocs != 0 {
			t.Errorf("%s: %v allocations, want 0", name, allocs)
		}
	}
}
