package message_test

import (
	"errors"
	"testing"

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
