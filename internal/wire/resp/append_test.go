package resp_test

import (
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
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("%s: appended %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}
