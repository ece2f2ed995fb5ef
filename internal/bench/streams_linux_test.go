package bench_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gopush/internal/bench"
)

// streams is a server of a few lines with XADD, XREAD, XRANGE and XLEN, which can be told to do wrong.
type streams struct {
	bench.Target
	t *testing.T

	// keep returns what is kept instead of message number n of a key, from 0.
	keep func(n int, payload string) []string
	// beyond is by how much XLEN is wrong.
	beyond int

	mu     sync.Mutex
	more   *sync.Cond // broadcast when something was added, and at the end
	ended  bool
	added  map[string]int
	stored map[string][]string
}

func newStreams(t *testing.T) *streams {
	t.Helper()
	s := &streams{
		t: t, keep: func(_ int, payload string) []string { return []string{payload} },
		added: map[string]int{}, stored: map[string][]string{},
	}
	s.more = sync.NewCond(&s.mu)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.mu.Lock()
		s.ended = true
		s.more.Broadcast()
		s.mu.Unlock()
		serving.Wait()
	})
	at := listener.Addr().String()
	s.Target = bench.Target{Public: at, Admin: at, PID: os.Getpid()}
	return s
}

// serve answers commands, one after the other, until the client has gone.
func (s *streams) serve(c net.Conn) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		var n int
		if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
			return
		}
		args := make([]string, n)
		for i := range args {
			var size int
			if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
				s.t.Errorf("read a command: %v", err)
				return
			}
			text := make([]byte, size+2)
			if _, err := io.ReadFull(r, text); err != nil {
				return
			}
			args[i] = string(text[:size])
		}
		if _, err := io.WriteString(c, s.answer(args)); err != nil {
			return
		}
	}
}

func (s *streams) answer(args []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch strings.Join(args[:1], " ") {
	case "PING":
		return "+PONG\r\n"
	case "XADD": // KEY * msg PAYLOAD
		key := args[1]
		s.stored[key] = append(s.stored[key], s.keep(s.added[key], args[4])...)
		s.added[key]++
		s.more.Broadcast()
		return "$3\r\n1-1\r\n"
	case "XREAD": // BLOCK 0 STREAMS KEY ID
		from := after(args[5])
		for len(s.stored[args[4]]) <= from && !s.ended {
			s.more.Wait()
		}
		return fmt.Sprintf("*1\r\n*2\r\n$%d\r\n%s\r\n", len(args[4]), args[4]) + s.entries(args[4], from, 1000)
	case "XRANGE": // KEY (ID + COUNT LIMIT
		limit, _ := strconv.Atoi(args[5])
		return s.entries(args[1], after(args[2]), limit)
	case "XLEN":
		return fmt.Sprintf(":%d\r\n", len(s.stored[args[1]])+s.beyond)
	}
	return "-ERR unknown command\r\n"
}

// after is the number of the message behind that with the id: number n has n+1-0.
func after(id string) (n int) {
	fmt.Sscanf(strings.TrimPrefix(id, "("), "%d-0", &n)
	return n
}

func (s *streams) entries(key string, from, limit int) string {
	var b strings.Builder
	all := s.stored[key][min(from, len(s.stored[key])):]
	all = all[:min(limit, len(all))]
	fmt.Fprintf(&b, "*%d\r\n", len(all))
	for i, payload := range all {
		id := fmt.Sprintf("%d-0", from+i+1)
		fmt.Fprintf(&b, "*2\r\n$%d\r\n%s\r\n*2\r\n$3\r\nmsg\r\n$%d\r\n%s\r\n", len(id), id, len(payload), payload)
	}
	return b.String()
}

// wrongs are what a server may do to the messages of each key, and what is counted of three keys with five each.
func wrongs() map[string]struct {
	keep func(n int, payload string) []string
	want bench.Tally
} {
	held := make(chan string, 3)
	return map[string]struct {
		keep func(n int, payload string) []string
		want bench.Tally
	}{
		"all is well": {
			func(_ int, payload string) []string { return []string{payload} },
			bench.Tally{Received: 15},
		},
		"one is lost": {
			func(n int, payload string) []string {
				if n == 2 {
					return nil
				}
				return []string{payload}
			},
			bench.Tally{Received: 12, Lost: 3},
		},
		"the last is lost": {
			func(n int, payload string) []string {
				if n == 4 {
					return nil
				}
				return []string{payload}
			},
			bench.Tally{Received: 12, Lost: 3},
		},
		"one is stored twice": {
			func(n int, payload string) []string {
				if n == 1 {
					return []string{payload, payload}
				}
				return []string{payload}
			},
			bench.Tally{Received: 18, Doubled: 3},
		},
		"two change places": {
			func(n int, payload string) []string {
				switch n {
				case 2:
					held <- payload
					return nil
				case 3:
					return []string{payload, <-held}
				}
				return []string{payload}
			},
			bench.Tally{Received: 15, OutOfOrder: 3},
		},
	}
}

// store is what the tests of Stored begin with: a message to each of 3 keys, then 12.
func store(s *streams) bench.StoreConfig {
	return bench.StoreConfig{
		Config: bench.Config{Subjects: []string{"gopush streams"}, Target: &s.Target, Runs: 1},
		Keys:   3, Publishers: 1, Batch: 4, Messages: 12, Size: 60,
	}
}

func TestStoredCountsWhatEachKeyHas(t *testing.T) {
	t.Parallel()
	for name, tt := range wrongs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStreams(t)
			s.keep = tt.keep
			report, err := bench.Stored(t.Context(), store(s))
			if report == nil {
				t.Fatal(err)
			}
			if report.Tally != tt.want || errors.Is(err, bench.ErrFailed) != (tt.want.Err() != nil) {
				t.Errorf("Stored counted %+v, %v; want %+v", report.Tally, err, tt.want)
			}
		})
	}
}

func TestStoredReadsPageByPage(t *testing.T) {
	t.Parallel()
	cfg := store(newStreams(t))
	cfg.Messages = 1200 // 401 of each key: two pages are full
	report, err := bench.Stored(t.Context(), cfg)
	if want := (bench.Tally{Received: 1203}); err != nil || report.Tally != want {
		t.Errorf("Stored counted %+v, %v; want %+v", report, err, want)
	}
}

func TestStoredTellsOfKeysThatMiscount(t *testing.T) {
	t.Parallel()
	for _, beyond := range []int{-1, 1} {
		s := newStreams(t)
		s.beyond = beyond
		if _, err := bench.Stored(t.Context(), store(s)); !errors.Is(err, bench.ErrFailed) {
			t.Errorf("XLEN is wrong by %d: Stored answered %v, want ErrFailed", beyond, err)
		}
	}
}

func TestStoredSaysWhatItCannotMeasure(t *testing.T) {
	t.Parallel()
	cfg := store(newStreams(t))
	cfg.Subjects = []string{"gopush tcp"}
	if _, err := bench.Stored(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), `only protocol "streams"`) {
		t.Errorf("Stored of HTTP answered %v, want that it cannot", err)
	}
	cfg = bench.StoreConfig{Config: bench.Config{Subjects: []string{"nats"}, Store: bench.Disk}, Keys: 1, Publishers: 1, Batch: 1, Messages: 1, Size: 60}
	if _, err := bench.Stored(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "no store on disk") {
		t.Errorf("Stored of what stores nothing answered %v, want that it cannot", err)
	}
}

// Readers get each message while they wait, and all of them again when they come as if they had seen nothing.
func TestReadersThatWaitCountWhatComes(t *testing.T) {
	t.Parallel()
	for name, tt := range wrongs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStreams(t)
			s.keep = tt.keep
			report, err := bench.Load(t.Context(), bench.LoadConfig{
				Config:      bench.Config{Subjects: []string{"gopush streams"}, Target: &s.Target, Runs: 1, Patience: short},
				Connections: 3, Publishers: 1, Batch: 1, Messages: 9, Size: 60, Expire: 60, Window: 100,
			})
			if report == nil {
				t.Fatal(err)
			}
			want := tt.want
			if name == "one is lost" { // then no last message to each follows
				want.Received = 9
			}
			for what, got := range map[string]bench.Tally{"came": report.Tally, "was read back": report.ReadBack} {
				if got != want {
					t.Errorf("counted %+v of what %s, want %+v", got, what, want)
				}
			}
			if errors.Is(err, bench.ErrFailed) != (want.Err() != nil) {
				t.Errorf("Load answered %v, want ErrFailed: %v", err, want.Err() != nil)
			}
		})
	}
}

// redisServer skips a test where there is none.
func redisServer(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: make peers-deps")
	}
}

func TestStoredOfRedis(t *testing.T) {
	t.Parallel()
	redisServer(t)
	for _, where := range []bench.Store{bench.AsItComes, bench.Memory, bench.Disk} {
		report, err := bench.Stored(t.Context(), bench.StoreConfig{
			Config: bench.Config{Subjects: []string{"redis streams"}, Store: where},
			Keys:   10, Publishers: 3, Batch: 8, Messages: 500, Size: 60,
		})
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		if want := (bench.Tally{Received: 510}); report.Tally != want {
			t.Errorf("%s: counted %+v, want %+v", where, report.Tally, want)
		}
	}
}

func TestReadersOfRedisComeBack(t *testing.T) {
	t.Parallel()
	redisServer(t)
	report, err := bench.Resume(t.Context(), bench.ResumeConfig{
		Config: bench.Config{Subjects: []string{"redis streams"}}, Connections: 20, Backlog: 5, Size: 60,
	})
	if want := (bench.Tally{Received: 140}); err != nil || report.Tally != want {
		t.Errorf("counted %+v, %v; want %+v", report, err, want)
	}
}

func TestMemoryOfReadersOfRedisThatWait(t *testing.T) {
	t.Parallel()
	redisServer(t)
	report, err := bench.Idle(t.Context(), bench.IdleConfig{
		Config: bench.Config{Subjects: []string{"redis streams"}}, Steps: []int{10, 200}, Calm: short,
	})
	if want := (bench.Tally{Received: 200}); err != nil || report.Tally != want || report.Runs[0].PerConnection <= 0 {
		t.Errorf("counted %+v, %v; want %+v", report, err, want)
	}
}

func TestTableOfStored(t *testing.T) {
	t.Parallel()
	cfg := store(newStreams(t))
	cfg.Runs = 2
	report, err := bench.Stored(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := report.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"12 messages of 60 bytes to 3 keys, 4 under way (1 publisher, 4 each), store: default\n", "pushes/s", "µs CPU/push", "gopush streams, 2 runs",
		"read back: 30 messages; 0 lost, 0 doubled, 0 out of order, 0 connections closed\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}
