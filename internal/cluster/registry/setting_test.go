package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registry"
)

func TestASettingSaysWhichRegistryAndWhere(t *testing.T) {
	t.Parallel()
	node := func(name, addr string, weight int) cluster.Node {
		return cluster.Node{Name: name, Weight: weight, Admin: []string{addr}}
	}
	for _, row := range []struct {
		setting string
		want    registry.Setting
	}{
		{"zookeeper://a:2181", registry.Setting{Kind: registry.ZooKeeper, Servers: []string{"a:2181"}}},
		{"zookeeper://a:2181,[::1]:2182/", registry.Setting{Kind: registry.ZooKeeper, Servers: []string{"a:2181", "[::1]:2182"}}},
		{"zookeeper://a:2181/push/live", registry.Setting{Kind: registry.ZooKeeper, Servers: []string{"a:2181"}, Prefix: "/push/live"}},
		{"etcd://a:2379,b:2379/push/", registry.Setting{Kind: registry.Etcd, Servers: []string{"a:2379", "b:2379"}, Prefix: "/push"}},
		{"static:n1=a:6970", registry.Setting{Kind: registry.Static, Nodes: []cluster.Node{node("n1", "a:6970", 1)}}},
		{"static:n1=a:6970,n2=[::1]:6970*3", registry.Setting{Kind: registry.Static, Nodes: []cluster.Node{node("n1", "a:6970", 1), node("n2", "[::1]:6970", 3)}}},
	} {
		got, err := registry.Parse(row.setting)
		if diff := cmp.Diff(row.want, got); err != nil || diff != "" {
			t.Errorf("Parse(%q) = %v (-want +got):\n%s", row.setting, err, diff)
		}
	}
}

func TestAWrongSettingIsToldWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ setting, want string }{
		{"", "must begin with static:, zookeeper:// or etcd://"},
		{"zookeeper:a:2181", "must begin with"},
		{"consul://a:8500", "must begin with"},
		{"zookeeper://", `server "": must be HOST:PORT`},
		{"zookeeper://a:2181,", `server "": must be HOST:PORT`},
		{"zookeeper://a", `server "a": must be HOST:PORT`},
		{"zookeeper://a:0", `server "a:0": the port must be a number`},
		{"etcd://a:etcd", `server "a:etcd": the port must be a number`},
		{"etcd://root:pw@a:2379", "must be HOST:PORT"},
		{"zookeeper://a:2181//", `prefix "/" must be names`},
		{"zookeeper://a:2181/a//b", `prefix "/a//b" must be names`},
		{"zookeeper://a:2181/a/../b", `prefix "/a/../b" must be names`},
		{"zookeeper://a:2181/a b", `prefix "/a b" must be names`},
		{"zookeeper://a:2181/zookeeper", "ZooKeeper's own"},
		{"static:", `node "": must be NAME=HOST:PORT`},
		{"static:a:6970", `node "a:6970": must be NAME=HOST:PORT`},
		{"static:n1=a", `node "n1=a": must be HOST:PORT`},
		{"static:=a:1", `node "=a:1": the name of a node, ""`},
		{"static:n 1=a:1", `the name of a node, "n 1"`},
		{"static:..=a:1", `the name of a node, ".."`},
		{"static:n1=a:1*0", "the weight, behind *, must be a number from 1 to 1000"},
		{"static:n1=a:1*1001", "the weight"},
		{"static:n1=a:1*x", "the weight"},
		{"static:n1=a:1,n1=b:1", "the node n1 is given twice"},
	} {
		_, err := registry.Parse(row.setting)
		if got := fmt.Sprint(err); !strings.Contains(got, row.want) {
			t.Errorf("Parse(%q): %s, want %s", row.setting, got, row.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("zookeeper://a:2181,b:2181/push")
	f.Add("static:n1=a:6970*2,n2=b:6970")
	f.Fuzz(func(t *testing.T, setting string) {
		s, err := registry.Parse(setting)
		if err != nil {
			return
		}
		if (s.Kind == registry.Static) != (len(s.Nodes) > 0 && len(s.Servers) == 0) {
			t.Errorf("Parse(%q) = %+v, want servers or nodes", setting, s)
		}
		if s.Prefix != "" && (s.Prefix[0] != '/' || strings.HasSuffix(s.Prefix, "/") || strings.Contains(s.Prefix, "//")) {
			t.Errorf("Parse(%q) has the prefix %q", setting, s.Prefix)
		}
	})
}
