package registry

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"gopush/internal/cluster"
)

// View tells of the nodes that serve: whenever they have changed, and never of the same ones twice in a row.
//
// A registry that was away for long may have forgotten everybody's session meanwhile, and sees everybody come again within
// moments of being back. So whoever was there before it went away is still there for Hold after it came back: a node
// that was not registered anew until then is gone.
//
// A View belongs to one goroutine. The zero View with See and Hold set has told nothing.
type View struct {
	See  func([]cluster.Node) // is told of nodes by name; the slice is its own
	Hold time.Duration        // the session timeout

	spoken bool
	told   []cluster.Node
	away   time.Time // since when the registry is away; zero: it is not
	until  time.Time // until then nobody is gone
}

// Away says that the registry cannot be reached at a time.
func (v *View) Away(now time.Time) {
	if v.away.IsZero() {
		v.away = now
	}
}

// Back says that it can again. An absence that no session can have ended in changes nothing.
func (v *View) Back(now time.Time) {
	if !v.away.IsZero() && v.spoken && now.Sub(v.away) > v.Hold/5 {
		v.until = now.Add(v.Hold)
	}
	v.away = time.Time{}
}

// Forgot says that the registry has lost what it had, or ended sessions that had not run out, however short it was away.
func (v *View) Forgot(now time.Time) {
	if v.spoken {
		v.until = now.Add(v.Hold)
	}
}

// Show tells what was read, nodes in any order, none twice. It returns after what time the same must be shown again because
// somebody is held; 0: never.
func (v *View) Show(now time.Time, nodes []cluster.Node) time.Duration {
	nodes = slices.Clone(nodes)
	held := 0
	if now.Before(v.until) {
		nodes, held = v.withHeld(nodes)
	}
	slices.SortFunc(nodes, func(a, b cluster.Node) int { return strings.Compare(a.Name, b.Name) })
	if !v.spoken || !reflect.DeepEqual(nodes, v.told) {
		v.spoken, v.told = true, nodes
		v.See(slices.Clone(nodes))
	}
	if held == 0 {
		return 0
	}
	return v.until.Sub(now)
}

// withHeld returns nodes with those that were told of and are missing, and how many are.
func (v *View) withHeld(nodes []cluster.Node) (_ []cluster.Node, held int) {
	for _, old := range v.told {
		if !slices.ContainsFunc(nodes, func(n cluster.Node) bool { return n.Name == old.Name }) {
			nodes = append(nodes, old)
			held++
		}
	}
	return nodes, held
}
