package test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Redis over TLS: a library subscribes and blocks on the public listener, and pushes on the admin one.
func TestRedisClientOverTLS(t *testing.T) {
	t.Parallel()
	cert, key, pool := selfSigned(t, t.TempDir())
	secure := "127.0.0.1:0?tls_cert=" + url.QueryEscape(cert) + "&tls_key=" + url.QueryEscape(key)
	n := serve(t, "--public", secure, "--admin", secure)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprint("RESP", protocol), func(t *testing.T) {
			connect := func(addr string) *redis.Client {
				c := redis.NewClient(&redis.Options{Addr: addr, Protocol: protocol, TLSConfig: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}, ReadTimeout: patience})
				t.Cleanup(func() { c.Close() })
				return c
			}
			device, backend, key := connect(n.public[1]), connect(n.admin[1]), fmt.Sprint("tls", protocol)
			live := device.Subscribe(ctx, key)
			defer live.Close()
			if _, err := live.Receive(ctx); err != nil {
				t.Fatal(err)
			}
			waiting := make(chan error, 1)
			go func() {
				streams, err := device.XRead(ctx, &redis.XReadArgs{Streams: []string{key, "0"}, Block: patience}).Result()
				if err == nil && (len(streams) != 1 || len(streams[0].Messages) != 1) {
					err = fmt.Errorf("XREAD BLOCK: %v", streams)
				}
				waiting <- err
			}()
			text := strings.Repeat("0123456789", 50_000)
			if err := backend.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []string{"msg", text}}).Err(); err != nil {
				t.Fatal(err)
			}
			if err := <-waiting; err != nil {
				t.Error(err)
			}
			if m, err := live.ReceiveMessage(ctx); err != nil || m.Payload != text {
				t.Errorf("got %v, want %d bytes", err, len(text))
			}
		})
	}
}
