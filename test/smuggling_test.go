package test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// streams is how many connections full of doubtful HTTP TestNoSmuggling sends, and streamSeed what they are made from; 0: another each time.
var (
	streams    = flag.Int("streams", 300, "connections that TestNoSmuggling compares")
	streamSeed = flag.Uint64("streamseed", 0, "what they are made from; 0: the time")
)

// smuggler makes streams of requests, most of which somebody could read in another way than somebody else.
type smuggler struct{ *rand.Rand }

func (s smuggler) of(list ...string) string { return list[s.IntN(len(list))] }

// stream is some requests, one behind the other. The first is one that an event loop serves.
func (s smuggler) stream(targets []string) string {
	all := plainPush
	for range 1 + s.IntN(4) {
		if s.IntN(3) == 0 {
			all += plainPush + s.of("", "", "", "\r\n", "\n", "\r\n\r\n")
		} else {
			all += s.request(targets)
		}
	}
	return all
}

const plainPush = "POST /v1/push/a?expire=0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nplain"

// hidden is what a request has in its body, for whoever takes that for a request.
const hidden = "POST /v1/push/smuggled?expire=0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"

func (s smuggler) request(targets []string) string {
	body := s.of("", "hello", hidden, "0\r\n\r\n"+hidden, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden), "5\r\nhello\r\n0\r\n\r\n",
		"5;a=\r\n\"\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n", "5 \r\nhello\r\n0\r\nTrailer: x\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\n")
	end := s.of("\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r\r\n", "\r")
	line := s.of("POST", "POST", "POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post", "P\x00ST", "CONNECT", " POST") + s.of(" ", " ", " ", "  ", "\t") +
		targets[s.IntN(len(targets))] + s.of(" HTTP/1.1", " HTTP/1.1", " HTTP/1.1", " HTTP/1.0", " HTTP/1.2", " HTTP/2.0", " HTTP/0.9", "", " HTTP/1.1 ", " http/1.1", " HTTP/1.1\x00")
	lines := []string{line}
	for range 1 + s.IntN(3) {
		lines = append(lines, s.of("Host: localhost", "Host: localhost", "Host: localhost", "Host: evil.example", "Host : localhost", "Host:", "Host: localhost, evil",
			"host: LOCALHOST:80", "Host: localhost\x00", "\tHost: localhost", "X-Host: a", "Host: localhost/admin", "Host: http://localhost/"))
	}
	for range s.IntN(3) {
		n := len(body)
		length := s.of(fmt.Sprint(n), fmt.Sprint(n), fmt.Sprint(n), fmt.Sprint(max(0, n-3)), fmt.Sprintf("+%d", n), fmt.Sprintf("0%d", n), fmt.Sprintf("%d, %d", n, n),
			fmt.Sprintf("%d ", n), "-1", "18446744073709551616", fmt.Sprintf("0x%x", n), "", "5\x00", "0")
		lines = append(lines, s.of("Content-Length: ", "Content-Length: ", "content-length:", "Content-Length : ", "Content_Length: ", "Content-Length:\t")+length)
	}
	for range s.IntN(2) {
		lines = append(lines, s.of("Transfer-Encoding: ", "Transfer-Encoding:", "transfer-encoding : ", "Transfer-Encoding:\v", "Transfer-Encoding\x00: ")+
			s.of("chunked", "Chunked", "chunked, chunked", "identity", "xchunked", "gzip, chunked", "chunked\x00", " chunked", "\"chunked\"", "chunked;a=b", ""))
	}
	for range s.IntN(2) {
		lines = append(lines, s.of(" folded: x", "\tfolded", "Connection: close", "Connection: keep-alive", "Connection: Content-Length", "Expect: 100-continue", "Expect: x", "Upgrade: websocket",
			"Upgrade: h2c", "X-HTTP-Method-Override: DELETE", "X: "+strings.Repeat("y", 9000), "\x00: x", ": x", "no colon", "Content-Encoding: gzip", "X-Original-URL: /v1/keys/a", "Trailer: Content-Length", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1", "Idempotency-Key: a", "Idempotency-Key:", "Idempotency-Key: a\x00b"))
	}
	s.Shuffle(len(lines)-1, func(i, j int) { lines[1+i], lines[1+j] = lines[1+j], lines[1+i] })
	return strings.Join(lines, end) + end + s.of(end, end, end, "\r\n", "\n") + body + s.of("", "", "", "", "\r\n", "\n")
}

var ids = regexp.MustCompile(`"id":"[^"]*"`)

// answersTo sends a stream, and returns each answer in a line.
func answersTo(t *testing.T, addr, stream string) (all []string) {
	t.Helper()
	p := dial(t, addr)
	defer p.Close()
	p.write(stream)
	p.Conn.(interface{ CloseWrite() error }).CloseWrite() // it may have gone already
	p.SetReadDeadline(time.Now().Add(patience))
	r := bufio.NewReader(p)
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: "POST"})
		if err != nil {
			return all
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode == http.StatusRequestHeaderFieldsTooLarge {
			resp.StatusCode, body = http.StatusBadRequest, []byte("400 Bad Request") // of a head that is broken and too long either may be said
		}
		all = append(all, fmt.Sprintf("%d %s %v %s", resp.StatusCode, resp.Header.Get("Content-Type"), resp.Close, ids.ReplaceAll(body, []byte("ID"))))
	}
}

// adminTargets is every way to write the path of an admin.
func adminTargets() []string {
	return []string{
		"/v1/push/smuggled?expire=0", "//v1/push/smuggled?expire=0", "/./v1/push/smuggled?expire=0", "/sub/../v1/push/smuggled?expire=0", "/%76%31/push/smuggled?expire=0",
		"/v1%2fpush%2fsmuggled?expire=0", "/1/admin/push/private?key=smuggled&expire=0", "/1/time/get/../../admin/push/private?key=smuggled&expire=0", "/admin/push?key=smuggled&expire=0",
		"http://localhost/v1/push/smuggled?expire=0", "http://ADMIN/v1/push/smuggled?expire=0", "/1/time/get;/../../../v1/push/smuggled", "/v1/push/smuggled\\..?expire=0",
		"/metrics", "/loglevel", "/debug/pprof/", "/v1/keys/k/tokens", "/v1/keys/k/connections", "/v1/cluster",
	}
}

// No path of an admin or an operator is served on a public listener, nor one of an admin on an ops listener, however it is written, and whatever
// listener the Host names.
func TestPathsOfAdminsAreOnTheirListenersOnly(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		spy := dial(t, n.admin[0])
		spy.send(command("PSUBSCRIBE", "*"))
		spy.expect("*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n")
		for _, addr := range []string{n.public[0], n.ops[0]} {
			for _, target := range adminTargets() {
				for _, method := range []string{"POST", "GET", "PUT", "DELETE"} {
					if addr == n.ops[0] && !strings.Contains(target, "push") && !strings.HasPrefix(target, "/v1") {
						continue
					}
					target := strings.ReplaceAll(target, "ADMIN", n.admin[0])
					for _, more := range []string{"", "X-Original-URL: /v1/push/smuggled\r\nX-Rewrite-URL: /v1/push/smuggled\r\n"} {
						got := answersTo(t, addr, method+" "+target+" HTTP/1.1\r\nHost: "+n.admin[0]+"\r\n"+more+"Content-Length: 1\r\n\r\n1")
						if len(got) != 1 || !strings.HasPrefix(got[0], "4") {
							t.Errorf("%s %s on %s is answered %q, want that there is none", method, target, addr, got)
						}
					}
				}
			}
		}
		n.push("after", "1", "?expire=0")
		spy.expect("*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$5\r\nafter\r\n$1\r\n1\r\n")
	})
}

// What another protocol has in its bytes is no command, where a page of a browser could choose some of them: in a TLS handshake, or one of WebRTC.
func TestOtherProtocolsAreNoCommands(t *testing.T) {
	const chosen = "\r\nPUBLISH smuggled 1\r\nPUBLISH smuggled 2\n*3\r\n$7\r\nPUBLISH\r\n$8\r\nsmuggled\r\n$1\r\n3\r\n"
	onEngines(t, nil, func(t *testing.T, n *node) {
		spy := dial(t, n.admin[0])
		spy.send(command("PSUBSCRIBE", "*"))
		spy.expect("*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n")
		for name, first := range map[string]string{
			"TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS of a length with a line end": "\x16\x03\x01\x0a\x0a\x01\x00\x0a\x06\x03\x03",
			"STUN": "\x00\x03\x00\x5c\x21\x12\xa4\x42", "a form": "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200\r\n\r\n",
			"a page": "GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\nHost: localhost\r\n", "a form of another version": "POST / HTTP/3\r\nHost: localhost\r\n",
		} {
			p := dial(t, n.admin[0])
			p.write(first + chosen)
			p.Conn.(interface{ CloseWrite() error }).CloseWrite()
			if got, _ := io.ReadAll(p.r); strings.Contains(string(got), ":1\r\n") {
				t.Errorf("%s: a command in it is answered: %q", name, got)
			}
		}
		n.push("after", "1", "?expire=0")
		spy.expect("*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$5\r\nafter\r\n$1\r\n1\r\n")
	})
}

// What comes behind a WebSocket handshake is frames, never a request, whoever read the handshake.
func TestNoRequestBehindAWebSocketHandshake(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		for name, before := range map[string]string{"a loop": "", "net/http": "GET /1/time/get HTTP/1.1\r\nHost: localhost\r\n\r\n"} {
			p := dial(t, n.public[0])
			p.send(before + handshake("k", "") + "GET /1/time/get HTTP/1.1\r\nHost: localhost\r\n\r\n")
			got, _ := io.ReadAll(p.r)
			_, behind, upgraded := strings.Cut(string(got), "101 Switching Protocols")
			if !upgraded || strings.Contains(behind, "HTTP/1.1") || !strings.Contains(behind, "\x88") {
				t.Errorf("by %s: got %q, want a WebSocket that is closed", name, got)
			}
		}
	})
}

// However requests are written, event loops and net/http, between which a connection of an admin listener is divided, read the same ones as
// net/http alone does, which has the whole of a connection that begins with a request of its own; and what is in a body is no request.
func TestNoSmuggling(t *testing.T) {
	targets := []string{
		"/v1/push/a?expire=0", "/v1/push/a?expire=0", "/v1/push/a%2Fb?expire=0", "/v1/push/%2e%2e/keys/a", "/v1/push/..?expire=0", "/v1/push/a%00?expire=0", "/v1/./push/a", "//v1/push/a",
		"http://localhost/v1/push/a?expire=0", "http://evil.example/v1/push/a?expire=0", "https:/v1/push/a", "*", "/v1/push/a#b", "/v1/push/a?expire=0#b", "/v1/push/a?expire=0&expire=1",
		"/v1/push/a;b?expire=0", "/v1/push/a\x7f", "/v1/push/\xff", "/v1/push/a b", "/v1/push", "/1/admin/push/private?key=a&expire=0", "/v1/keys/a", "/sub", "localhost:80", "/v1/push/a%2?expire=0",
	}
	const before = "GET /v1/keys/none HTTP/1.1\r\nHost: localhost\r\n\r\n"
	seed := *streamSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		s := smuggler{rand.New(rand.NewPCG(seed, 1))}
		spy := dial(t, n.admin[0])
		spy.send(command("PSUBSCRIBE", "smuggled*"))
		spy.expect("*3\r\n$10\r\npsubscribe\r\n$9\r\nsmuggled*\r\n:1\r\n")
		answered := 0
		for i := range *streams {
			stream := s.stream(targets)
			got, want := answersTo(t, n.admin[0], stream), answersTo(t, n.admin[0], before+stream)
			if len(want) == 0 {
				t.Fatalf("seed %d, stream %d: net/http does not even answer what is before %q", seed, i, stream)
			}
			if want = want[1:]; strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("seed %d, stream %d:\n%q\nis answered\n%s\nby net/http alone\n%s", seed, i, stream, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			answered += len(want)
		}
		t.Logf("seed %d: %d streams, %d answers", seed, *streams, answered)
		if answered < *streams/2 {
			t.Errorf("only %d answers were compared", answered)
		}
	})
}
