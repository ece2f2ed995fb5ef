package http1_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"gopush/internal/wire/http1"
)

var limits = http1.Limits{MaxHead: 1 << 10, MaxBody: 256}

// request writes a request of lines, with the body behind them.
func request(body string, lines ...string) string {
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// push is a strict request with more header fields.
func push(more ...string) string {
	return request("hello", append([]string{"POST /v1/push/k?expire=0 HTTP/1.1", "Host: a.example:80", "Content-Length: 5"}, more...)...)
}

func TestStrictRequests(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]string{
		"the shortest":           request("", "POST / HTTP/1.1", "Host:h", "Content-Length:0"),
		"as Go sends it":         push("User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip", "Content-Type: application/json"),
		"as fetch sends it":      push("connection: keep-alive", "accept: */*", "accept-language: *", "sec-fetch-mode: cors", "user-agent: node"),
		"with a key":             push("Authorization: Bearer s3cret"),
		"with an API key":        push("X-API-Key: s3cret"),
		"with a key of its own":  push(`Idempotency-Key: "8e03978e-40d5"`),
		"names in any case":      request("x", "POST /a%2Fb HTTP/1.1", "HOST: [::1]:80", "cONTENT-lENGTH: 1"),
		"neutral fields twice":   push("Accept: a", "Accept: b"),
		"spaces around a value":  push("Connection: \t Keep-Alive \t"),
		"another behind it":      push() + push(),
		"leading zeros":          request("hello", "POST / HTTP/1.1", "Host: h", "Content-Length: 0005"),
		"a query with a mark":    request("", "POST /?a=?b HTTP/1.1", "Host: h", "Content-Length: 0"),
		"an empty query":         request("", "POST /? HTTP/1.1", "Host: h", "Content-Length: 0"),
		"all a path may be":      request("", "POST /aZ09-._~!$&'()*+,;=:@/%00%fF/ HTTP/1.1", "Host: h", "Content-Length: 0"),
		"a body like a request":  request("POST / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1", "Host: h", "Content-Length: 19"),
		"dots are not cleaned":   request("", "POST /a/../b HTTP/1.1", "Host: h", "Content-Length: 0"),
		"a value that is a list": push("Accept: text/html, */*;q=0.1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if n := compare(t, []byte(b)); n == 0 {
				t.Errorf("%q is not strict", b)
			}
		})
	}
}

func TestWhatIsNotStrict(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]string{
		"another method":           request("", "PUT / HTTP/1.1", "Host: h", "Content-Length: 0"),
		"method in lower case":     request("", "post / HTTP/1.1", "Host: h", "Content-Length: 0"),
		"HTTP/1.0":                 request("", "POST / HTTP/1.0", "Host: h", "Content-Length: 0"),
		"version in lower case":    request("", "POST / http/1.1", "Host: h", "Content-Length: 0"),
		"absolute form":            request("", "POST http://h/ HTTP/1.1", "Host: h", "Content-Length: 0"),
		"asterisk form":            request("", "POST * HTTP/1.1", "Host: h", "Content-Length: 0"),
		"no target":                request("", "POST  HTTP/1.1", "Host: h", "Content-Length: 0"),
		"two slashes":              request("", "POST //h/ HTTP/1.1", "Host: h", "Content-Length: 0"),
		"a fragment":               request("", "POST /#f HTTP/1.1", "Host: h", "Content-Length: 0"),
		"a space in the target":    request("", "POST /a b HTTP/1.1", "Host: h", "Content-Length: 0"),
		"half an escape":           request("", "POST /%4 HTTP/1.1", "Host: h", "Content-Length: 0"),
		"no escape":                request("", "POST /?a=%zz HTTP/1.1", "Host: h", "Content-Length: 0"),
		"raw bytes in the target":  request("", "POST /\xff HTTP/1.1", "Host: h", "Content-Length: 0"),
		"line ends without CR":     "POST / HTTP/1.1\nHost: h\nContent-Length: 0\n\n",
		"one line end without CR":  "POST / HTTP/1.1\r\nHost: h\nContent-Length: 0\r\n\r\n",
		"a bare CR":                request("", "POST / HTTP/1.1", "Host: h", "Accept: a\rb", "Content-Length: 0"),
		"an empty line before":     "\r\n" + push(),
		"no host":                  request("", "POST / HTTP/1.1", "Content-Length: 0"),
		"empty host":               request("", "POST / HTTP/1.1", "Host:", "Content-Length: 0"),
		"two hosts":                push("Host: b.example"),
		"the same host twice":      push("Host: a.example:80"),
		"a host of odd characters": request("", "POST / HTTP/1.1", "Host: a/b", "Content-Length: 0"),
		"no length":                request("", "POST / HTTP/1.1", "Host: h"),
		"two lengths":              push("Content-Length: 6"),
		"the same length twice":    push("Content-Length: 5"),
		"a list of lengths":        request("hello", "POST / HTTP/1.1", "Host: h", "Content-Length: 5, 5"),
		"a sign":                   request("hello", "POST / HTTP/1.1", "Host: h", "Content-Length: +5"),
		"hexadecimal":              request("hello", "POST / HTTP/1.1", "Host: h", "Content-Length: 0x5"),
		"an empty length":          request("", "POST / HTTP/1.1", "Host: h", "Content-Length:"),
		"a length beyond an int":   request("", "POST / HTTP/1.1", "Host: h", "Content-Length: 18446744073709551616"),
		"a large body":             request("", "POST / HTTP/1.1", "Host: h", "Content-Length: 257"),
		"a large head":             push("Accept: " + strings.Repeat("a", 1<<10)),
		"a large head, not whole":  "POST /" + strings.Repeat("a", 1<<10),
		"chunks":                   push("Transfer-Encoding: chunked"),
		"identity":                 push("Transfer-Encoding: identity"),
		"an expectation":           push("Expect: 100-continue"),
		"an upgrade":               push("Upgrade: h2c"),
		"close":                    push("Connection: close"),
		"a list of options":        push("Connection: keep-alive, x-api-key"),
		"Connection twice":         push("Connection: keep-alive", "Connection: keep-alive"),
		"an encoded body":          push("Content-Encoding: gzip"),
		"a trailer":                push("Trailer: X-Sum"),
		"an origin":                push("Origin: https://a.example"),
		"a page":                   push("Sec-Fetch-Site: cross-site"),
		"a proxy's field":          push("Proxy-Authorization: x"),
		"an unknown field":         push("X-Anything: 1"),
		"a space before the colon": push("Accept : a"),
		"a space before a name":    push(" Accept: a"),
		"a folded line":            push("Accept: a", "\tb"),
		"no colon":                 push("Accept"),
		"an empty name":            push(": a"),
		"two idempotency keys":     push("Idempotency-Key: a", "Idempotency-Key: b"),
		"an empty one":             push("Idempotency-Key: "),
		"two keys":                 push("X-API-Key: a", "X-API-Key: b"),
		"two credentials":          push("Authorization: a", "Authorization: b"),
		"an empty credential":      push("Authorization:"),
		"NUL in a value":           push("Accept: a\x00"),
		"raw bytes in a value":     push("Accept: \xc3\xa9"),
		"an underscore for a dash": push("Content_Length: 5"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r http1.Request
			if n, strict := http1.Parse(&r, []byte(b), limits); strict {
				t.Errorf("Parse(%.200q) = %d, strict", b, n)
			}
		})
	}
}

// However a request is cut, it is not read before it is whole, and nothing is refused early.
func TestARequestThatComesInPieces(t *testing.T) {
	t.Parallel()
	b := []byte(push("Authorization: Bearer s3cret", "Connection: keep-alive"))
	var r http1.Request
	for i := range b {
		if n, strict := http1.Parse(&r, b[:i], limits); n != 0 || !strict {
			t.Fatalf("Parse(%q) = %d, %v, want 0, true", b[:i], n, strict)
		}
	}
	n, strict := http1.Parse(&r, append(b, "POST"...), limits)
	if n != len(b) || !strict || string(r.Body) != "hello" || string(r.Authorization) != "Bearer s3cret" {
		t.Errorf("Parse = %d, %v, %+v", n, strict, r)
	}
}

// compare has net/http read what Parse reads, and returns how much that is.
func compare(t *testing.T, b []byte) int {
	t.Helper()
	var r http1.Request
	n, strict := http1.Parse(&r, b, limits)
	if n == 0 || !strict {
		return 0
	}
	rest := bufio.NewReader(bytes.NewReader(b))
	want, err := http.ReadRequest(rest)
	if err != nil {
		t.Fatalf("%q is strict; http.ReadRequest: %v", b, err)
	}
	body, err := io.ReadAll(want.Body)
	behind, _ := io.ReadAll(rest)
	if err != nil || !bytes.Equal(behind, b[n:]) {
		t.Fatalf("%q: %d bytes are read, %v; net/http leaves %q", b, n, err, behind)
	}
	one := func(name string) string {
		if v := want.Header.Values(name); len(v) > 1 {
			t.Fatalf("%q is strict with %s %q", b, name, v)
		}
		return want.Header.Get(name)
	}
	got := []string{"POST", string(r.Path), string(r.Query), string(r.Host), string(r.Authorization), string(r.APIKey), string(r.IdemKey), string(r.Body)}
	read := []string{want.Method, want.URL.EscapedPath(), want.URL.RawQuery, want.Host, one("Authorization"), one("X-Api-Key"), one("Idempotency-Key"), string(body)}
	if fmt.Sprint(got) != fmt.Sprint(read) || want.Close || want.TransferEncoding != nil || want.URL.Host != "" || want.URL.Fragment != "" {
		t.Fatalf("%q\nis read as %q\nnet/http  : %q, close %v", b, got, read, want.Close)
	}
	for name := range want.Header {
		if strings.HasPrefix(name, "Content-E") || name == "Origin" || name == "Expect" || name == "Upgrade" || name == "Trailer" || name == "Sec-Fetch-Site" {
			t.Fatalf("%q is strict with %s", b, name)
		}
	}
	return n
}

// FuzzParse: what is strict net/http reads in the same way, to the same byte, request after request.
func FuzzParse(f *testing.F) {
	for _, b := range seeds() {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for n := compare(t, b); n > 0; n = compare(t, b) {
			b = b[n:]
		}
	})
}

func seeds() []string {
	return []string{
		push(), push() + push("Connection: keep-alive"), push("Authorization: Bearer a", "X-API-Key: b"), push("Idempotency-Key: a"),
		push("Transfer-Encoding: chunked"), push("Content-Length: 5"), push("Host: b"), push("Connection: close", "Expect: 100-continue"),
		request("", "POST /%2F%00?a=%2f&b=?;c HTTP/1.1", "Host: [::1]:1", "Content-Length: 0"),
	}
}

// Random requests, each some seeds with some bytes changed, added, repeated or left out.
func TestMutatedRequestsAreReadAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	all, strict := seeds(), 0
	pieces := []string{"\r\n", "\n", "\r", ":", " ", "\t", "\x00", "%", "5", "0", ",", "chunked", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Host: x\r\n", "HTTP/1.1", "POST "}
	for range 200_000 {
		b := []byte(all[rand.IntN(len(all))] + all[rand.IntN(len(all))])
		for range rand.IntN(4) {
			at := rand.IntN(len(b))
			switch rand.IntN(4) {
			case 0:
				b[at] = byte(rand.IntN(256))
			case 1:
				b = append(b[:at:at], b[min(len(b), at+1+rand.IntN(3)):]...)
			case 2:
				b = append(b[:at:at], pieces[rand.IntN(len(pieces))]+string(b[at:])...)
			case 3:
				b[at] ^= 0x20
			}
		}
		for n := compare(t, b); n > 0; n = compare(t, b) {
			b = b[n:]
			strict++
		}
	}
	if strict < 50_000 {
		t.Errorf("only %d strict requests were compared", strict)
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	b := []byte(push("Authorization: Bearer s3cret", "User-Agent: Go-http-client/1.1"))
	var r http1.Request
	if n := testing.AllocsPerRun(100, func() { http1.Parse(&r, b, limits) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkParse(b *testing.B) {
	raw := []byte(push("User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip", "Content-Type: application/json"))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var r http1.Request
	for b.Loop() {
		if n, _ := http1.Parse(&r, raw, limits); n != len(raw) {
			b.Fatal(n)
		}
	}
}
