package comet_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/comet"
)

// everything is a connection of RESP3 that does at random all that it can at once, and checks what comes. Message n of a
// key is pushed behind n-1 by one connection, and is stored if n is even: so whoever subscribes sees one after the other.
type everything struct {
	net.Conn
	r    *bufio.Reader
	rand *rand.Rand

	seen map[string]int    // by name and kind of what it subscribes to, and by key: the number of the last message; -1: none yet
	read map[string]int    // by key: the number of the last message that XREAD gave
	last map[string]string // by key: its id
	echo int               // what it has not sent to ECHO yet
}

const (
	randomKeys     = 5
	randomMessages = 400 // of each key
)

func randomKey(r *rand.Rand) string { return fmt.Sprint("k", r.IntN(randomKeys)) }

func dialEverything(addr string, seed uint64) (*everything, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Now().Add(patience))
	e := &everything{
		Conn: nc, r: bufio.NewReader(nc), rand: rand.New(rand.NewPCG(seed, 0)),
		seen: make(map[string]int), read: make(map[string]int), last: make(map[string]string),
	}
	_, err = e.ask("HELLO", "3")
	return e, err
}

// value is a reply or a delivery.
type value struct {
	kind  byte
	text  string
	parts []value
}

func (e *everything) value() (v value, err error) {
	line, err := e.r.ReadString('\n')
	if err != nil {
		return v, err
	}
	v = value{kind: line[0], text: strings.TrimSuffix(line[1:], "\r\n")}
	n, _ := strconv.Atoi(v.text)
	switch v.kind {
	case '+', '-', ':', '_':
		return v, nil
	case '$':
		b := make([]byte, n+2)
		_, err = io.ReadFull(e.r, b)
		v.text = string(b[:n])
		return v, err
	case '%':
		n *= 2
	case '*', '>':
	default:
		return v, fmt.Errorf("%q begins no reply", line)
	}
	for range n {
		part, err := e.value()
		if err != nil {
			return v, err
		}
		v.parts = append(v.parts, part)
	}
	return v, nil
}

// ask sends a command and returns its reply: of SUBSCRIBE and so on, one confirmation.
func (e *everything) ask(words ...string) (value, error) {
	if _, err := io.WriteString(e, command(words...)); err != nil {
		return value{}, err
	}
	return e.reply()
}

// reply takes deliveries until a reply comes.
func (e *everything) reply() (value, error) {
	for {
		v, err := e.value()
		if err != nil || v.kind != '>' || strings.HasSuffix(v.parts[0].text, "subscribe") {
			return v, err
		}
		if err := e.delivered(v.parts); err != nil {
			return v, err
		}
	}
}

// delivered checks a message.
func (e *everything) delivered(parts []value) error {
	kind, key, text := parts[0].text, parts[len(parts)-2].text, parts[len(parts)-1].text
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("delivery %v: %w", parts, err)
	}
	name := strings.TrimSuffix(kind, "message") + key
	if last, subscribed := e.seen[name]; !subscribed || last >= 0 && n != last+1 {
		return fmt.Errorf("%s of %s has %d after %d (subscribed: %v)", kind, key, n, last, subscribed)
	}
	e.seen[name] = n
	return nil
}

// step does something at random.
func (e *everything) step() error {
	key := randomKey(e.rand)
	switch e.rand.IntN(9) {
	case 0, 1:
		return e.change("", "", key)
	case 2:
		return e.change("s", "", key)
	case 3:
		return e.change("p", "*", key)
	case 4, 5:
		return e.readOn(key)
	case 6:
		return e.readMany()
	default:
		return e.echoes()
	}
}

// change subscribes or unsubscribes. Who does both SUBSCRIBE and SSUBSCRIBE gets what the former gives.
func (e *everything) change(kind, star, key string) error {
	verb, on := "subscribe", false
	if _, on = e.seen[kind+key]; on {
		verb = "unsubscribe"
	} else {
		e.seen[kind+key] = -1
	}
	_, err := e.ask(kind+verb, key+star)
	if on {
		delete(e.seen, kind+key)
	}
	if _, shard := e.seen["s"+key]; shard && kind == "" {
		e.seen["s"+key] = -1
	}
	return err
}

// readOn reads what follows what it has read of a key, and perhaps waits for it.
func (e *everything) readOn(key string) error {
	block := []string{"1", "3", "20"}[e.rand.IntN(3)]
	count := fmt.Sprint(1 + e.rand.IntN(50))
	last := e.last[key]
	if last == "" {
		last = "0"
	}
	v, err := e.ask("XREAD", "COUNT", count, "BLOCK", block, "STREAMS", key, last)
	if err != nil {
		return err
	}
	return e.entries(v)
}

// readMany waits for several keys.
func (e *everything) readMany() error {
	words := []string{"XREAD", "BLOCK", "5", "STREAMS"}
	var ids []string
	for i := range randomKeys {
		key := fmt.Sprint("k", i)
		words = append(words, key)
		if id := e.last[key]; id != "" {
			ids = append(ids, id)
		} else {
			ids = append(ids, "0")
		}
	}
	v, err := e.ask(append(words, ids...)...)
	if err != nil {
		return err
	}
	return e.entries(v)
}

// entries checks what XREAD gave.
func (e *everything) entries(v value) error {
	if v.kind == '_' {
		return nil
	}
	if v.kind != '%' {
		return fmt.Errorf("XREAD: %v", v)
	}
	for i := 0; i < len(v.parts); i += 2 {
		key := v.parts[i].text
		for _, entry := range v.parts[i+1].parts {
			n, err := strconv.Atoi(entry.parts[1].parts[1].text)
			want := e.read[key] + 2
			if e.last[key] == "" {
				want = 0
			}
			if err != nil || n != want {
				return fmt.Errorf("XREAD gave %d of %s, %v, want %d", n, key, err, want)
			}
			e.read[key], e.last[key] = n, entry.parts[0].text
		}
	}
	return nil
}

// echoes sends a pipeline.
func (e *everything) echoes() error {
	var b strings.Builder
	n := 1 + e.rand.IntN(20)
	for i := range n {
		b.WriteString(command("ECHO", fmt.Sprint(e.echo+i)))
		b.WriteString(command("PUBLISH", "nobody", "x"))
		b.WriteString(command("XLEN", "nobody"))
	}
	if _, err := io.WriteString(e, b.String()); err != nil {
		return err
	}
	for range n {
		for _, want := range []string{fmt.Sprint(e.echo), "0", "0"} {
			if v, err := e.reply(); err != nil || v.text != want {
				return fmt.Errorf("reply %v, %w, want %s", v, err, want)
			}
		}
		e.echo++
	}
	return nil
}

// Connections that subscribe in every way, wait, and send pipelines, all at once, see everything once and in order, while others are killed or go in
// the middle of something.
func TestWhateverAConnectionDoesAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := startRedis(t, engine)
		var publishers, others sync.WaitGroup
		done := make(chan struct{})
		for i := range randomKeys {
			c := g.dial(t)
			publishers.Go(func() { pushNumbers(c, fmt.Sprint("k", i)) })
		}
		for i := range 10 {
			others.Go(func() { doEverything(t, g, done, uint64(i), i < 6) })
		}
		publishers.Wait()
		close(done)
		others.Wait()
	})
}

// pushNumbers pushes the messages of a key, some at a time.
func pushNumbers(c *redisClient, key string) {
	for n := 0; n < randomMessages; {
		var b strings.Builder
		some := min(1+rand.IntN(8), randomMessages-n)
		for i := n; i < n+some; i++ {
			if i%2 == 0 {
				b.WriteString(command("XADD", key, "*", "msg", fmt.Sprint(i)))
			} else {
				b.WriteString(command("PUBLISH", key, fmt.Sprint(i)))
			}
		}
		if _, err := io.WriteString(c, b.String()); err != nil {
			c.t.Error(err)
			return
		}
		for range some {
			c.reply()
		}
		n += some
	}
}

// doEverything has one connection after the other do what it can until done; those that do not stay go, or are killed, in between.
func doEverything(t *testing.T, g *redisGateway, done <-chan struct{}, seed uint64, stays bool) {
	for round := uint64(0); ; round++ {
		e, err := dialEverything(g.addr, seed<<32|round)
		if err != nil {
			t.Error(err)
			return
		}
		steps := 1 << 30
		if !stays {
			steps = e.rand.IntN(30)
		}
		for range steps {
			select {
			case <-done:
				e.Close()
				return
			default:
			}
			if err := e.step(); err != nil {
				t.Errorf("connection %d.%d: %v", seed, round, err)
				e.Close()
				return
			}
		}
		e.leave(t)
	}
}

// leave goes without waiting for what it asked for.
func (e *everything) leave(t *testing.T) {
	defer e.Close()
	id, err := e.ask("CLIENT", "ID")
	if err != nil {
		t.Error(err)
		return
	}
	switch e.rand.IntN(4) {
	case 0:
		io.WriteString(e, command("XREAD", "BLOCK", "0", "STREAMS", "k0", "k1", "$", "$"))
	case 1:
		io.WriteString(e, command("CLIENT", "KILL", "ID", id.text, "SKIPME", "no"))
		for err == nil {
			_, err = e.value()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("after CLIENT KILL: %v", err)
		}
	case 2:
		io.WriteString(e, command("XADD", "other", "*", "msg", "x")+command("XADD", "other", "NOMKSTREAM", "*", "msg", "y"))
		e.Conn.(*net.TCPConn).SetLinger(0)
	case 3:
		io.WriteString(e, command("XREADGROUP", "GROUP", "no", "c", "BLOCK", "0", "STREAMS", "k0", ">")+command("XLEN", "k0")+"*2\r\n$4\r\nECHO\r\n")
		e.Conn.(*net.TCPConn).CloseWrite()
	}
}
