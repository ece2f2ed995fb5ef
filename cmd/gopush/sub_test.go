package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"gopush/client"
)

// subscribeTo runs sub against a server that answers every subscription with reply, and
// returns what it printed.
func subscribeTo(t *testing.T, sub subCmd, reply string) (out, status string, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			bufio.NewReader(conn).ReadString('b') // of "sub": the client has subscribed
			fmt.Fprint(conn, reply)
		}
	}()
	var stdout, stderr bytes.Buffer
	sub.Addr, sub.After = l.Addr().String(), "0"
	err = sub.Run(t.Context(), &kong.Kong{Stdout: &stdout, Stderr: &stderr})
	return stdout.String(), strings.ReplaceAll(stderr.String(), sub.Addr, "ADDR"), err
}

func bulk(json string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(json), json) }

func TestSubPrintsMessages(t *testing.T) {
	t.Parallel()
	reply := "+h\r\n+g 4\r\n" + bulk(`{"msg":"one","mid":4,"gid":0,"prev":0}`) + bulk(`{"msg":{"n":2},"mid":8,"gid":0,"prev":4}`) + bulk(`{"msg":3,"mid":12,"gid":0,"prev":8}`)
	out, status, err := subscribeTo(t, subCmd{Keys: []string{"k"}, Count: 2}, reply)
	if want := "one\n{\"n\":2}\n"; out != want || err != nil {
		t.Errorf("sub printed %q (%v), want %q", out, err, want)
	}
	want := "gopush: subscribed to \"k\" after 0-0\ngopush: \"k\": messages after 0-0 and before 0-4 are gone\n"
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestSubEndsWhenAKeyIsRefused(t *testing.T) {
	t.Parallel()
	out, _, err := subscribeTo(t, subCmd{Keys: []string{"k"}}, "-a\r\n")
	if want := `key "k": subscribe at `; out != "" || err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), ": token refused") {
		t.Errorf("sub printed %q and ended with %v, want %q… token refused", out, err, want)
	}
}

func TestLinesOfMessages(t *testing.T) {
	t.Parallel()
	one, two := []string{"k"}, []string{"k", "other"}
	text := func(s string) client.Message {
		return client.Message{Key: "k", ID: "1-4", Payload: []byte(s), Text: true}
	}
	value := func(s string) client.Message { return client.Message{Key: "k", ID: "1-4", Payload: []byte(s)} }
	for name, tc := range map[string]struct {
		cmd  subCmd
		m    client.Message
		want string
	}{
		"text":                   {subCmd{Keys: one}, text("a\tb ä"), "a\tb ä"},
		"value":                  {subCmd{Keys: one}, value(`{"a":"<b>"}`), `{"a":"<b>"}`},
		"text of several lines":  {subCmd{Keys: one}, text("a\nb"), `"a\nb"`},
		"text for the terminal":  {subCmd{Keys: one}, text("\x1b[2J"), `"\x1b[2J"`},
		"several keys":           {subCmd{Keys: two}, text("a"), "k\ta"},
		"JSON of a value":        {subCmd{Keys: one, JSON: true}, value(`{"a":"<b>"}`), `{"id":"1-4","key":"k","payload":{"a":"<b>"}}`},
		"JSON of a text":         {subCmd{Keys: two, JSON: true}, text("<a>\n"), `{"id":"1-4","key":"k","payload":"<a>\n"}`},
		"JSON of a digit's text": {subCmd{Keys: one, JSON: true}, text("1"), `{"id":"1-4","key":"k","payload":"1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.cmd.line(tc.m); got != tc.want {
				t.Errorf("line = %s, want %s", got, tc.want)
			}
		})
	}
}
