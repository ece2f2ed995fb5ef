package static_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registry"
	"gopush/internal/cluster/static"
)

var _ cluster.Registry = (*static.Registry)(nil)

// open returns the registry of a node of a list, and what it tells; it runs until the test ends.
func open(t *testing.T, setting string, self cluster.Node) (*static.Registry, <-chan []cluster.Node) {
	t.Helper()
	parsed, err := registry.Parse(setting)
	if err != nil {
		t.Fatal(err)
	}
	r, err := static.New(self, parsed.Nodes)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan []cluster.Node)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx, func(nodes []cluster.Node) {
			select {
			case told <- nodes:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return r, told
}

func names(nodes []cluster.Node) string {
	var all []string
	for _, n := range nodes {
		name := n.Name
		if n.Self {
			name += "!"
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

func TestWhoIsThereIsWhatLinksSay(t *testing.T) {
	t.Parallel()
	r, told := open(t, "static:c=h:3,a=h:1,b=h:2", cluster.Node{Name: "b", Weight: 1})
	ctx := context.Background()
	for _, step := range []struct {
		what string
		do   func()
		want string
	}{
		{"start", func() {}, "a c"},
		{"Join", func() { _ = r.Join(ctx) }, "a b! c"},
		{"Silent(c)", func() { r.Silent("c") }, "a b!"},
		{"Silent of itself and of strangers, Silent(a)", func() { r.Silent("b"); r.Silent("x"); r.Silent("a") }, "b!"},
		{"Heard(c)", func() { r.Heard(cluster.Node{Name: "c"}) }, "b! c"},
		{"Heard of strangers, Heard(a)", func() { r.Heard(cluster.Node{Name: "x"}); r.Heard(cluster.Node{Name: "a"}) }, "a b! c"},
		{"Leave", func() { _ = r.Leave(ctx) }, "a c"},
		{"Heard of itself, Silent(a)", func() { r.Heard(cluster.Node{Name: "b"}); r.Silent("a") }, "c"},
		{"Join again", func() { _ = r.Join(ctx) }, "b! c"},
	} {
		step.do()
		got := names(<-told)
		for ; got != step.want; got = names(<-told) { // of two changes the first may have been told by itself
			t.Logf("%s: told of %q first", step.what, got)
		}
	}
	if err := r.Healthy(); err != nil {
		t.Errorf("Healthy() = %v, want nil: nothing has to be reached", err)
	}
}

func TestANodeIsWhatItSaysAndWhatTheListSays(t *testing.T) {
	t.Parallel()
	r, told := open(t, "static:a=h:1*3,b=h:2*2", cluster.Node{Name: "b", Weight: 2, TCP: []string{"h:6"}, WS: []string{"h:7"}})
	<-told
	_ = r.Join(context.Background())
	<-told
	r.Heard(cluster.Node{Name: "a", Weight: 9, Admin: []string{"evil:1"}, TCP: []string{"h:4"}, WS: []string{"h:5"}, Self: true})
	want := []cluster.Node{
		{Name: "a", Weight: 3, Admin: []string{"h:1"}, TCP: []string{"h:4"}, WS: []string{"h:5"}},
		{Name: "b", Weight: 2, Admin: []string{"h:2"}, TCP: []string{"h:6"}, WS: []string{"h:7"}, Self: true},
	}
	if diff := cmp.Diff(want, <-told); diff != "" {
		t.Errorf("after Join and Heard(a), told of (-want +got):\n%s", diff)
	}
}

func TestTheSameIsNotToldTwice(t *testing.T) {
	t.Parallel()
	r, told := open(t, "static:a=h:1,b=h:2,c=h:3", cluster.Node{Name: "a"})
	last := fmt.Sprint(<-told)
	for range 200 {
		name := []string{"b", "c"}[rand.IntN(2)]
		if rand.IntN(2) == 0 {
			r.Silent(name)
		} else {
			r.Heard(cluster.Node{Name: name, TCP: []string{fmt.Sprint("h:", rand.IntN(2))}})
		}
		select {
		case nodes := <-told:
			if now := fmt.Sprint(nodes); now == last {
				t.Fatalf("told of %s twice in a row", now)
			} else {
				last = now
			}
		default:
		}
	}
}

func TestTheListMustSuitTheNode(t *testing.T) {
	t.Parallel()
	list := []cluster.Node{{Name: "a", Weight: 2, Admin: []string{"h:1"}}, {Name: "b", Weight: 1, Admin: []string{"h:2"}}}
	for _, row := range []struct {
		name string
		self cluster.Node
		want string
	}{
		{"not listed", cluster.Node{Name: "c", Weight: 1}, `this node, "c", is not in the list of cluster.registry, which has a, b`},
		{"another weight", cluster.Node{Name: "b", Weight: 5}, "write b=h:2*5 there, on all nodes"},
		{"the weight of the list", cluster.Node{Name: "a", Weight: 2}, "<nil>"},
		{"no weight of its own", cluster.Node{Name: "a", Weight: 1}, "<nil>"},
	} {
		_, err := static.New(row.self, list)
		if got := fmt.Sprint(err); !strings.Contains(got, row.want) {
			t.Errorf("%s: New = %s, want %s", row.name, got, row.want)
		}
	}
}
