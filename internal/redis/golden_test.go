package redis_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A file in testdata has commands and the replies of redis-server 7.0.15 to them, one after the other from an empty database:
//
//	XREAD STREAMS k 0
//	2 "*1\r\n*2\r\n…"
//	3 "%1\r\n$1\r\n…"    in RESP3, where that differs
//
// An empty line and what begins with # stand for themselves. Replies are written by a redis-server that is to be had, see record.
var record = flag.String("record", "", "HOST:PORT of a redis-server 7.0.15, which is emptied, to write testdata/*.redis with")

// exchange is a command and its reply in RESP2 and RESP3.
type exchange struct {
	line    int
	command string // with a comment or nothing: all of it
	replies [2]string
}

func TestRepliesAreThoseOfRedis(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.redis")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		exchanges := readExchanges(t, file)
		if *record != "" {
			writeExchanges(t, file, exchanges)
			continue
		}
		for _, disk := range []bool{false, true} {
			for version := range 2 {
				t.Run(fmt.Sprintf("%s/on disk %v/RESP%d", filepath.Base(file), disk, version+2), func(t *testing.T) {
					t.Parallel()
					wantExchanges(t, file, exchanges, disk, version)
				})
			}
		}
	}
}

// wantExchanges carries the commands out in RESP2, version 0, or RESP3.
func wantExchanges(t *testing.T, file string, exchanges []exchange, disk bool, version int) {
	c := newClient(t)
	if disk {
		c.onDisk()
	}
	if version == 1 {
		c.resp3()
	}
	for _, e := range exchanges {
		if e.isCommand() {
			if got := c.do(e.command); got != e.replies[version] {
				t.Errorf("%s:%d: %s\n got %q\nwant %q", file, e.line, e.command, got, e.replies[version])
			}
		}
	}
}

func (e *exchange) isCommand() bool { return e.command != "" && e.command[0] != '#' }

func readExchanges(t *testing.T, file string) (all []exchange) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n") {
		version, quoted, _ := strings.Cut(line, " ")
		if version != "2" && version != "3" {
			all = append(all, exchange{line: i + 1, command: line})
			continue
		}
		reply, err := strconv.Unquote(quoted)
		if err != nil || len(all) == 0 {
			t.Fatalf("%s:%d: no reply: %v", file, i+1, err)
		}
		replies := &all[len(all)-1].replies
		if version == "2" {
			replies[0] = reply
		}
		replies[1] = reply
	}
	return all
}

// writeExchanges asks the redis-server for the replies.
func writeExchanges(t *testing.T, file string, all []exchange) {
	t.Helper()
	for version := range 2 {
		conn, err := net.Dial("tcp", *record)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		ask(t, conn, in, args(fmt.Sprintf("HELLO %d", version+2)))
		ask(t, conn, in, args("FLUSHALL"))
		for i := range all {
			if e := &all[i]; e.isCommand() {
				e.replies[version] = ask(t, conn, in, args(e.command))
			}
		}
		conn.Close()
	}
	var out bytes.Buffer
	for _, e := range all {
		fmt.Fprintln(&out, e.command)
		if e.isCommand() {
			fmt.Fprintf(&out, "2 %q\n", e.replies[0])
			if e.replies[1] != e.replies[0] {
				fmt.Fprintf(&out, "3 %q\n", e.replies[1])
			}
		}
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ask sends a command and returns its reply: all until that of an ECHO after it.
func ask(t *testing.T, conn net.Conn, in *bufio.Reader, words [][]byte) string {
	t.Helper()
	const mark = "$15\r\nend-of-exchange\r\n"
	var out bytes.Buffer
	for _, command := range [][][]byte{words, args("ECHO end-of-exchange")} {
		fmt.Fprintf(&out, "*%d\r\n", len(command))
		for _, word := range command {
			out.WriteString(bulk(string(word)))
		}
	}
	if _, err := conn.Write(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for !bytes.HasSuffix(got, []byte(mark)) {
		b, err := in.ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b)
	}
	return string(got[:len(got)-len(mark)])
}
