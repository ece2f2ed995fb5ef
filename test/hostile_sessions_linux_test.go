package test

import (
	"bytes"
	"crypto/tls"
	"encoding/gob"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"strings"
	"time"
)

// The kinds of listeners.
const (
	public = iota
	admin
	ops
)

// hostilePeer is a stranger's end of a connection.
type hostilePeer struct {
	io.ReadWriter
	raw *net.TCPConn
}

// drain reads until the connection ends.
func (p *hostilePeer) drain() { io.Copy(io.Discard, p) }

// connect opens a connection, perhaps with TLS.
func (s *stranger) connect(addr string, secure bool) (*hostilePeer, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	raw := c.(*net.TCPConn)
	if !secure {
		return &hostilePeer{raw, raw}, nil
	}
	raw.SetDeadline(time.Now().Add(2 * time.Second))
	t := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) // who it is does not matter here
	if err := t.Handshake(); err != nil {
		raw.Close()
		return nil, err
	}
	raw.SetDeadline(time.Time{})
	return &hostilePeer{t, raw}, nil
}

// valid is a session as a client might have it that means no harm, though in an order of its own.
func (s *stranger) valid(kind int) string {
	switch {
	case kind == ops:
		return s.opsSession()
	case kind == public && s.IntN(2) == 0:
		return s.deviceSession()
	case kind == admin && s.IntN(3) == 0:
		return s.backendSession()
	case kind == admin && s.IntN(4) == 0:
		return s.rpcSession()
	}
	return s.redisSession()
}

func (s *stranger) opsSession() (all string) {
	for range 1 + s.IntN(4) {
		path := s.pick("/livez", "/readyz", "/metrics", "/stat?type=memory", "/stat?type=channel&key="+s.key(), "/stat?type=x", "/debug/pprof/", "/loglevel", "/debug/pprof/symbol", "/nothing")
		all += s.pick("GET ", "GET ", "POST ", "HEAD ", "DELETE ") + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
	}
	return all
}

// deviceSession is one of a device of gopush-cluster.
func (s *stranger) deviceSession() string {
	switch s.IntN(4) {
	case 0:
		return command("sub", s.key(), s.pick("30", "60", "86400"), s.pick("", "token"), s.pick("", "1"), s.pick("", "0", "17000000000000004")) + strings.Repeat("h", s.IntN(20))
	case 1:
		text := handshake(s.key(), s.pick("", "&ver=1", "&ver=1&mid=0", "&mid=x"), s.pick("X: y", "Sec-WebSocket-Extensions: permessage-deflate", "Origin: https://a.example"))
		for range s.IntN(6) {
			text += s.frame()
		}
		return text
	case 2:
		return "GET /1/time/get HTTP/1.1\r\nHost: localhost\r\n\r\n" + handshake(s.key(), "&ver=1") + s.frame()
	}
	text := ""
	for range 1 + s.IntN(4) {
		text += "GET " + s.pick("/1/server/get?k=a&p=1", "/1/msg/get?k="+s.key()+"&m=0", "/1/time/get?cb=f", "/msg/get?key=a&mid=0", "/sub?key=a", "/nothing") + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
	}
	return text
}

// frame is a frame of a client; its mask is zero.
func (s *stranger) frame() string {
	data := s.pick("h", "h\r\n", "", "x", strings.Repeat("h", 126), "\x03\xe8")
	head := []byte{byte(s.IntN(256)), 0x80 | byte(len(data))}
	if s.IntN(4) > 0 {
		head[0] = []byte{0x81, 0x82, 0x88, 0x89, 0x8a, 0x01, 0x80, 0xc1}[s.IntN(8)]
	}
	if len(data) > 125 {
		head = []byte{head[0], 0x80 | 126, 0, byte(len(data))}
	}
	return string(head) + "\x00\x00\x00\x00" + data
}

// backendSession is requests of a backend.
func (s *stranger) backendSession() (all string) {
	for range 1 + s.IntN(6) {
		method, body := "POST", s.pick("hello", `{"a":1}`, "", strings.Repeat("x", s.IntN(40_000)))
		path := "/v1/push/" + s.key() + s.pick("?expire=0", "?expire=60", "", "?expire=x")
		switch s.IntN(6) {
		case 0:
			path, body = "/v1/push", fmt.Sprintf(`{"messages":[{"keys":[%q,%q],"payload":{"a":[1,2]},"expire":%d},{"key":%q,"base64":"AAEC"}]}`, s.key(), s.key(), s.IntN(100), s.key())
		case 1:
			path, body = "/1/admin/push/mprivate?expire=60", fmt.Sprintf(`{"m":"{\"a\":1}","k":"%s,%s"}`, s.key(), s.key())
		case 2:
			method, path = s.pick("GET", "DELETE"), "/v1/keys/"+s.key()+s.pick("", "/messages?limit=2", "/messages", "/connections", "/tokens")
		case 3:
			path, body = "/1/admin/msg/del", "key="+s.key()
		}
		all += fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", method, path, s.pick("", "", "Idempotency-Key: "+s.key()+"\r\n", "X-A: b\r\n", "Expect: 100-continue\r\n"), len(body), body)
	}
	return all
}

// rpcSession is calls of a process of gopush-cluster.
func (s *stranger) rpcSession() string {
	var b bytes.Buffer
	e := gob.NewEncoder(&b)
	for i := range 1 + s.IntN(4) {
		call := func(method string, args any) {
			e.Encode(rpc.Request{ServiceMethod: method, Seq: uint64(i)}) // into memory
			e.Encode(args)
		}
		switch s.IntN(5) {
		case 0:
			call("CometRPC.PushPrivate", &cometPushPrivateArgs{s.key(), []byte(`"x"`), uint(s.IntN(100))})
		case 1:
			call("CometRPC.PushPrivates", &cometPushPrivatesArgs{[]string{s.key(), ""}, []byte(`"x"`), 0})
		case 2:
			call("MessageRPC.GetPrivate", &messageGetPrivateArgs{int64(s.IntN(10)), s.key()})
		case 3:
			call("CometRPC.New", &cometNewArgs{5, "t", s.key()})
		default:
			call(s.pick("CometRPC.Ping", "MessageRPC.DelPrivate", "No.Method"), i)
		}
	}
	return b.String()
}

// redisSession is commands of Redis with arguments that they may have, in any order.
func (s *stranger) redisSession() (all string) {
	for range 1 + s.IntN(20) {
		args := strings.Fields(s.pick(
			"HELLO 2", "HELLO 3", "HELLO 3 AUTH K K SETNAME a", "AUTH K K", "PING", "PING a", "ECHO K", "SELECT 0", "SELECT 1", "RESET", "QUIT", "CLIENT ID", "CLIENT INFO", "CLIENT SETNAME a",
			"CLIENT CAPA attributes", "CLIENT REPLY SKIP", "CLIENT NO-TOUCH on", "COMMAND COUNT", "COMMAND DOCS", "COMMAND GETKEYS XREAD STREAMS a 0", "COMMAND INFO xadd get",
			"SUBSCRIBE K K", "UNSUBSCRIBE K", "UNSUBSCRIBE", "SSUBSCRIBE K", "SUNSUBSCRIBE", "PSUBSCRIBE hostile*", "PUNSUBSCRIBE", "PUBLISH K N", "SPUBLISH K N", "PUBSUB CHANNELS hostile*", "PUBSUB NUMSUB K",
			"XADD K * msg N", "XADD K * a N b N", "XADD K MAXLEN ~ 10 * msg N", "XADD K I msg N", "XADD K NOMKSTREAM EXPIRE 60 * msg N", "XADD K IDMP p i * msg N",
			"XRANGE K - +", "XRANGE K (I + COUNT N", "XREVRANGE K + - COUNT 2", "XLEN K", "XDEL K I", "XTRIM K MAXLEN N", "XTRIM K MINID I", "XINFO STREAM K FULL", "XINFO GROUPS K", "XINFO CONSUMERS K g",
			"XREAD COUNT 5 STREAMS K K 0 0", "XREAD BLOCK 50 STREAMS K $", "XREAD BLOCK 0 STREAMS K I", "XGROUP CREATE K g 0 MKSTREAM", "XGROUP CREATE K g $ MKSTREAM ENTRIESREAD N", "XGROUP DESTROY K g",
			"XGROUP CREATECONSUMER K g c", "XGROUP DELCONSUMER K g c", "XGROUP SETID K g I", "XREADGROUP GROUP g c COUNT 5 STREAMS K >", "XREADGROUP GROUP g c BLOCK 50 STREAMS K >", "XREADGROUP GROUP g c STREAMS K 0",
			"XACK K g I I", "XPENDING K g", "XPENDING K g IDLE 0 - + 10", "XCLAIM K g c 0 I JUSTID", "XAUTOCLAIM K g c 0 0 COUNT 10", "DEL K", "EXISTS K K", "TYPE K", "TTL K", "SCAN 0 MATCH hostile* COUNT 10",
			"SCAN N", "DBSIZE", "INFO", "INFO server", "CLIENT LIST", "CLIENT KILL ID 999999999", "CONFIG GET maxmemory", "TIME", "WAIT 0 0", "GET K", "SET K N", "MULTI", "EXEC", "EVAL x 0", "FLUSHALL", "SHUTDOWN", "DEBUG SLEEP 0",
		))
		for i, arg := range args {
			switch arg {
			case "K":
				args[i] = s.key()
			case "N":
				args[i] = s.pick("0", "1", "7", "100", "-5")
			case "I":
				args[i] = s.pick("0", "0-1", "1700000000000-4", "9999999999999-0", "*", "-", "1-*")
			}
		}
		if s.IntN(10) == 0 {
			args = args[:1+s.IntN(len(args))]
		}
		if s.IntN(12) == 0 {
			all += strings.Join(args, " ") + "\r\n"
			continue
		}
		all += command(args...)
	}
	return all
}
