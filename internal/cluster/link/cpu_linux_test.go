package link_test

import (
	"syscall"
	"testing"
)

// reportCPU reports what the process has computed for each of n, once it is called again.
func reportCPU(b *testing.B) (end func(n int)) {
	before := cpu(b)
	return func(n int) { b.ReportMetric(float64(cpu(b)-before)/float64(n), "cpu-ns/op") }
}

func cpu(b *testing.B) int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}
