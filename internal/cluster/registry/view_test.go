package registry_test

import (
	"strings"
	"testing"
	"time"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registry"
)

// viewed is a view whose session timeout is 10 s, and what it told last: names, with ! for this process.
type viewed struct {
	registry.View
	t     *testing.T
	start time.Time
	told  string
}

func newViewed(t *testing.T) *viewed {
	v := &viewed{t: t, start: time.Unix(1_000_000, 0), told: "nothing"}
	v.Hold = 10 * time.Second
	v.See = func(nodes []cluster.Node) {
		if v.told = name(nodes); v.told == "" {
			v.told = "nobody"
		}
	}
	return v
}

func name(nodes []cluster.Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name+map[bool]string{true: "!"}[n.Self])
	}
	return strings.Join(all, " ")
}

func (v *viewed) at(second float64) time.Time {
	return v.start.Add(time.Duration(second * float64(time.Second)))
}

// show shows names at a time, and wants that to be told, "nothing" for none, and the same to be shown again after some seconds.
func (v *viewed) show(second float64, names, want string, again float64) {
	v.t.Helper()
	v.told = "nothing"
	var nodes []cluster.Node
	for n := range strings.FieldsSeq(names) {
		bare, self := strings.CutSuffix(n, "!")
		nodes = append(nodes, cluster.Node{Name: bare, Self: self})
	}
	wait := v.Show(v.at(second), nodes)
	if v.told != want || wait != time.Duration(again*float64(time.Second)) {
		v.t.Errorf("Show(%q) after %v s told %q, again after %v; want %q, again after %v s", names, second, v.told, wait, want, again)
	}
}

func TestOnlyChangesAreTold(t *testing.T) {
	t.Parallel()
	v := newViewed(t)
	v.show(0, "", "nobody", 0)
	v.show(1, "", "nothing", 0)
	v.show(2, "b a!", "a! b", 0)
	v.show(3, "a! b", "nothing", 0)
	v.show(4, "a b", "a b", 0)
	v.show(5, "", "nobody", 0)
}

func TestWhoWasThereBeforeARegistryWentAwayHasASessionTimeoutToCome(t *testing.T) {
	t.Parallel()
	v := newViewed(t)
	v.Away(v.at(0))
	v.Back(v.at(100)) // nobody was told of yet: nobody is held
	v.show(100, "a! b c", "a! b c", 0)
	v.show(101, "b c", "b c", 0)
	v.show(102, "a! b c", "a! b c", 0)

	v.Away(v.at(110))
	v.Away(v.at(119)) // still
	v.Back(v.at(120))
	v.show(120, "", "nothing", 10)
	v.show(121, "d", "a! b c d", 9)
	v.show(122, "b d", "nothing", 8)
	v.show(123, "a b c d", "a b c d", 0)   // another process came first under the name a
	v.show(124, "a! b d", "a! b c d", 6)   // and made room
	v.show(130, "a! b d", "a! b d", 0)     // c did not come
	v.show(131, "a! b c d", "a! b c d", 0) // later it did

	v.Away(v.at(200))
	v.Back(v.at(201)) // too short for a session to have ended
	v.show(201, "a!", "a!", 0)

	v.Away(v.at(300))
	v.Back(v.at(301))   // too short as well,
	v.Forgot(v.at(301)) // and yet
	v.show(301, "b", "a! b", 10)
	v.show(312, "b", "b", 0)
}
