package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"gopush/internal/bench"
)

type fakeReport struct {
	Lost int `json:"lost"`
}

func (r fakeReport) WriteTable(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%d lost\n", r.Lost)
	return err
}

func TestBenchPrintsWhatFailedAndFails(t *testing.T) {
	t.Parallel()
	failed := fmt.Errorf("%w: 3 lost", bench.ErrFailed)
	for _, tt := range []struct {
		name string
		json bool
		err  error
		want string
	}{
		{"a table", false, failed, "3 lost\n"},
		{"JSON", true, failed, "{\n  \"lost\": 3\n}\n"},
		{"nothing of what was not measured", false, io.ErrUnexpectedEOF, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := (&benchFlags{JSON: tt.json}).print(&out, fakeReport{Lost: 3}, tt.err)
			if out.String() != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("print wrote %q and answered %v, want %q and %v", out.String(), err, tt.want, tt.err)
			}
		})
	}
}

func TestSubjectsAreServersInTheirProtocols(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		servers   []string
		protocols []bench.Protocol
		want      string
	}{
		{[]string{"gopush", "redis", "nats"}, []bench.Protocol{bench.TCP}, "gopush tcp, redis, nats"},
		{[]string{"floor", "gopush"}, []bench.Protocol{bench.TCP, bench.WebSocket}, "floor, gopush tcp, gopush ws"},
		{[]string{"gopush", "redis"}, []bench.Protocol{bench.Redis}, "gopush redis, redis"},
		{[]string{"redis", "gopush"}, []bench.Protocol{bench.Streams}, "redis streams, gopush streams"},
		{[]string{"redis"}, []bench.Protocol{bench.Redis, bench.Streams}, "redis, redis streams"},
	} {
		f := benchFlags{Subject: tt.servers, Protocol: tt.protocols}
		if got := strings.Join(f.subjects(), ", "); got != tt.want {
			t.Errorf("%v in %v are %s, want %s", tt.servers, tt.protocols, got, tt.want)
		}
	}
}
