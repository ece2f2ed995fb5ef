package comet

import (
	"testing"

	"pgregory.net/rapid"
)

// checkScales holds the account of what connections hold against what they do hold.
func checkScales(l *loop, fatal func(format string, args ...any)) {
	total, on, seen := int64(0), 0, make(map[*held]int)
	l.each(func(c *conn) {
		n := c.holds()
		total += int64(n)
		if c.out != nil {
			for _, ch := range c.out.chunks {
				if ch.of != nil {
					seen[ch.of]++
				}
			}
			n += c.out.shared
		}
		w := weight{}
		if c.aux != nil {
			w = c.aux.weight
		}
		if w.class != classOf(n) {
			fatal("a connection that holds %d bytes is in class %d, want %d", n, w.class, classOf(n))
		}
		if w.class > 0 {
			if on++; l.scales.classes[w.class][w.place] != c.index {
				fatal("connection %d is not at its place of class %d", c.index, w.class)
			}
		}
	})
	for h, refs := range seen {
		if total += int64(h.size); h.refs != refs {
			fatal("%d connections share some bytes, %d are said to", refs, h.refs)
		}
	}
	for _, class := range l.scales.classes {
		on -= len(class)
	}
	if total != l.scales.total || on != 0 {
		fatal("%d bytes are said to be held, %d are; %d too few on the scales", l.scales.total, total, on)
	}
}

// Whatever connections do, what they hold is known, and the bound is kept by closing those that hold most.
func TestTheHeaviestGoFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFanout(t.Fatalf, "", "b")
		g := f.loop.g
		g.loops = []*loop{f.loop}
		limits := *g.limits.Load()
		limits.MaxPendingMessages = 1 << 20
		limits.MaxMemory = int64(rapid.IntRange(1, 200).Draw(t, "limit")) << 10
		g.SetLimits(limits)
		big := make([]byte, 5000)
		for i := range big {
			big[i] = '1'
		}
		t.Repeat(map[string]func(*rapid.T){
			"join":   func(t *rapid.T) { f.join(rapid.SampledFrom([]string{"", "b"}).Draw(t, "key"), -1) },
			"resume": func(*rapid.T) { f.join("", 0) },
			"read":   func(*rapid.T) { f.read(); f.deliver() },
			"stall": func(t *rapid.T) {
				if all := f.living(); len(all) > 0 {
					f.engine.full[rapid.SampledFrom(all).Draw(t, "who").fd] = true
				}
			},
			"room": func(t *rapid.T) {
				if all := f.living(); len(all) > 0 {
					f.engine.room(f.loop, rapid.SampledFrom(all).Draw(t, "who"))
				}
			},
			"input": func(t *rapid.T) {
				if all := f.living(); len(all) > 0 {
					c := rapid.SampledFrom(all).Draw(t, "who")
					in := make([]byte, rapid.IntRange(0, 20000).Draw(t, "bytes"))
					c.in = &in
					f.loop.weigh(c)
				}
			},
			"post": func(t *rapid.T) {
				f.keys.post(rapid.SampledFrom([]string{"", "b"}).Draw(t, "key"), rapid.Bool().Draw(t, "stored"))
				f.deliver()
			},
			"fat": func(t *rapid.T) {
				if all := f.living(); len(all) > 0 {
					f.loop.send(rapid.SampledFrom(all).Draw(t, "who"), big, 0)
					f.loop.sendBatch()
				}
			},
			"turn": func(t *rapid.T) {
				weights := make(map[int32]uint8)
				for _, c := range f.living() {
					if c.aux != nil {
						weights[c.fd] = c.aux.weight.class
					}
				}
				f.loop.keepWithin(slice)
				heaviest := uint8(0)
				for _, c := range f.living() {
					heaviest = max(heaviest, weights[c.fd])
					delete(weights, c.fd)
				}
				for fd, class := range weights {
					if class < heaviest {
						t.Fatalf("connection %d of class %d is closed, and one of class %d is not", fd, class, heaviest)
					}
				}
				if held := f.loop.scales.total; held > limits.MaxMemory {
					t.Fatalf("%d bytes are held, more than %d", held, limits.MaxMemory)
				}
			},
			"": func(t *rapid.T) { checkScales(f.loop, t.Fatalf) },
		})
	})
}

// A loop that has none of the heaviest leaves it to the one that has.
func TestTheHeaviestGoFirstInAnotherLoop(t *testing.T) {
	t.Parallel()
	a, b := newFanout(t.Fatalf, "k"), newFanout(t.Fatalf, "k")
	g := a.loop.g
	b.loop.g = g
	g.loops = []*loop{a.loop, b.loop}
	limits := *g.limits.Load()
	limits.MaxMemory = 10 << 10
	g.SetLimits(limits)
	hold := func(f *fanout, n int) *conn {
		f.join("k", -1)
		c := f.living()[len(f.living())-1]
		in := make([]byte, n)
		c.in = &in
		f.loop.weigh(c)
		return c
	}
	hold(b, 8<<10)
	hold(b, 1<<10)
	hold(a, 1<<10)
	hold(a, 2<<10)
	b.loop.scales.publish()
	if a.loop.keepWithin(slice); len(a.living()) != 2 || len(b.living()) != 2 {
		t.Fatalf("%d and %d connections are left, want 2 and 2: the other loop is to close one", len(a.living()), len(b.living()))
	}
	b.loop.drain()
	if len(a.living()) != 2 || len(b.living()) != 1 {
		t.Errorf("%d and %d connections are left, want 2 and 1", len(a.living()), len(b.living()))
	}
	if got := g.Stats.Closed[Memory].Load(); got != 1 {
		t.Errorf("%d are counted as closed, want 1", got)
	}
}

// Classes are in the order of what is held.
func TestClassesAreInOrder(t *testing.T) {
	t.Parallel()
	last := uint8(0)
	for n := 0; n < 1<<20; n++ {
		class := classOf(n)
		if class < last || n > 0 && class == 0 {
			t.Fatalf("%d bytes are of class %d, fewer of %d", n, class, last)
		}
		last = class
	}
	if got := classOf(1<<32 - 1); got != numClasses-1 {
		t.Errorf("4 GiB are of class %d, want %d", got, numClasses-1)
	}
}

// Who resumes waits for room, and gets it when those go that do not read, or at last instead of them.
func TestResumesWaitForRoom(t *testing.T) {
	t.Parallel()
	f := newFanout(t.Fatalf, "")
	f.loop.g.loops = []*loop{f.loop}
	limits := *f.loop.g.limits.Load()
	limits.MaxMemory = 4 * pageReserve
	f.loop.g.SetLimits(limits)
	for range 7 {
		f.keys.post("", true)
	}
	f.deliver()
	for range 20 {
		f.join("", 0)
	}
	if reads := len(f.loop.g.pool.jobs); reads == 0 || reads > 3 {
		t.Fatalf("%d pages are read at a time, want 1 to 3", reads)
	}
	if got := f.loop.g.Stats.Hungry.Load(); got < 17 {
		t.Errorf("%d wait for room, want 17 or more", got)
	}
	for range 1000 {
		if !f.read() {
			break
		}
		f.deliver()
		f.loop.keepWithin(slice)
		if len(f.loop.g.pool.jobs) > 3 {
			t.Fatalf("%d pages are read at a time", len(f.loop.g.pool.jobs))
		}
	}
	f.settle()
	if got := f.loop.g.Stats.Hungry.Load(); got != 0 {
		t.Errorf("%d wait for room when all have got theirs", got)
	}
	if got := len(f.living()); got != 20 {
		t.Errorf("%d connections are left, want 20", got)
	}
}

// However many have to go, they go: some in each turn, though nothing else changes between two.
func TestTheBoundIsKeptOverTurns(t *testing.T) {
	t.Parallel()
	a, b := newFanout(t.Fatalf, "k"), newFanout(t.Fatalf, "k")
	g := a.loop.g
	b.loop.g = g
	g.loops = []*loop{a.loop, b.loop}
	const each, n, most = 1 << 10, 50, 20 << 10
	limit := func(bytes int64) {
		limits := *g.limits.Load()
		limits.MaxMemory = bytes
		g.SetLimits(limits)
	}
	turns := func() {
		for more := true; more; {
			more = false
			for _, f := range []*fanout{a, b} {
				f.loop.drain()
				more = f.loop.keepWithin(3) || more
			}
		}
	}
	for _, f := range []*fanout{a, b} {
		for range n {
			f.join("k", -1)
		}
		for i, c := range f.living() {
			in := make([]byte, each+i)
			c.in = &in
			f.loop.weigh(c)
		}
		f.loop.scales.publish()
	}
	steps := []struct {
		what  string
		bytes int64
	}{{"when it was passed", most}, {"when it was lowered", most / 2}}
	for _, s := range steps {
		limit(s.bytes)
		turns()
		if held := g.Held(); held > s.bytes || held < s.bytes/2 {
			t.Errorf("%d bytes are held %s, want at most %d, and not much less", held, s.what, s.bytes)
		}
	}
}
