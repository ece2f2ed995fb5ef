package redis_test

import (
	"strings"
	"testing"

	"gopush/internal/redis"
)

// The replies are those of redis-server 7.0.15 where nothing else is said.
func TestConnecting(t *testing.T) {
	t.Parallel()
	const hello2 = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:7\r\n" +
		"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0"
	const hello3 = "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:7\r\n" +
		"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0"
	newFake().admin(t).wants(
		row{"PING", "+PONG"},
		row{"ping hi", "$2\r\nhi"},
		row{"PING a b", "-ERR wrong number of arguments for 'ping' command"},
		row{"ECHO a", "$1\r\na"},
		row{"ECHO", "-ERR wrong number of arguments for 'echo' command"},
		row{"SELECT 0", "+OK"},
		row{"SELECT 1", "-ERR DB index is out of range"},
		row{"SELECT x", "-ERR value is not an integer or out of range"},
		row{"foo", "-ERR unknown command 'foo', with args beginning with: "},
		row{`foo bar "x y"`, "-ERR unknown command 'foo', with args beginning with: 'bar' 'x y' "},
		row{`get "a\r\nb\x00c"`, "-ERR unknown command 'get', with args beginning with: 'a  b' "},
		row{"client foo", "-ERR unknown subcommand 'foo'. Try CLIENT HELP."},
		row{"client", "-ERR wrong number of arguments for 'client' command"},
		row{"client setname a b", "-ERR wrong number of arguments for 'client|setname' command"},
		row{"HELLO", hello2},
		row{"HELLO 4", "-NOPROTO unsupported protocol version"},
		row{"HELLO x", "-ERR Protocol version is not an integer or out of range"},
		row{"HELLO 2 FOO", "-ERR Syntax error in HELLO option 'FOO'"},
		row{"HELLO 3 AUTH u", "-ERR Syntax error in HELLO option 'AUTH'"},
		row{`HELLO 2 SETNAME "a b"`, "-ERR Client names cannot contain spaces, newlines or special characters."},
		row{"CLIENT GETNAME", "$-1"},
		row{"HELLO 2 SETNAME kept foo", "-ERR Syntax error in HELLO option 'foo'"},
		row{"CLIENT GETNAME", "$4\r\nkept"},
		row{"HELLO 3 SETNAME abc", hello3},
		row{"CLIENT GETNAME", "$3\r\nabc"},
		row{`CLIENT SETNAME ""`, "+OK"},
		row{"CLIENT GETNAME", "_"},
		row{"CLIENT ID", ":7"},
		row{"HELLO 2", hello2},
		row{"CLIENT SETINFO lib-name x", "+OK"},
		row{"CLIENT SETINFO lib-ver 1.0", "+OK"},
		row{"CLIENT SETINFO foo 1.0", "-ERR Unrecognized option 'foo'"},
		row{`CLIENT SETINFO LIB-NAME "a b"`, "-ERR lib-name cannot contain spaces, newlines or special characters."},
		row{"CLIENT SETNAME " + strings.Repeat("x", 256), "-ERR names of clients and libraries have at most 255 bytes"},
		row{"CLIENT NO-EVICT x", "-ERR syntax error"},
		row{"CLIENT NO-EVICT on", "+OK"},
		row{"CLIENT NO-TOUCH ON", "+OK"},
		row{"CLIENT GETREDIR", ":-1"},
		row{"CLIENT INFO", "$246\r\nid=7 addr= laddr= fd=-1 name= age=0 idle=0 flags=eT db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 " +
			"argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=client|info user=default redir=-1 resp=2 lib-name=x lib-ver=1.0\n"},
		row{"RESET", "+RESET"},
		row{"MULTI", "-ERR MULTI is not supported: gopush has no transactions; pipeline the commands without"},
		row{"QUIT", "+OK"},
	)
}

func TestRepliesCanBeLeftOut(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.keys.subscribers["k"] = 2
	f.admin(t).wants(
		row{"CLIENT REPLY x", "-ERR syntax error"},
		row{"CLIENT REPLY SKIP", ""},
		row{"PUBLISH k x", ""},
		row{"PUBLISH k x", ":2"},
		row{"CLIENT REPLY SKIP", ""},
		row{"CLIENT REPLY SKIP", ""},
		row{"EXISTS k", ""},
		row{"EXISTS k", ":0"},
		row{"CLIENT REPLY OFF", ""},
		row{"PING", ""},
		row{"foo", ""},
		row{"SUBSCRIBE a", ""},
		row{"RESET", "+RESET"},
		row{"CLIENT REPLY SKIP", ""},
		row{"RESET", ""},
		row{"CLIENT REPLY OFF", ""},
		row{"CLIENT REPLY ON", "+OK"},
		row{"PING", "+PONG"},
	)
}

func TestSubscribedConnectionsOfRESP2RunLittle(t *testing.T) {
	t.Parallel()
	const only = ": only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
	c := newFake().admin(t)
	c.wants(
		row{"SUBSCRIBE", "-ERR wrong number of arguments for 'subscribe' command"},
		row{"SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1"},
		row{"ECHO x", "-ERR Can't execute 'echo'" + only},
		row{"CLIENT LIST", "-ERR Can't execute 'client|list'" + only},
		row{"client foo", "-ERR unknown subcommand 'foo'. Try CLIENT HELP."},
		row{"PING", "*2\r\n$4\r\npong\r\n$0\r\n"},
		row{"PING x", "*2\r\n$4\r\npong\r\n$1\r\nx"},
		row{"SSUBSCRIBE s", "*3\r\n$10\r\nssubscribe\r\n$1\r\ns\r\n:1"},
		row{"PSUBSCRIBE p*", "*3\r\n$10\r\npsubscribe\r\n$2\r\np*\r\n:2"},
		row{"UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1"},
		row{"UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1"},
		row{"PUNSUBSCRIBE zz", "*3\r\n$12\r\npunsubscribe\r\n$2\r\nzz\r\n:1"},
		row{"SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$1\r\ns\r\n:0"},
		row{"ECHO x", "-ERR Can't execute 'echo'" + only},
		row{"RESET", "+RESET"},
		row{"ECHO x", "$1\r\nx"},
	)
	if c.tell("HELLO 3"); !c.session.RESP3() {
		t.Fatal("HELLO 3 did not begin RESP3")
	}
	c.wants(
		row{"SUBSCRIBE a", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1"},
		row{"ECHO x", "$1\r\nx"},
		row{"PING", "+PONG"},
		row{"SUNSUBSCRIBE", ">3\r\n$12\r\nsunsubscribe\r\n_\r\n:0"},
	)
}

func TestDeliveriesCarryTheirIDsIfAskedFor(t *testing.T) {
	t.Parallel()
	c := newFake().admin(t)
	c.wants(row{"CLIENT CAPA redirect attributes", "+OK"})
	if c.session.Attributes() {
		t.Error("a client of RESP2 gets attributes")
	}
	c.tell("HELLO 3")
	if !c.session.Attributes() {
		t.Error("CLIENT CAPA attributes, HELLO 3: no attributes")
	}
	c.tell("RESET")
	c.tell("HELLO 3")
	if c.session.Attributes() {
		t.Error("RESET: still attributes")
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	s := redis.New(newFake().Config)
	for name, want := range map[string]bool{"ping": true, "PING": true, "MuLtI": true, "sub": false, "get": true, "GEt": true, "nothing": false, "": false} {
		if got := s.Known([]byte(name)); got != want {
			t.Errorf("Known(%q) = %v, want %v", name, got, want)
		}
	}
}
