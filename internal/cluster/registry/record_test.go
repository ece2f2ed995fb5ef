package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registry"
)

func TestWhatIsWrittenDownIsRead(t *testing.T) {
	t.Parallel()
	for _, n := range []cluster.Node{
		{Name: "n1", Weight: 3, Admin: []string{"a:1", "b:1"}, TCP: []string{"a:2"}, WS: []string{"[::1]:3"}},
		{Name: "n2", Weight: 0, Admin: []string{"a:1"}},
		{Name: "n3", Weight: 1, Admin: []string{"a:1"}, Self: true},
	} {
		id := registry.NewID()
		data := registry.Encode(n, id)
		got, err := registry.Decode(n.Name, data)
		n.Self = false // of that nothing is written
		if diff := cmp.Diff(registry.Process{Node: n, ID: id}, got); err != nil || diff != "" {
			t.Errorf("Decode(%s) = %v (-want +got):\n%s", data, err, diff)
		}
		if got := registry.DecodeID(data); got != id {
			t.Errorf("DecodeID(%s) = %q, want %q", data, got, id)
		}
	}
}

// TestWhatIsWrittenDown is what processes of gopush-cluster read: lists are there when they are empty.
func TestWhatIsWrittenDown(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ got, want string }{
		{string(registry.Encode(cluster.Node{Name: "n", Weight: 2, Admin: []string{"a:1"}, WS: []string{"a:3"}}, "x")), `{"rpc":["a:1"],"tcp":[],"ws":["a:3"],"weight":2,"id":"x"}`},
		{string(registry.EncodeMessage([]string{"a:1", "b:1"}, 4, "x")), `{"rpc":["a:1","b:1"],"weight":4,"id":"x"}`},
	} {
		if row.got != row.want {
			t.Errorf("written down: %s, want %s", row.got, row.want)
		}
	}
}

func TestWhatIsNoProcessIsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ data, want string }{
		{``, "no JSON of a node"},
		{`[]`, "no JSON of a node"},
		{`{"rpc":"a:1"}`, "no JSON of a node"},
		{`{}`, "has no rpc address"},
		{`{"rpc":[],"weight":1}`, "has no rpc address"},
		{`{"rpc":["a:1"],"weight":1001}`, "has the weight 1001"},
		{`{"rpc":["a:1"],"weight":1e3,"id":7}`, "no JSON of a node"},
	} {
		_, err := registry.Decode("n", []byte(row.data))
		if got := fmt.Sprint(err); !strings.Contains(got, row.want) {
			t.Errorf("Decode(%s): %s, want %s", row.data, got, row.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"rpc":["tcp@a:1"],"tcp":null,"ws":[],"weight":-1,"more":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := registry.Decode("n", data)
		if err == nil && (len(p.Node.Admin) == 0 || p.Node.Weight < 0 || p.Node.Weight > registry.MaxWeight || p.Node.Self) {
			t.Errorf("Decode(%q) = %+v", data, p)
		}
	})
}
