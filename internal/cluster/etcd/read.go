package etcd

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registry"
)

// entry is a key below the root of the nodes.
type entry struct {
	key     string
	value   []byte
	created int64 // revision
	lease   int64 // 0: none, so it is no process
}

// read returns all keys, those that were created first first.
func (s *session) read(ctx context.Context) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit())
	defer cancel()
	got, err := s.r.client.Get(ctx, s.r.root, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	if got.Header.Revision < s.revision { // etcd has lost what it had: what is watched for would come late
		s.stopWatch()
		s.view.Forgot(time.Now())
	}
	s.revision = got.Header.Revision
	keys := make([]entry, 0, len(got.Kvs))
	for _, kv := range got.Kvs {
		keys = append(keys, entry{string(kv.Key), kv.Value, kv.CreateRevision, kv.Lease})
	}
	slices.SortFunc(keys, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.key, b.key))
	})
	return keys, nil
}

// nodes returns the nodes that serve: of each name the first process.
func (s *session) nodes(keys []entry) (nodes []cluster.Node) {
	for _, e := range keys {
		name, _, found := strings.Cut(strings.TrimPrefix(e.key, s.r.root), "/")
		serves := func(n cluster.Node) bool { return n.Name == name }
		if !found || e.lease == 0 || registry.CheckName(name) != nil || slices.ContainsFunc(nodes, serves) {
			continue
		}
		process, err := registry.Decode(name, e.value)
		if err != nil {
			s.r.c.Log.Debug("key in etcd is passed over", "key", e.key, "error", err)
			continue
		}
		n := process.Node
		n.Self = e.key == s.r.key
		nodes = append(nodes, n)
	}
	return nodes
}
