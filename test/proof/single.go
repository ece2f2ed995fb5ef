package proof

import "path/filepath"

// Single returns a topology of one node with the embedded store in dir. Flags are the node's own.
func Single(binary, dir string, flags ...string) (*Topology, error) {
	host, err := freeHost()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	n := newNode(binary, "n1", host, dir, append([]string{"--data", data}, flags...)...)
	n.Data = data
	return &Topology{Name: "one node, embedded store", Nodes: []*Node{n}}, nil
}
