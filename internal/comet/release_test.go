package comet

import "testing"

// crypto/tls has the buffers that are let go, by the names and of the type that this relies on.
func TestTheBuffersOfTLSAreFound(t *testing.T) {
	t.Parallel()
	if n := len(findTLSBuffers().offsets); n != 2 {
		t.Errorf("%d buffers of a tls.Conn are found, want 2: crypto/tls has changed, and idle connections cost 4 KiB more", n)
	}
}
