package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopush/internal/message"
)

// A kick on any node closes the connections of its key on all nodes, in every dialect, and no others.
func TestClusterKick(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterConfig{})
	for i, owner := range c.members {
		key := c.keyOf(owner)
		other := c.keysOf(owner, 2)[1]
		var resp []*peer
		var web []*wsPeer
		var stay []*peer
		for _, m := range c.members {
			resp = append(resp, m.subscribe(key))
			web = append(web, m.subscribeWS(key, ""))
			stay = append(stay, m.subscribe(other, "", "1"))
		}
		kicker := c.members[(i+1)%3]
		if a := do(t, "DELETE", kicker.adminURL("/v1/keys/"+key+"/connections"), ""); a.body != `{"closed":6}` {
			t.Errorf("kick on %s of a key of %s answered %d %s, want 6 closed", kicker.name, owner.name, a.status, a.body)
		}
		for i := range resp {
			resp[i].expectEnd("")
			web[i].expectClose(1008)
		}
		kicker.push(other, `"here"`, "?expire=0")
		for _, p := range stay {
			if m := p.next(); string(m.Msg) != `"here"` {
				t.Errorf("who was not kicked got %s", m.Msg)
			}
		}
	}
}

// A token that is registered on one node is good on all, and one that is revoked on another is good on none, at once for
// those who are there.
func TestClusterTokens(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterConfig{flags: []string{"--auth", "token"}})
	for i, owner := range c.members {
		key, on, off := c.keyOf(owner), c.members[(i+1)%3], c.members[(i+2)%3]
		c.members[i].refused(key, "secret-token-of-one", "-c\r\n")
		on.register(key, `{"token":"secret-token-of-one"}`)
		on.register(key, `{"token":"secret-token-of-two"}`)
		var ones, twos []tokenConns
		for _, m := range c.members {
			eventually(t, m.name+" knows the token", func() bool { return m.admits(key, "secret-token-of-one") })
			ones, twos = append(ones, m.open(key, "secret-token-of-one")), append(twos, m.open(key, "secret-token-of-two"))
		}
		off.revoke(key, `{"token":"secret-token-of-one"}`, `{"closed":12,"revoked":1}`)
		for _, conns := range ones {
			conns.expectClosed()
		}
		for _, m := range c.members {
			m.refused(key, "secret-token-of-one", "-a\r\n")
		}
		off.push(key, `"still"`, "?expire=0")
		for _, conns := range twos {
			conns.expectOpen(t, `"still"`)
		}
	}
}

// admits tells whether a token opens a key.
func (m *member) admits(key, token string) bool {
	p := dial(m.t, m.public[0])
	defer p.Close()
	p.send(command("sub", key, "60", token, "1"))
	line, err := p.r.ReadString('\n')
	return err == nil && line == "+h\r\n"
}

// What is deleted or trimmed on one node is gone on all, and devices that were away are told.
func TestClusterRemoves(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterConfig{})
	for i, owner := range c.members {
		for j, remove := range []struct {
			name string
			args func(key string, ids []string) []any
			left int // of eight
		}{
			{"XDEL", func(key string, ids []string) []any { return []any{"XDEL", key, ids[0], ids[1]} }, 6},
			{"XTRIM", func(key string, _ []string) []any { return []any{"XTRIM", key, "MAXLEN", "3"} }, 3},
			{"DEL", func(key string, _ []string) []any { return []any{"DEL", key} }, 0},
		} {
			key := c.keysOf(owner, 3)[j]
			on, off := c.members[(i+1)%3], c.members[(i+2)%3]
			at := redisClient(off.at[1])
			defer at.Close()
			var ids []string
			for n := range 8 {
				id, err := at.Do(within(t), "XADD", key, "*", "msg", fmt.Sprint(n)).Text()
				if err != nil {
					t.Fatalf("XADD: %v", err)
				}
				ids = append(ids, id)
			}
			from := redisClient(on.at[1])
			defer from.Close()
			if err := from.Do(within(t), remove.args(key, ids)...).Err(); err != nil {
				t.Fatalf("%s on %s: %v", remove.name, on.name, err)
			}
			for _, m := range c.members {
				if got := m.storedV1(key); len(got) != remove.left {
					t.Errorf("after %s on %s there are %d messages on %s, want %d", remove.name, on.name, len(got), m.name, remove.left)
				}
				m.expectTold(key, ids, remove.left)
			}
		}
	}
}

// expectTold has a device resume that saw the first of ids: it is told, by a notice or by prev of a message, that something is gone, and gets
// the rest.
func (m *member) expectTold(key string, ids []string, left int) {
	m.t.Helper()
	seen, _ := message.ParseID(ids[0])
	p := m.subscribe(key, "", "1", fmt.Sprint(seen))
	defer p.Close()
	m.push(key, `"end"`, "?expire=0")
	told, came := false, 0
	for {
		text, err := p.r.ReadString('\n')
		if strings.HasPrefix(text, "$") {
			text, err = p.r.ReadString('\n')
		}
		var got legacyMessage
		switch {
		case err != nil:
			m.t.Fatalf("a device that resumes on %s: %v", m.name, err)
		case strings.HasPrefix(text, "+g "):
			told = true
			continue
		case json.Unmarshal([]byte(text), &got) != nil || got.Prev == nil:
			m.t.Fatalf("a device that resumes on %s was told %q", m.name, text)
		}
		told = told || *got.Prev > seen
		seen = got.Mid
		if string(got.Msg) == `"end"` {
			break
		}
		came++
	}
	if !told || came != left {
		m.t.Errorf("a device that resumes on %s, where %d of 8 are left, got %d, and was told of what is gone: %t", m.name, left, came, told)
	}
}

// With relay = off a subscriber is told that it is wrong, as gopush-cluster's nodes do, and where it is right.
func TestClusterWithoutRelay(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterConfig{flags: []string{"--relay", "off"}})
	owner, wrong := c.members[0], c.members[1]
	key := c.keyOf(owner)
	right := owner.subscribe(key, "", "1")
	for _, m := range c.members[1:] {
		p := dial(t, m.public[0])
		p.send(command("sub", key, "60", "", "1"))
		p.expectEnd("-n\r\n")
		r := redisClient(m.at[0])
		defer r.Close()
		for _, args := range [][]any{{"SUBSCRIBE", key}, {"XREAD", "BLOCK", "1000", "STREAMS", key, "$"}} {
			if err := r.Do(within(t), args...).Err(); err == nil || !strings.HasPrefix(err.Error(), "MOVED ") {
				t.Errorf("%v on %s answered %v, want MOVED", args, m.name, err)
			}
		}
		if got, err := m.ownerOf(key); err != nil || got != owner.at[0] {
			t.Errorf("%s says that %s is owned at %s (%v), want %s", m.name, key, got, err, owner.at[0])
		}
	}
	wrong.push(key, `"forwarded"`, "?expire=60")
	if m := right.next(); string(m.Msg) != `"forwarded"` {
		t.Errorf("the owner's subscriber got %s", m.Msg)
	}
}

// A node that could not be part of the cluster that it is told to join refuses to start, and says what to set.
func TestClusterRefusesToStart(t *testing.T) {
	t.Parallel()
	store := startStore(t)
	registry := "static:n1=127.0.0.1:6970,n2=127.0.0.1:6980"
	for _, row := range []struct {
		name  string
		flags []string
		says  []string
	}{
		{"with the embedded store", []string{"--cluster.registry", registry, "--cluster.secret", clusterSecret}, []string{"store", "redis"}},
		{"without a secret", []string{"--cluster.registry", registry, "--store", "redis", "--redis.address", store.addr}, []string{"cluster.secret"}},
		{"with a registry that is none", []string{"--cluster.registry", "consul://x:1", "--cluster.secret", clusterSecret, "--store", "redis", "--redis.address", store.addr}, []string{"zookeeper://"}},
		{"without the address of its store", []string{"--cluster.registry", registry, "--cluster.secret", clusterSecret, "--store", "redis"}, []string{"redis.address"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			args := append([]string{"serve", "--node", "n1", "--public", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ops", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data")}, row.flags...)
			out, err := exec.CommandContext(ctx, gopush, args...).CombinedOutput()
			if err == nil || ctx.Err() != nil {
				t.Fatalf("gopush %s: %v, want that it refuses to start\n%s", strings.Join(row.flags, " "), err, out)
			}
			for _, want := range row.says {
				if !strings.Contains(string(out), want) {
					t.Errorf("gopush %s does not say %q:\n%s", strings.Join(row.flags, " "), want, out)
				}
			}
		})
	}
}

// Who does not know the secret of the cluster can neither push nor follow over a link.
func TestClusterLinksNeedTheSecret(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterConfig{nodes: 2, idle: true})
	stranger := c.members[1]
	stranger.flags = []string{"--cluster.secret", "another secret, as long as it has to be"}
	c.members[0].start()
	ready := stranger.launch()
	key := c.keyOf(stranger)
	if err := ready(); err != nil {
		t.Logf("it does not become ready, which is as well: %v", err)
		return
	}
	p := c.members[0].subscribe(c.keyOf(c.members[0]), "", "1")
	if resp, err := http.Post(stranger.adminURL("/v1/push/"+c.keyOf(c.members[0])+"?expire=0"), "", strings.NewReader(`"stolen"`)); err == nil {
		resp.Body.Close()
	}
	c.members[0].push(c.keyOf(c.members[0]), `"mine"`, "?expire=0")
	if m := p.next(); string(m.Msg) != `"mine"` {
		t.Errorf("a subscriber of %s got %s of a node with another secret", key, m.Msg)
	}
	if !slices.ContainsFunc(c.members, func(m *member) bool { return strings.Contains(m.stderr.String(), "secret") }) {
		t.Errorf("neither node's log says that the secrets differ:\n%s\n%s", c.members[0].stderr, stranger.stderr)
	}
}
