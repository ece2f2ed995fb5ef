package resp_test

import (
	"math"
	"testing"

	"gopush/internal/wire/resp"
)

func TestAppend(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"array", resp.AppendArray([]byte("."), 12), ".*12\r\n"},
		{"bulk of bytes", resp.AppendBulk([]byte("."), []byte("a\r\nb")), ".$4\r\na\r\nb\r\n"},
		{"bulk of a string", resp.AppendBulk([]byte("."), ""), ".$0\r\n\r\n"},
		{"simple", resp.AppendSimple([]byte("."), "OK"), ".+OK\r\n"},
		{"error", resp.AppendError([]byte("."), "ERR no"), ".-ERR no\r\n"},
		{"error that would end early", resp.AppendError([]byte("."), "ERR a\r\n+b"), ".-ERR a  +b\r\n"},
		{"integer", resp.AppendInt([]byte("."), -3), ".:-3\r\n"},
		{"null", resp.AppendNull([]byte(".")), "._\r\n"},
		{"null for a bulk string", resp.AppendNullBulk([]byte(".")), ".$-1\r\n"},
		{"null for an array", resp.AppendNullArray([]byte(".")), ".*-1\r\n"},
		{"map", resp.AppendMap([]byte("."), 2), ".%2\r\n"},
		{"set", resp.AppendSet([]byte("."), 0), ".~0\r\n"},
		{"push", resp.AppendPush([]byte("."), 3), ".>3\r\n"},
		{"attribute", resp.AppendAttribute([]byte("."), 1), ".|1\r\n"},
		{"true", resp.AppendBool([]byte("."), true), ".#t\r\n"},
		{"false", resp.AppendBool([]byte("."), false), ".#f\r\n"},
		{"double", resp.AppendDouble([]byte("."), 3.141), ".,3.141\r\n"}, // DEBUG PROTOCOL DOUBLE
		{"double that is whole", resp.AppendDouble([]byte("."), -10), ".,-10\r\n"},
		{"double that is large", resp.AppendDouble([]byte("."), 1e20), ".,1e+20\r\n"},
		{"double without an end", resp.AppendDouble([]byte("."), math.Inf(1)), ".,inf\r\n"},
		{"double without a beginning", resp.AppendDouble([]byte("."), math.Inf(-1)), ".,-inf\r\n"},
		{"double that is none", resp.AppendDouble([]byte("."), math.NaN()), ".,nan\r\n"},
		{"verbatim string", resp.AppendVerbatim([]byte("."), "txt", "a\r\nb"), ".=8\r\ntxt:a\r\nb\r\n"},
		{"verbatim bytes", resp.AppendVerbatim([]byte("."), "mkd", []byte{}), ".=4\r\nmkd:\r\n"},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("%s: appended %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}
