package bench

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// peerTarget is where the requests of these tests go.
func peerTarget() *Target { return &Target{Public: "h:1", Admin: "h:1"} }

// What each server sends to a subscriber of "k": the answer to its hello, then the message "m1".
func TestPeersSubscribersHearMessages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		peer           *peer
		hello, answers string
	}{
		{
			redis(),
			"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nk\r\n",
			"*3\r\n$9\r\nsubscribe\r\n$1\r\nk\r\n:1\r\n" + "*3\r\n$7\r\nmessage\r\n$1\r\nk\r\n$2\r\nm1\r\n",
		},
		{
			redisStreams(),
			"*1\r\n$4\r\nPING\r\n" + xread("0-0"),
			"+PONG\r\n*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n7-1\r\n*2\r\n$3\r\nmsg\r\n$2\r\nm1\r\n",
		},
		{
			nats(),
			natsConnect + "SUB k 1\r\nPING\r\n",
			`INFO {"max_payload":1048576}` + " \r\nPONG\r\nPING\r\n" + "MSG k 1 2\r\nm1\r\n",
		},
		{
			mosquitto(),
			"\x10\x1a\x00\x04MQTT\x04\x02\x00\x00\x00\x0e************-1" + "\x82\x06\x00\x01\x00\x01k\x00",
			"\x20\x02\x00\x00" + "\x90\x03\x00\x01\x00" + "\x30\x05\x00\x01km1",
		},
		{
			nchan(),
			"GET /sub?key=k HTTP/1.1\r\nHost: h:1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\r\n" + "\x81\x02m1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.peer.label, func(t *testing.T) {
			t.Parallel()
			d := tt.peer.dialect(peerTarget())
			if got := string(d.hello("k")); !alike(got, tt.hello) {
				t.Errorf("hello is %q, want %q", got, tt.hello)
			}
			const want = "subscribed, m1"
			for _, step := range []int{1, 3, len(tt.answers)} {
				if got := heard(t, d, tt.answers, step); got != want {
					t.Errorf("from %q, %d bytes at a time, heard %s; want %s", tt.answers, step, got, want)
				}
			}
		})
	}
}

// alike compares texts; a star in want is any byte.
func alike(got, want string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range want {
		if want[i] != '*' && got[i] != want[i] {
			return false
		}
	}
	return true
}

// heard feeds stream to d, so many bytes at a time, and returns what it meant.
func heard(t *testing.T, d dialect, stream string, step int) string {
	t.Helper()
	var items []string
	var buf []byte
	for len(stream) > 0 {
		some := min(step, len(stream))
		buf, stream = append(buf, stream[:some]...), stream[some:]
		for len(buf) > 0 {
			it, n, err := d.next(buf)
			if err != nil {
				t.Fatalf("next(%q): %v", buf, err)
			}
			if n == 0 {
				break
			}
			switch it.kind {
			case subscribed:
				items = append(items, "subscribed")
			case delivery:
				items = append(items, string(it.payload))
			}
			buf = buf[n:]
		}
	}
	if len(buf) > 0 {
		t.Errorf("%q was left", buf)
	}
	return strings.Join(items, ", ")
}

func TestPeersSubscribersSayWhyTheyWereRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		peer         *peer
		answer, want string
	}{
		{redis(), "-ERR max number of clients reached\r\n", "max number of clients"},
		{redis(), "*3\r\n$10\r\npsubscribe\r\n", "psubscribe"},
		{redisStreams(), "-NOAUTH Authentication required.\r\n", "NOAUTH"},
		{redisStreams(), "*-1\r\n", "*-1"},
		{redisStreams(), "*1\r\n*3\r\n", "*3"},
		{redisStreams(), "*1\r\n*2\r\n$1\r\nk\r\n*0\r\n", "without a message"},
		{redisStreams(), "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$7\r\n7-10000\r\n*2\r\n$3\r\nmsg\r\n$1\r\nm\r\n", "7-10000"},
		{nats(), "-ERR 'Authorization Violation'\r\n", "Authorization Violation"},
		{mosquitto(), "\x20\x02\x00\x05", "0x20020005"},
		{mosquitto(), "\x90\x03\x00\x01\x80", "0x9003000180"},
		{nchan(), "HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden"},
		{nchan(), "\x88\x02\x03\xe9", "code 1001"},
	} {
		it, n, err := tt.peer.dialect(peerTarget()).next([]byte(tt.answer))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: next(%q) = %v, %d, %v; want an error with %q", tt.peer.label, tt.answer, it, n, err, tt.want)
		}
	}
}

func TestPeersPublishersWriteABatchAtOnce(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"
	batch := []push{{"k", []byte("m1")}, {"j", []byte("m22")}}
	for _, tt := range []struct {
		peer               *peer
		hello, out, answer string // answer is that to both
	}{
		{
			redis(), "",
			"*3\r\n$7\r\nPUBLISH\r\n$1\r\nk\r\n$2\r\nm1\r\n*3\r\n$7\r\nPUBLISH\r\n$1\r\nj\r\n$3\r\nm22\r\n", ":1\r\n:10\r\n",
		},
		{
			redisStreams(), "",
			"*5\r\n$4\r\nXADD\r\n$1\r\nk\r\n$1\r\n*\r\n$3\r\nmsg\r\n$2\r\nm1\r\n" +
				"*5\r\n$4\r\nXADD\r\n$1\r\nj\r\n$1\r\n*\r\n$3\r\nmsg\r\n$3\r\nm22\r\n",
			"$3\r\n7-1\r\n$3\r\n7-2\r\n",
		},
		{nats(), natsConnect, "PUB k 2\r\nm1\r\nPUB j 3\r\nm22\r\n", ""},
		{mosquitto(), "\x10\x18\x00\x04MQTT\x04\x02\x00\x00\x00\x0c************", "\x30\x05\x00\x01km1\x30\x06\x00\x01jm22", ""},
		{
			nchan(), "",
			"POST /pub?key=k HTTP/1.1\r\nHost: h:1\r\nContent-Length: 2\r\n\r\nm1" +
				"POST /pub?key=j HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\nm22", ok + ok,
		},
	} {
		t.Run(tt.peer.label, func(t *testing.T) {
			t.Parallel()
			b := tt.peer.backend(peerTarget(), 0)
			if got := string(b.hello()); !alike(got, tt.hello) {
				t.Errorf("hello is %q, want %q", got, tt.hello)
			}
			out, answers := b.pushes(nil, batch)
			if !bytes.Equal(out, []byte(tt.out)) {
				t.Errorf("two pushes are %q, want %q", out, tt.out)
			}
			if got := fmt.Sprint(answersIn(t, b, tt.answer)); got != fmt.Sprint(answers) {
				t.Errorf("%q has %s answers, two pushes wait for %d", tt.answer, got, answers)
			}
		})
	}
}

// answersIn counts the answers of a stream that comes byte by byte.
func answersIn(t *testing.T, b backend, stream string) (count int) {
	t.Helper()
	var buf []byte
	for i := range stream {
		buf = append(buf, stream[i])
		n, answered, err := b.answer(buf)
		if err != nil {
			t.Fatalf("answer(%q): %v", buf, err)
		}
		if answered {
			count++
		}
		buf = buf[n:]
	}
	return count
}

func TestPeersPublishersSayWhyAPushWasRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		peer         *peer
		answer, want string
	}{
		{redis(), "-NOPERM no\r\n", "NOPERM no"},
		{redisStreams(), "-OOM command not allowed\r\n", "OOM command"},
		{nchan(), "HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\n\r\n", "507 Insufficient Storage"},
	} {
		n, answered, err := tt.peer.backend(peerTarget(), 0).answer([]byte(tt.answer))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: answer(%q) = %d, %v, %v; want an error with %q", tt.peer.label, tt.answer, n, answered, err, tt.want)
		}
	}
}

func TestPeersThatAreNotInstalledSayHowToInstallThem(t *testing.T) {
	t.Parallel()
	_, err := (&peer{label: "none", program: "no-such-server"}).start(t.Context(), needs{})
	if err == nil || !strings.Contains(err.Error(), "make peers-deps") {
		t.Errorf("start answered %v, want how to install it", err)
	}
}

func TestPeersThatEndAtOnceSayWhatTheySaid(t *testing.T) {
	t.Parallel()
	p := &peer{label: "none", program: "sh", args: []string{"-c", "echo no good config", "sh"}}
	if _, err := p.start(t.Context(), needs{}); err == nil || !strings.Contains(err.Error(), "no good config") {
		t.Errorf("start answered %v, want what the program said", err)
	}
}
