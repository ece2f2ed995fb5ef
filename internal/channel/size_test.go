package channel

import (
	"testing"
	"unsafe"
)

// A key with one subscriber has a channel of its own: it stays in the allocator's class of 64 bytes.
func TestAChannelIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(Channel{}); got > 64 {
		t.Errorf("a channel takes %d bytes, want at most 64", got)
	}
}
