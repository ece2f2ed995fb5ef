package comet

import (
	"testing"
	"unsafe"
)

// What an idle connection keeps in memory here; channel holds the rest to its size
// (docs/design.md, "The connection engine": 245 bytes in all).
func TestAnIdleConnectionIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(conn{}); got > 88 {
		t.Errorf("a connection takes %d bytes, want at most 88", got)
	}
	if got := unsafe.Sizeof(group{}); got > 32 {
		t.Errorf("a group takes %d bytes, want at most 32", got)
	}
}
