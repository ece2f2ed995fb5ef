package link_test

import (
	"fmt"
	"sync"
	"testing"

	"gopush/internal/message"
)

// BenchmarkForward is a live push that another node carries out, with 512 under way; both ends are in this process.
func BenchmarkForward(b *testing.B) {
	for _, size := range []int{1, 16} {
		b.Run(fmt.Sprintf("calls of %d", size), func(b *testing.B) {
			_, _, to := pair(b, nil)
			payload := make([]byte, 100)
			slots := make(chan struct{}, 512/size)
			var wg sync.WaitGroup
			b.ReportAllocs()
			pushes := make([]message.Push, size)
			for i := range pushes {
				pushes[i] = message.Push{Key: fmt.Sprint("user/", i), Payload: payload}
			}
			done := func(r []message.Receipt) {
				if r[0].Err != nil {
					b.Error(r[0].Err)
				}
				<-slots
				wg.Done()
			}
			end := reportCPU(b)
			for i := 0; i < b.N; i += size {
				slots <- struct{}{}
				wg.Add(1)
				to.Publish(pushes, done)
			}
			wg.Wait()
			end(b.N)
		})
	}
}

// BenchmarkRelay is a live message that another node follows; both ends are in this process.
func BenchmarkRelay(b *testing.B) {
	one, two, to := pair(b, nil)
	to.Follow("k", 0)
	one.handler.event(b, "followed k")
	pushes := make([]message.Push, 16)
	for i := range pushes {
		pushes[i] = message.Push{Key: "k", Payload: make([]byte, 100)}
	}
	one.handler.mu.Lock()
	one.handler.forget = true
	one.handler.mu.Unlock()
	b.ReportAllocs()
	end := reportCPU(b)
	sent := 0
	for sent < b.N {
		two.keys.Publish(b.Context(), pushes)
		sent += len(pushes)
		one.handler.mu.Lock()
		for one.handler.count < sent-1024 {
			one.handler.told.Wait()
		}
		one.handler.mu.Unlock()
	}
	one.handler.wait(b, "all", func() bool { return one.handler.count >= sent })
	end(sent)
}

// BenchmarkForwardAlone is a live push that waits for the one before it.
func BenchmarkForwardAlone(b *testing.B) {
	_, _, to := pair(b, nil)
	told := make(chan struct{}, 1)
	pushes := []message.Push{{Key: "k", Payload: make([]byte, 100)}}
	b.ReportAllocs()
	end := reportCPU(b)
	for b.Loop() {
		to.Publish(pushes, func([]message.Receipt) { told <- struct{}{} })
		<-told
	}
	end(b.N)
}
