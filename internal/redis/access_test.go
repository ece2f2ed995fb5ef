package redis_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/redis"
)

const (
	noAuth    = "-NOAUTH Authentication required."
	wrongPass = "-WRONGPASS invalid username-password pair or user is disabled."
	noKey     = "-NOPERM this user has no permissions to access one of the keys used as arguments"
	noChannel = "-NOPERM this user has no permissions to access one of the channels used as arguments"
)

func TestPublicConnectionsOpenKeysWithTokens(t *testing.T) {
	t.Parallel()
	c := newFake().withTokens(map[string]string{"k": "secret", "l": "other"}).connect(t, redis.Trust{})
	if !c.session.Anonymous() {
		t.Error("a connection that showed no token is not anonymous")
	}
	c.wants(
		row{"PING", noAuth},
		row{"SUBSCRIBE k", noAuth},
		row{"PUBLISH k x", noAuth},
		row{"foo", "-ERR unknown command 'foo', with args beginning with: "},
		row{"ECHO", "-ERR wrong number of arguments for 'echo' command"},
		row{"AUTH secret", "-ERR a key is opened with its name and a token: AUTH KEY TOKEN"},
		row{"AUTH k other", wrongPass},
		row{"AUTH unknown x", wrongPass},
		row{"AUTH k a b", "-ERR syntax error"},
		row{"HELLO 3 AUTH k wrong", wrongPass},
		row{"EXISTS k", noAuth},
	)
	if !c.session.Anonymous() || c.session.RESP3() {
		t.Error("a wrong token changed the session")
	}
	c.wants(
		row{"AUTH k secret", "+OK"},
		row{"PING", "+PONG"},
		row{"EXISTS k", ":0"},
		row{"EXISTS l", noKey},
		row{"EXISTS k l", noKey},
		row{"SUBSCRIBE l", noChannel},
		row{"AUTH l other", "+OK"},
		row{"EXISTS k l", ":0"},
		row{"PUBSUB NUMSUB k", "*2\r\n$1\r\nk\r\n:0"},
		row{"PUBSUB NUMSUB m", noChannel},
		row{"SUBSCRIBE k l", "*3\r\n$9\r\nsubscribe\r\n$1\r\nk\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nl\r\n:2"},
		row{"UNSUBSCRIBE m", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nm\r\n:2"},
		row{"RESET", "+RESET"},
		row{"PING", noAuth},
	)
	if got := c.tell("HELLO 3 AUTH k secret SETNAME me"); !strings.HasPrefix(got, "%7\r\n") || !c.session.RESP3() {
		t.Errorf("HELLO 3 with a token: %q, RESP3 %v", got, c.session.RESP3())
	}
	c.wants(row{"CLIENT GETNAME", "$2\r\nme"})
	if tag := c.session.Tag("k"); tag != 42 {
		t.Errorf("Tag = %d, want that of the token", tag)
	}
}

func TestPublicConnectionsDoNotPushNorSeeOthers(t *testing.T) {
	t.Parallel()
	c := newFake().connect(t, redis.Trust{})
	for _, line := range []string{
		"PUBLISH k x", "SPUBLISH k x", "DEL k", "UNLINK k", "SCAN 0", "DBSIZE", "PSUBSCRIBE *", "CLIENT LIST", "CLIENT KILL a",
		"CONFIG GET save", "CONFIG SET save x", "PUBSUB CHANNELS", "PUBSUB SHARDCHANNELS", "PUBSUB NUMPAT",
	} {
		words := strings.Fields(strings.ToLower(line))
		name := words[0]
		if name == "client" || name == "config" || name == "pubsub" {
			name += "|" + words[1]
		}
		c.wants(row{line, fmt.Sprintf("-NOPERM this user has no permissions to run the '%s' command", name)})
	}
	c.wants(row{"AUTH any thing", "+OK"}, row{"EXISTS k", ":0"}, row{"INFO stats", "$0\r\n"})
	for _, secret := range []string{"6970", "n1", "connected_clients"} {
		if got := c.tell("INFO"); strings.Contains(got, secret) {
			t.Errorf("INFO tells a stranger %q: %s", secret, got)
		}
	}
}

func TestTokensAreCheckedAgain(t *testing.T) {
	t.Parallel()
	f := newFake().withTokens(map[string]string{"k": "secret", "l": "other"})
	c := f.connect(t, redis.Trust{})
	c.wants(row{"AUTH k secret", "+OK"}, row{"AUTH l other", "+OK"}, row{"EXISTS k l", ":0"})
	wantAsked := func(want int) {
		t.Helper()
		if f.asked != want {
			t.Errorf("tokens were checked %d times, want %d", f.asked, want)
		}
	}
	f.now = f.now.Add(59 * time.Second)
	c.wants(row{"EXISTS k l", ":0"})
	wantAsked(2)
	f.now = f.now.Add(time.Second)
	c.wants(row{"EXISTS k", ":0"}, row{"EXISTS k", ":0"})
	wantAsked(3)
	f.revoked++
	c.wants(row{"EXISTS k l", ":0"}, row{"EXISTS k l", ":0"})
	wantAsked(5)

	f.revoked++
	f.unchecked = errNoStore
	c.wants(row{"EXISTS k", "-ERR nothing was done, try again later: store unavailable"})
	f.unchecked = nil
	c.wants(row{"EXISTS k", ":0"})

	f.revoked++
	f.tokens["k"] = "changed"
	c.wants(row{"EXISTS k", noKey}, row{"EXISTS l", ":0"})
	f.revoked++
	delete(f.tokens, "l")
	c.wants(row{"EXISTS l", noAuth})
}

func TestOneConnectionOpensSoManyKeys(t *testing.T) {
	t.Parallel()
	tokens := map[string]string{}
	for i := range 1025 {
		tokens[fmt.Sprint("k", i)] = "t"
	}
	c := newFake().withTokens(tokens).connect(t, redis.Trust{})
	for i := range 1024 {
		c.wants(row{fmt.Sprintf("AUTH k%d t", i), "+OK"})
	}
	c.wants(
		row{"AUTH k1024 t", "-ERR too many keys opened on this connection: use another one"},
		row{"AUTH k3 t", "+OK"},
		row{"EXISTS k0 k500 k1023", ":0"},
	)
}

func TestAdminsShowAPIKeys(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.secrets["ops"] = "s3cret"
	c := f.connect(t, redis.Trust{Admin: true})
	c.wants(
		row{"PING", noAuth},
		row{"HELLO 3", "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can " +
			"be used to authenticate the client and select the RESP protocol version at the same time"},
		row{"AUTH wrong", wrongPass},
		row{"AUTH dev s3cret", wrongPass},
		row{"AUTH ops s3cret", "+OK"},
		row{"PUBLISH k x", ":0"},
		row{"RESET", "+RESET"},
		row{"PING", noAuth},
		row{"AUTH s3cret", "+OK"},
		row{"PING", "+PONG"},
	)
	f.generation++
	c.wants(row{"PING", noAuth}, row{"AUTH default s3cret", "+OK"}, row{"PING", "+PONG"})

	f.admin(t).wants(row{"PING", "+PONG"}, row{"AUTH wrong", wrongPass}, row{"PING", "+PONG"}, row{"AUTH s3cret", "+OK"})
}

func TestAPIKeysAreCheckedAgainByHash(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.secrets["ops"] = "s3cret"
	f.APIKeyHash = func(name string, hash [sha256.Size]byte) bool { return sha256.Sum256([]byte(f.secrets[name])) == hash }
	c := f.connect(t, redis.Trust{Admin: true})
	c.wants(row{"AUTH ops s3cret", "+OK"})
	f.generation++
	c.wants(row{"PING", "+PONG"})
	f.generation++
	f.secrets["ops"] = "changed"
	c.wants(row{"PING", noAuth})
	if !c.session.Anonymous() {
		t.Error("an admin whose API key is none any more is not anonymous")
	}
}

// A subscription asks for nothing again: who subscribes with an API key that is taken away is closed.
func TestAdminsWithoutAPIKeyAreClosed(t *testing.T) {
	t.Parallel()
	f, clients := newFake(), &fakeClients{}
	f.secrets["ops"], f.secrets["dev"] = "s3cret", "0ther"
	f.APIKeyHash = func(name string, hash [sha256.Size]byte) bool { return sha256.Sum256([]byte(f.secrets[name])) == hash }
	s := redis.New(f.Config)
	s.SetClients(clients)
	for i, c := range []struct {
		trust redis.Trust
		auth  string
	}{
		{redis.Trust{Admin: true}, "AUTH ops s3cret"},
		{redis.Trust{Admin: true}, "AUTH dev 0ther"},
		{redis.Trust{Admin: true}, "AUTH ops wrong"},
		{redis.Trust{Admin: true, Open: true}, "AUTH ops s3cret"}, // needs none
		{redis.Trust{}, "PING"},
	} {
		p := connect(t, f, s, int64(i), c.trust)
		p.tell(c.auth)
		clients.all = append(clients.all, redis.Client{ID: int64(i), Session: p.session})
	}
	wantLeft := func(when string, want ...int64) {
		t.Helper()
		s.EndRevoked(t.Context())
		var left []int64
		for _, c := range clients.all {
			left = append(left, c.ID)
		}
		if !slices.Equal(left, want) {
			t.Errorf("%s EndRevoked left %v, want %v", when, left, want)
		}
	}
	wantLeft("while nothing has changed", 0, 1, 2, 3, 4)
	f.generation++
	wantLeft("with the same keys", 0, 1, 2, 3, 4)
	f.generation++
	f.secrets["ops"] = "changed"
	wantLeft("without one of the keys", 1, 2, 3, 4)
}

func TestKeysAreChecked(t *testing.T) {
	t.Parallel()
	newFake().admin(t).wants(
		row{`EXISTS ""`, "-ERR bad key: empty"},
		row{"PUBLISH abcdefghijklmnopq x", "-ERR bad key: 17 bytes, max_key_bytes is 16"},
		row{`SUBSCRIBE a "b\n"`, "-ERR bad key: control character U+000A"},
		row{`TYPE "\xff"`, "-ERR bad key: not UTF-8"},
		row{`TYPE "\x7f"`, "-ERR bad key: control character U+007F"},
		row{`TYPE "é"`, "+none"},
		row{"PSUBSCRIBE abcdefghijklmnop*", "-ERR pattern of 17 bytes, max_key_bytes is 16"},
	)
}
