package test

import (
	"fmt"
	"strings"
	"testing"
)

func TestSubscriberGetsWhatIsPushed(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			n := serve(t, "--engine", engine)
			modern, old := n.subscribe("k", "", "1"), n.subscribe("k")
			n.push("k", `{"a" : 1}`, "?expire=0")
			n.push("k", `not json`, "?expire=60")
			expectMessages(t, modern, `{"msg":{"a":1},"mid":`, `{"msg":"not json","mid":`)
			expectMessages(t, old, `{"msg":"{\"a\" : 1}","mid":`, `{"msg":"not json","mid":`)
		})
	}
}

func expectMessages(t *testing.T, p *peer, prefixes ...string) {
	t.Helper()
	for _, want := range prefixes {
		if got := p.message(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `,"gid":0}`) {
			t.Fatalf("got %s, want %s…,\"gid\":0}", got, want)
		}
	}
}

func TestHeartbeatsAreAnswered(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			n := serve(t, "--engine", engine)
			p := dial(t, n.public[0])
			p.send(command("sub", "k", "30") + "h") // in one packet
			p.expect("+h\r\n+h\r\n")
			p.send("hh\r\nh")
			p.expect("+h\r\n+h\r\n+h\r\n")
			p.send("x")
			p.expectEnd("")
		})
	}
}

func TestResumeAfterMid(t *testing.T) {
	t.Parallel()
	n := serve(t)
	const count = 500
	for i := range count {
		n.push("k", fmt.Sprint(i), "?expire=60")
	}
	p := n.subscribe("k", "", "1", "0")
	for i := range count {
		if got, want := p.message(), fmt.Sprintf(`{"msg":%d,"mid":`, i); !strings.HasPrefix(got, want) {
			t.Fatalf("got %s, want %s…", got, want)
		}
	}
	n.push("k", `"live"`, "?expire=0")
	if got, want := p.message(), `{"msg":"live","mid":`; !strings.HasPrefix(got, want) {
		t.Fatalf("got %s, want %s…", got, want)
	}
}

// engines are the connection engines to hold to the same rules.
var engines = []string{"epoll", "net"}
