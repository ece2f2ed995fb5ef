package redis_test

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/redis"
)

// someClients are three connections: one that said nothing, one that subscribes, and the one that asks.
func someClients(t *testing.T) (*peer, *fakeClients) {
	f, clients := newFake(), &fakeClients{}
	f.secrets["ops"] = "s3cret"
	s := redis.New(f.Config)
	s.SetClients(clients)
	me := connect(t, f, s, 9, redis.Trust{Admin: true, Open: true})
	me.tell("AUTH ops s3cret")
	me.tell("CLIENT SETNAME me")
	sub := connect(t, f, s, 3, redis.Trust{})
	sub.tell("HELLO 3")
	sub.tell("SUBSCRIBE a b")
	idle := connect(t, f, s, 5, redis.Trust{})
	for i, c := range []*peer{me, sub, idle} {
		clients.all = append(clients.all, redis.Client{
			ID: c.session.ID(), Addr: "10.0.0.1:" + string(rune('1'+i)), LAddr: "10.0.0.9:6970", Session: c.session,
			Age: 90 * time.Second, Idle: time.Second, Blocked: c == idle, Subscriptions: c.session.Subscriptions,
		})
	}
	return me, clients
}

func line(id, addr, name, flags, sub, cmd, user, three string) string {
	return "id=" + id + " addr=10.0.0.1:" + addr + " laddr=10.0.0.9:6970 fd=-1 name=" + name + " age=90 idle=1 flags=" + flags + " db=0 sub=" + sub +
		" psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=" + cmd +
		" user=" + user + " redir=-1 resp=" + three + " lib-name= lib-ver=\n"
}

func TestClientList(t *testing.T) {
	t.Parallel()
	me, _ := someClients(t)
	sub := line("3", "2", "", "P", "2", "subscribe", "default", "3")
	idle := line("5", "3", "", "b", "0", "NULL", "default", "2")
	self := line("9", "1", "me", "N", "0", "client|list", "ops", "2")
	tests := []struct{ line, want string }{
		{"CLIENT LIST", sub + idle + self},
		{"CLIENT LIST TYPE pubsub", sub},
		{"CLIENT LIST TYPE NORMAL", idle + self},
		{"CLIENT LIST TYPE replica", ""},
		{"CLIENT LIST ID 5 3 77", sub + idle},
		{"CLIENT INFO", line("9", "1", "me", "N", "0", "client|info", "ops", "2")},
	}
	for _, tt := range tests {
		_, text, _ := strings.Cut(me.tell(tt.line), "\r\n")
		if text != tt.want+"\r\n" {
			t.Errorf("%s =\n%swant\n%s", tt.line, text, tt.want)
		}
	}
	me.wants(
		row{"CLIENT LIST a b", "-ERR syntax error"},
		row{"CLIENT LIST ID", "-ERR syntax error"},
		row{"CLIENT LIST ID x", "-ERR Invalid client ID"},
		row{"CLIENT LIST TYPE x", "-ERR Unknown client type 'x'"},
	)
}

func TestClientKill(t *testing.T) {
	t.Parallel()
	tests := []struct {
		line, want string
		left       int
	}{
		{"CLIENT KILL 10.0.0.1:2", "+OK", 2},
		{"CLIENT KILL 10.0.0.1:1", "+OK", 2},
		{"CLIENT KILL 10.0.0.1:7", "-ERR No such client", 3},
		{"CLIENT KILL ID 5", ":1", 2},
		{"CLIENT KILL ID 9", ":0", 3},
		{"CLIENT KILL ID 9 SKIPME no", ":1", 2},
		{"CLIENT KILL TYPE normal", ":1", 2},
		{"CLIENT KILL TYPE pubsub ID 5", ":0", 3},
		{"CLIENT KILL USER default", ":2", 1},
		{"CLIENT KILL USER ops SKIPME NO", ":1", 2},
		{"CLIENT KILL ADDR 10.0.0.1:3 LADDR 10.0.0.9:6970", ":1", 2},
		{"CLIENT KILL SKIPME YES", ":2", 1},
		{"CLIENT KILL FOO BAR", "-ERR syntax error", 3},
		{"CLIENT KILL ID x", "-ERR client-id should be greater than 0", 3},
		{"CLIENT KILL TYPE x", "-ERR Unknown client type 'x'", 3},
		{"CLIENT KILL SKIPME x", "-ERR syntax error", 3},
		{"CLIENT KILL ID 1 FOO", "-ERR syntax error", 3},
	}
	for _, tt := range tests {
		me, clients := someClients(t)
		me.wants(row{tt.line, tt.want})
		if len(clients.all) != tt.left {
			t.Errorf("%s left %d connections, want %d", tt.line, len(clients.all), tt.left)
		}
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	c := newFake().admin(t)
	all := c.tell("INFO")
	for _, want := range []string{
		"# Server\r\nredis_version:7.0.15\r\ngopush_version:1.2\r\n", "tcp_port:6970\r\n", "uptime_in_seconds:3600\r\n",
		"\r\n\r\n# Clients\r\nconnected_clients:7\r\nblocked_clients:0\r\n", "used_memory:", "loading:0\r\n", "total_commands_processed:0\r\n", "role:master\r\n",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("INFO has no %q:\n%s", want, all)
		}
	}
	c.wants(
		row{"INFO cluster", "$30\r\n# Cluster\r\ncluster_enabled:0\r\n"},
		row{"INFO Keyspace CLUSTER", "$44\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n"},
		row{"INFO foo", "$0\r\n"},
		row{"TIME", "*2\r\n$10\r\n1700000000\r\n$6\r\n123456"},
	)
	c.tell("HELLO 3")
	c.wants(row{"INFO foo", "=4\r\ntxt:"})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	newFake().admin(t).wants(
		row{"CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n"},
		row{"CONFIG GET sav? APPENDONLY app*ly", "*4\r\n$10\r\nAPPENDONLY\r\n$3\r\nyes\r\n$4\r\nsave\r\n$0\r\n"},
		row{"CONFIG GET x", "*0"},
		row{"CONFIG GET", "-ERR wrong number of arguments for 'config|get' command"},
		row{"CONFIG SET save x", "-ERR CONFIG SET is not supported: settings come from the file, the environment and the flags that the node began with"},
	)
}

func TestCommand(t *testing.T) {
	t.Parallel()
	c := newFake().admin(t)
	c.wants(
		row{"COMMAND INFO echo client|kill nope multi", "*4\r\n" +
			"*10\r\n$4\r\necho\r\n:2\r\n*3\r\n+loading\r\n+stale\r\n+fast\r\n:0\r\n:0\r\n:0\r\n*2\r\n+@fast\r\n+@connection\r\n*0\r\n*0\r\n*0\r\n" +
			"*10\r\n$11\r\nclient|kill\r\n:-3\r\n*4\r\n+admin\r\n+noscript\r\n+loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n" +
			"*4\r\n+@admin\r\n+@slow\r\n+@dangerous\r\n+@connection\r\n*0\r\n*0\r\n*0\r\n*-1\r\n*-1"},
		row{"COMMAND INFO exists", "*1\r\n*10\r\n$6\r\nexists\r\n:-2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:-1\r\n:1\r\n" +
			"*3\r\n+@keyspace\r\n+@read\r\n+@fast\r\n*0\r\n*0\r\n*0"},
		row{"COMMAND DOCS nope echo", "*2\r\n$4\r\necho\r\n*6\r\n$7\r\nsummary\r\n$21\r\nEcho the given string\r\n$5\r\nsince\r\n$5\r\n1.0.0\r\n" +
			"$5\r\ngroup\r\n$10\r\nconnection"},
		row{"COMMAND GETKEYS nope a", "-ERR Invalid command specified"},
		row{"COMMAND GETKEYS type", "-ERR wrong number of arguments for 'command|getkeys' command"},
		row{"COMMAND GETKEYS ping a", "-ERR The command has no key arguments"},
		row{"COMMAND GETKEYS publish a b", "-ERR The command has no key arguments"},
		row{"COMMAND GETKEYS type a b", "-ERR Invalid number of arguments specified for command"},
		row{"COMMAND GETKEYS del a b", "*2\r\n$1\r\na\r\n$1\r\nb"},
		row{"COMMAND GETKEYS memory usage a", "*1\r\n$1\r\na"},
		row{"COMMAND LIST FILTERBY PATTERN ech*", "*1\r\n$4\r\necho"},
		row{"COMMAND LIST FILTERBY MODULE x", "*0"},
		row{"COMMAND LIST FILTERBY x", "-ERR syntax error"},
		row{"COMMAND FOO", "-ERR unknown subcommand 'FOO'. Try COMMAND HELP."},
	)
	count := strings.TrimPrefix(c.tell("COMMAND COUNT"), ":")
	for _, all := range []string{"COMMAND", "COMMAND INFO", "COMMAND LIST"} {
		if got := c.tell(all); !strings.HasPrefix(got, "*"+count) {
			t.Errorf("%s begins with %q, but COMMAND COUNT is %s", all, got[:10], count)
		}
	}
	if docs := c.tell("COMMAND DOCS"); strings.Contains(docs, "\r\nmulti\r\n") || !strings.Contains(docs, "client|no-touch") {
		t.Errorf("COMMAND DOCS has MULTI, or not CLIENT NO-TOUCH: %q", docs)
	}
}

func TestErrorsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFake().withTokens(nil)
	s := redis.New(f.Config)
	public := connect(t, f, s, 1, redis.Trust{})
	public.tell("PING")
	public.tell("AUTH k x")
	admin := connect(t, f, s, 2, redis.Trust{Admin: true, Open: true})
	admin.tell("PING")
	admin.tell("foo")
	admin.tell("HELLO 9")
	for kind, want := range map[redis.ErrorKind]int64{redis.Err: 1, redis.NoAuth: 1, redis.WrongPass: 1, redis.NoProto: 1, redis.NoPerm: 0} {
		if got := s.Stats.Errors[kind].Load(); got != want {
			t.Errorf("%d errors of kind %s, want %d", got, kind, want)
		}
	}
	if got := s.Stats.Commands.Load(); got != 5 {
		t.Errorf("%d commands counted, want 5", got)
	}
	reg := prometheus.NewRegistry()
	s.Register(reg)
	if families, err := reg.Gather(); err != nil || len(families) != 2 {
		t.Errorf("%d families of metrics, %v; want 2", len(families), err)
	}
}

// A million idle connections have a session each.
func TestSessionsAreSmall(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(redis.Session{}); size > 32 {
		t.Errorf("a session has %d bytes, want at most 32", size)
	}
}

func TestHotCommandsDoNotAllocate(t *testing.T) {
	f := newFake()
	s := redis.New(f.Config)
	session := s.NewSession(1, redis.Trust{Admin: true, Open: true})
	step, dst := new(redis.Step), make([]byte, 0, 100)
	key, payload := []byte("a longer key"), []byte("a payload of some length, as they are, longer than what fits a register")
	for _, tt := range []struct {
		args [][]byte
		want float64
	}{
		{[][]byte{[]byte("PING")}, 0},
		{[][]byte{[]byte("ECHO"), payload}, 0},
		{[][]byte{[]byte("SUBSCRIBE"), key}, 0},
		{[][]byte{[]byte("PUBLISH"), key, payload}, 2}, // the copies of key and payload
	} {
		got := testing.AllocsPerRun(100, func() { dst = s.Command(session, tt.args, dst[:0], step) })
		if got > tt.want {
			t.Errorf("%q: %v allocations, want %v", tt.args, got, tt.want)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	s := redis.New(newFake().Config)
	session := s.NewSession(1, redis.Trust{Admin: true, Open: true})
	step, dst := new(redis.Step), make([]byte, 0, 100)
	args := [][]byte{[]byte("PUBLISH"), []byte("user:1234567"), []byte("a payload")}
	b.ReportAllocs()
	for b.Loop() {
		dst = s.Command(session, args, dst[:0], step)
	}
}
