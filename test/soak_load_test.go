package test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// pause waits for d, or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// publish pushes for a while over one kept-alive connection: to those devices of which it is the
// only publisher, one of so many.
func (s *soak) publish(ctx context.Context, self, of int) error {
	client := &http.Client{Transport: new(http.Transport), Timeout: patience}
	defer client.CloseIdleConnections()
	for range 1 + rand.IntN(200) {
		i := rand.IntN(len(s.devices)/of)*of + self
		if err := s.push(client, s.devices[i].key, "3600"); err != nil {
			return err
		}
		if pause(ctx, time.Duration(rand.IntN(5))*time.Millisecond); ctx.Err() != nil {
			break
		}
	}
	return nil
}

// push pushes the next number to key, which has no other publisher.
func (s *soak) push(client *http.Client, key, expire string) error {
	number := s.pushed[key].Load() + 1
	status, err := s.pushNumber(client, key, expire, number)
	for deadline := time.Now().Add(patience); busy(status) && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		status, err = s.pushNumber(client, key, expire, number) // again, by the same idempotency key
	}
	if err == nil {
		s.pushed[key].Add(1)
	}
	return err
}

// busy tells whether a push may be tried again: the disk of a machine that has much else to do may be late.
func busy(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// pushNumber pushes a number to key once, unless it is there already.
func (s *soak) pushNumber(client *http.Client, key, expire string, number int64) (status int, err error) {
	req, err := http.NewRequest(http.MethodPost, s.n.adminURL("/v1/push/"+key+"?expire="+expire), strings.NewReader(fmt.Sprint(number)))
	if err != nil {
		return 0, err
	}
	if expire != "0" {
		req.Header.Set("Idempotency-Key", fmt.Sprint(number))
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp.StatusCode, fmt.Errorf("push %d to %s: %s %.100s %v", number, key, resp.Status, body, err)
	}
	return resp.StatusCode, nil
}

// broadcast pushes to everybody.
func (s *soak) broadcast(ctx context.Context) error {
	client := &http.Client{Transport: new(http.Transport), Timeout: patience}
	defer client.CloseIdleConnections()
	for ; ctx.Err() == nil; pause(ctx, 20*time.Millisecond) {
		if err := s.push(client, toAll, "0"); err != nil {
			return err
		}
	}
	return nil
}

// flood pushes more than the system takes for those who stare.
func (s *soak) flood(ctx context.Context) error {
	for large := strings.Repeat("x", 512<<10); ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
		if err := s.n.tryPush(toSlack, large, "?expire=0"); err != nil {
			return err
		}
	}
	return nil
}

// kick has the node close the connections of a key now and then.
func (s *soak) kick(ctx context.Context) error {
	key := toAll
	if rand.IntN(20) > 0 {
		key = s.devices[rand.IntN(len(s.devices))].key
	}
	req, err := http.NewRequest(http.MethodDelete, s.n.adminURL("/v1/keys/"+key+"/connections"), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	pause(ctx, 50*time.Millisecond)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("kick %s: %s", key, resp.Status)
	}
	return nil
}

// stare subscribes to what is flooded and reads nothing.
func (s *soak) stare(ctx context.Context) error {
	c, err := net.DialTimeout("tcp", s.n.public[0], patience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.(*net.TCPConn).SetReadBuffer(4 << 10)
	io.WriteString(c, command("sub", toSlack, "60", "", "1"))
	pause(ctx, time.Duration(2000+rand.IntN(3000))*time.Millisecond)
	return nil
}

// babble says what no client should, or only part of what it should.
func (s *soak) babble(ctx context.Context) error {
	c, err := net.DialTimeout("tcp", s.n.public[0], patience)
	if err != nil {
		return err
	}
	defer c.Close()
	said := []string{"", "\x00\xff", "*3\r\n$3\r\nsub\r\n$9\r\nk", "GET / HTTP/1.1\r\n", timeRequest, command("sub", "k", "1"), handshake("k", "")[:60]}
	io.WriteString(c, said[rand.IntN(len(said))])
	c.SetReadDeadline(time.Now().Add(time.Duration(rand.IntN(200)) * time.Millisecond))
	io.Copy(io.Discard, c)
	return nil
}
