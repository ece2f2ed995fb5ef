package ring_test

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gopush/internal/ring"
)

// goldenKeys are the keys of TestOwnersAreThoseOfGopushCluster; w5 and w67 are above the last point of its first rings.
func goldenKeys() []string {
	return []string{
		"a", "hello", "Terry-Mao", "user:1001", "user:1002", "room/42", "ключ", "键", "🔑", "with space", strings.Repeat("x", 255), "w5", "w67",
	}
}

// TestOwnersAreThoseOfGopushCluster holds the ring to what these lines of Python say:
//
//	def point(s): return int.from_bytes(hashlib.sha1(s.encode()).digest()[16:], 'big')
//	def ring(nodes): return sorted((point(f"{n}:{i}"), n) for n, w in nodes.items() for i in range(1, 255*w+1))
//	def owner(ring, key): return ring[bisect.bisect_left(ring, (point(key), "")) % len(ring)][1]
func TestOwnersAreThoseOfGopushCluster(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		nodes  []ring.Node
		owners string
		hashes map[string]float64 // how many of the 2^32 each node owns
	}{
		{
			[]ring.Node{{"node1", 1}},
			"node1 node1 node1 node1 node1 node1 node1 node1 node1 node1 node1 node1 node1",
			map[string]float64{"node1": 1 << 32},
		},
		{
			[]ring.Node{{"node1", 1}, {"node2", 1}},
			"node2 node2 node1 node2 node1 node1 node2 node2 node2 node2 node2 node2 node2",
			map[string]float64{"node1": 2193780480, "node2": 2101186816},
		},
		{
			[]ring.Node{{"node1", 1}, {"node2", 1}, {"node3", 1}},
			"node2 node3 node1 node2 node1 node1 node3 node2 node2 node2 node2 node2 node2",
			map[string]float64{"node1": 1466163269, "node2": 1392139754, "node3": 1436664273},
		},
		{
			[]ring.Node{{"n1", 1}, {"n2", 2}, {"n3", 5}},
			"n2 n3 n3 n3 n3 n3 n3 n3 n2 n3 n1 n3 n3",
			map[string]float64{"n1": 589123089, "n2": 1083304067, "n3": 2622540140},
		},
		{
			[]ring.Node{{"10.20.216.122", 1}, {"узел", 3}},
			"узел узел узел 10.20.216.122 узел узел узел узел 10.20.216.122 узел узел узел узел",
			map[string]float64{"10.20.216.122": 1028499502, "узел": 3266467794},
		},
	} {
		r := ring.New(tt.nodes)
		want := strings.Fields(tt.owners)
		for i, key := range goldenKeys() {
			if got := r.Owner(key); got != want[i] {
				t.Errorf("of %v: Owner(%q) = %q, want %q", tt.nodes, key, got, want[i])
			}
		}
		shares := r.Shares()
		for name := range shares {
			shares[name] *= 1 << 32
		}
		if diff := cmp.Diff(tt.hashes, shares, cmpopts.EquateApprox(0, 0.5)); diff != "" {
			t.Errorf("of %v: hashes (-want +got):\n%s", tt.nodes, diff)
		}
	}
}

// TestPointOfTwoNodesIsThatOfTheFirstName: n472:147 and n527:162 have one hash, and k470 and k987 lie right before it.
func TestPointOfTwoNodesIsThatOfTheFirstName(t *testing.T) {
	t.Parallel()
	for _, nodes := range [][]ring.Node{{{"n472", 1}, {"n527", 1}}, {{"n527", 1}, {"n472", 1}}} {
		r := ring.New(nodes)
		for _, key := range []string{"k470", "k987"} {
			if got := r.Owner(key); got != "n472" {
				t.Errorf("of %v: Owner(%q) = %q, want %q", nodes, key, got, "n472")
			}
		}
	}
}

func TestWhatCountsOfNodes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		nodes, want []ring.Node
		owner       string
	}{
		{"none", nil, nil, ""},
		{"no weight", []ring.Node{{"b", 0}, {"a", -1}}, []ring.Node{{"a", 0}, {"b", 0}}, ""},
		{"one with a weight", []ring.Node{{"b", 1}, {"a", 0}}, []ring.Node{{"a", 0}, {"b", 1}}, "b"},
		{"a name twice", []ring.Node{{"a", 1}, {"a", 3}, {"a", 2}}, []ring.Node{{"a", 3}}, "a"},
		{"a weight beyond all", []ring.Node{{"a", math.MaxInt}}, []ring.Node{{"a", ring.MaxWeight}}, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := ring.New(tt.nodes)
			if diff := cmp.Diff(tt.want, r.Nodes(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Nodes() (-want +got):\n%s", diff)
			}
			if got := r.Owner("k"); got != tt.owner {
				t.Errorf("Owner(k) = %q, want %q", got, tt.owner)
			}
			for _, n := range tt.want {
				if _, ok := r.Shares()[n.Name]; !ok {
					t.Errorf("Shares() = %v, want one for %q", r.Shares(), n.Name)
				}
			}
		})
	}
	if got := new(ring.Ring).Owner("k"); got != "" {
		t.Errorf("the zero ring: Owner(k) = %q, want none", got)
	}
}

func TestRingKeepsNothingOfItsCaller(t *testing.T) {
	t.Parallel()
	nodes := []ring.Node{{"a", 1}, {"b", 1}}
	r := ring.New(nodes)
	nodes[0].Name = "other"
	r.Nodes()[0].Name = "other"
	r.Shares()["a"] = 0
	if got := r.Nodes()[0].Name; got != "a" || r.Shares()["a"] == 0 {
		t.Errorf("after its arguments and answers were changed: Nodes()[0] = %q, Shares() = %v, want a as before", got, r.Shares())
	}
}

// drawNodes returns 1 to most nodes of different names, of weight 1 to heaviest.
func drawNodes(t *rapid.T, most, heaviest int) []ring.Node {
	node := rapid.Custom(func(t *rapid.T) ring.Node {
		return ring.Node{Name: rapid.StringN(1, 8, -1).Draw(t, "name"), Weight: rapid.IntRange(1, heaviest).Draw(t, "weight")}
	})
	return rapid.SliceOfNDistinct(node, 1, most, func(n ring.Node) string { return n.Name }).Draw(t, "nodes")
}

func drawKeys(t *rapid.T) []string {
	return rapid.SliceOfN(rapid.StringN(1, 40, -1), 1, 50).Draw(t, "keys")
}

// modelOwner looks at every point of every node: the owner's is the nearest that is not before the key's.
func modelOwner(nodes []ring.Node, key string) (owner string) {
	point := func(s string) uint32 { sum := sha1.Sum([]byte(s)); return binary.BigEndian.Uint32(sum[16:]) }
	nearest := uint32(math.MaxUint32)
	for _, n := range nodes {
		for i := 1; i <= 255*n.Weight; i++ {
			distance := point(fmt.Sprintf("%s:%d", n.Name, i)) - point(key) // wraps around as the ring does
			if owner == "" || distance < nearest || distance == nearest && n.Name < owner {
				owner, nearest = n.Name, distance
			}
		}
	}
	return owner
}

func TestOwnerIsThatOfTheModelWhateverTheOrderOfNodes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t, 5, 3)
		r := ring.New(rapid.Permutation(nodes).Draw(t, "order"))
		for _, key := range drawKeys(t)[:1] {
			if got, want := r.Owner(key), modelOwner(nodes, key); got != want {
				t.Fatalf("Owner(%q) = %q, want %q", key, got, want)
			}
		}
	})
}

// TestNodeThatComesOrGoesMovesItsShareAndNoOtherKey: what a ring without the node and one with it differ in is what the node has.
func TestNodeThatComesOrGoesMovesItsShareAndNoOtherKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t, 10, 3)
		one := nodes[0].Name
		with, without := ring.New(nodes), ring.New(nodes[1:])
		for _, key := range drawKeys(t) {
			if a, b := with.Owner(key), without.Owner(key); a != one && a != b {
				t.Fatalf("Owner(%q) = %q with %q, %q without it: it moved between others", key, a, one, b)
			}
		}
		before, after := without.Shares(), with.Shares()
		for _, n := range nodes[1:] {
			if after[n.Name] > before[n.Name]+1e-9 {
				t.Fatalf("the share of %q grew from %v to %v as %q came", n.Name, before[n.Name], after[n.Name], one)
			}
		}
	})
}

// TestSharesAreNearTheWeights: no node of any name has less than 0.6 or more than 1.4 of its fair share. A share of weight 1
// deviates by a sixteenth (255 points) in two thirds of all cases, so by more than 0.4 in less than one of ten million.
func TestSharesAreNearTheWeights(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { wantBalance(t, drawNodes(t, 16, 4), 0.4) })
}

// TestSharesOfNodesAsPeopleNameThem: the bounds that docs/design.md states.
func TestSharesOfNodesAsPeopleNameThem(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"n%d", "node%d", "node-%d", "gopush-%d", "comet%d.example.com", "10.0.0.%d"} {
		for count := 2; count <= 32; count++ {
			var nodes []ring.Node
			for i := range count {
				nodes = append(nodes, ring.Node{fmt.Sprintf(format, i+1), 1})
			}
			wantBalance(t, nodes, 0.25)
		}
	}
}

// wantBalance wants each node's share within its fair share ± bound of that, and all together 1.
func wantBalance(t interface {
	Helper()
	Errorf(string, ...any)
}, nodes []ring.Node, bound float64,
) {
	t.Helper()
	weights, sum := 0, 0.0
	for _, n := range nodes {
		weights += n.Weight
	}
	shares := ring.New(nodes).Shares()
	for _, n := range nodes {
		fair := float64(n.Weight) / float64(weights)
		sum += shares[n.Name]
		if math.Abs(shares[n.Name]-fair) > bound*fair {
			t.Errorf("the share of %v among %d nodes = %.4f, want %.4f ± %.0f %%", n, len(nodes), shares[n.Name], fair, 100*bound)
		}
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the shares of %v are %v together, want 1", nodes, sum)
	}
}

// TestSharesSayHowManyKeysANodeOwns counts keys instead of hashes.
func TestSharesSayHowManyKeysANodeOwns(t *testing.T) {
	t.Parallel()
	const keys = 100_000
	r := ring.New([]ring.Node{{"n1", 1}, {"n2", 1}, {"n3", 2}})
	owned := map[string]int{}
	for i := range keys {
		owned[r.Owner(fmt.Sprint("user:", i))]++
	}
	for name, share := range r.Shares() {
		if got := float64(owned[name]) / keys; math.Abs(got-share) > 0.01 {
			t.Errorf("%q owns %.4f of %d keys, want its share %.4f", name, got, keys, share)
		}
	}
}

func TestOwnerAllocatesNothing(t *testing.T) {
	r := ring.New([]ring.Node{{"n1", 1}, {"n2", 1}, {"n3", 1}})
	key := strings.Repeat("k", 255)
	if n := testing.AllocsPerRun(100, func() { r.Owner(key) }); n != 0 {
		t.Errorf("Owner allocates %v times, want 0", n)
	}
}

func BenchmarkOwner(b *testing.B) {
	for _, count := range []int{3, 100} {
		b.Run(fmt.Sprint(count, " nodes"), func(b *testing.B) {
			r := ring.New(manyNodes(count))
			keys := make([]string, 4096)
			for i := range keys {
				keys[i] = fmt.Sprint("user:", rand.Uint64())
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Owner(keys[i%len(keys)])
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	nodes := manyNodes(10)
	for b.Loop() {
		ring.New(nodes)
	}
}

func manyNodes(count int) (nodes []ring.Node) {
	for i := range count {
		nodes = append(nodes, ring.Node{fmt.Sprint("node", i), 1})
	}
	return nodes
}
