package redistest

import (
	"testing"

	"gopush/internal/redis/redisserver"
)

// Start starts a real redis-server on a port of its own, waits until it answers, ends it with the test and returns its
// address. MAXLEN ~ and MINID ~ are exact there, as they are in gopush. Where there is none that can be compared with, the
// test is skipped, or fails on CI.
func Start(t testing.TB) string {
	t.Helper()
	return startConfigured(t)
}

// startConfigured is Start with a configuration file, or with none.
func startConfigured(t testing.TB, file ...string) string {
	t.Helper()
	return redisserver.Start(t, append(file, "--databases", "1", "--stream-node-max-entries", "1")...).Addr
}
