package registry

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"gopush/internal/cluster"
)

// Kind is the kind of a registry.
type Kind string

// The registries that there are.
const (
	ZooKeeper Kind = "zookeeper"
	Etcd      Kind = "etcd"
	Static    Kind = "static"
)

// MaxWeight is the weight that no node exceeds: what has a greater one is not believed.
const MaxWeight = 1000

// Setting is what cluster.registry says.
type Setting struct {
	Kind    Kind
	Servers []string       // HOST:PORT of its servers, at least one; none where Kind is Static
	Prefix  string         // what all it keeps is below: empty, or with a slash first and none last
	Nodes   []cluster.Node // name, weight and admin address of all, where Kind is Static
}

// Parse returns what a setting says, or what is wrong with it:
//
//	zookeeper://HOST:PORT,...[/PREFIX]    etcd://HOST:PORT,...[/PREFIX]    static:NAME=HOST:PORT[*WEIGHT],...
func Parse(setting string) (Setting, error) {
	if list, ok := strings.CutPrefix(setting, "static:"); ok {
		return parseStatic(list)
	}
	scheme, rest, _ := strings.Cut(setting, "://")
	kind := Kind(scheme)
	if kind != ZooKeeper && kind != Etcd {
		return Setting{}, fmt.Errorf("%q must begin with static:, zookeeper:// or etcd://", setting)
	}
	hosts, prefix, slash := strings.Cut(rest, "/")
	s := Setting{Kind: kind, Servers: strings.Split(hosts, ",")}
	for _, server := range s.Servers {
		if err := checkHostPort(server); err != nil {
			return Setting{}, fmt.Errorf("server %q: %w", server, err)
		}
	}
	if slash && prefix != "" {
		s.Prefix = "/" + strings.TrimSuffix(prefix, "/")
	}
	return s, checkPrefix(s.Prefix)
}

// checkPrefix finds what ZooKeeper would refuse as a path.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	for segment := range strings.SplitSeq(prefix[1:], "/") {
		if segment == "" || !validSegment(segment) {
			return fmt.Errorf("prefix %q must be names with one slash between them, as /push/live", prefix)
		}
	}
	if prefix == "/zookeeper" || strings.HasPrefix(prefix, "/zookeeper/") {
		return errors.New("prefix /zookeeper is ZooKeeper's own; take another one")
	}
	return nil
}

// CheckName finds what keeps a node from being registered by its name.
func CheckName(name string) error {
	if name == "" || !validSegment(name) || strings.ContainsAny(name, "/,=*") {
		return fmt.Errorf("the name of a node, %q, must be one or more characters, neither blank nor one of / , = *, and neither . nor .. alone", name)
	}
	return nil
}

// validSegment tells what may be between two slashes.
func validSegment(s string) bool {
	return s != "." && s != ".." && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f && c <= 0x9f || c >= 0xd800 && c <= 0xf8ff || c >= 0xfff0
	})
}

func parseStatic(list string) (Setting, error) {
	s := Setting{Kind: Static}
	for element := range strings.SplitSeq(list, ",") {
		n, err := parseNode(element)
		if err != nil {
			return Setting{}, fmt.Errorf("node %q: %w", element, err)
		}
		if slices.ContainsFunc(s.Nodes, func(other cluster.Node) bool { return other.Name == n.Name }) {
			return Setting{}, fmt.Errorf("the node %s is given twice", n.Name)
		}
		s.Nodes = append(s.Nodes, n)
	}
	return s, nil
}

// parseNode reads NAME=HOST:PORT[*WEIGHT].
func parseNode(element string) (cluster.Node, error) {
	name, addr, found := strings.Cut(element, "=")
	if !found {
		return cluster.Node{}, errors.New("must be NAME=HOST:PORT, the port that of its admin listener")
	}
	n := cluster.Node{Name: name, Weight: 1}
	if addr, weight, given := strings.Cut(addr, "*"); given {
		w, err := strconv.Atoi(weight)
		if err != nil || w < 1 || w > MaxWeight {
			return n, fmt.Errorf("the weight, behind *, must be a number from 1 to %d", MaxWeight)
		}
		n.Weight, n.Admin = w, []string{addr}
	} else {
		n.Admin = []string{addr}
	}
	if err := CheckName(name); err != nil {
		return n, err
	}
	return n, checkHostPort(n.Admin[0])
}

func checkHostPort(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || strings.ContainsAny(host, " \t@/") {
		return errors.New("must be HOST:PORT")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("the port must be a number from 1 to 65535")
	}
	return nil
}
