package redis

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/redis/rueidis"
)

// outage is the slots of a Redis Cluster whose masters do not answer. It never changes.
type outage struct {
	slots   [1 << 14]bool
	servers []string // addresses
}

func (o *outage) Error() string {
	return fmt.Sprintf("servers of the Redis Cluster do not answer: %s", strings.Join(o.servers, ", "))
}

// slotRange is the slots from first to last, and the address of their master.
type slotRange struct {
	first, last int64
	master      string
}

// askServers asks each master of a Redis Cluster whether it is there, and returns what is not; nil: nothing. A replica that takes
// the place of one is seen when the others know.
func (s *Store) askServers(ctx context.Context) *outage {
	nodes := s.client.Nodes()
	var mu sync.Mutex
	var asking sync.WaitGroup
	var out *outage
	for _, r := range s.slotRanges(ctx, nodes) {
		node, known := nodes[r.master]
		if !known {
			continue
		}
		asking.Go(func() {
			if node.Do(ctx, node.B().Ping().Build()).Error() == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if out == nil {
				out = &outage{}
			}
			out.add(r)
		})
	}
	asking.Wait()
	return out
}

func (o *outage) add(r slotRange) {
	for slot := max(r.first, 0); slot <= min(r.last, int64(len(o.slots)-1)); slot++ {
		o.slots[slot] = true
	}
	if !slices.Contains(o.servers, r.master) {
		o.servers = append(o.servers, r.master)
	}
}

// slotRanges returns what the first server that answers says of who has which slots.
func (s *Store) slotRanges(ctx context.Context, nodes map[string]rueidis.Client) []slotRange {
	answers := make(chan []slotRange, len(nodes))
	for _, node := range nodes {
		s.start(func() {
			reply, err := node.Do(ctx, node.B().ClusterSlots().Build()).ToArray()
			if err != nil {
				answers <- nil
				return
			}
			answers <- parseSlots(reply)
		})
	}
	for range nodes {
		select {
		case ranges := <-answers:
			if len(ranges) > 0 {
				return ranges
			}
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// parseSlots reads what CLUSTER SLOTS replies: for each range the first and last slot, and who has it, the master first. What is
// not understood is left out.
func parseSlots(reply []rueidis.RedisMessage) (ranges []slotRange) {
	for i := range reply {
		parts, err := reply[i].ToArray()
		if err != nil || len(parts) < 3 {
			continue
		}
		master, err := parts[2].ToArray()
		if err != nil || len(master) < 2 {
			continue
		}
		first, errFirst := parts[0].AsInt64()
		last, errLast := parts[1].AsInt64()
		host, errHost := master[0].ToString()
		port, errPort := master[1].AsInt64()
		if errFirst == nil && errLast == nil && errHost == nil && errPort == nil {
			ranges = append(ranges, slotRange{first, last, net.JoinHostPort(host, fmt.Sprint(port))})
		}
	}
	return ranges
}

// slotOf returns the slot of a Redis Cluster that a name is in.
func (s *Store) slotOf(name string) uint16 {
	command := s.client.B().Exists().Key(name).Build()
	return command.Slot()
}

// isOut tells whether the server that has a name is known not to answer.
func (s *Store) isOut(name string) error {
	if out := s.out.Load(); out != nil && out.slots[s.slotOf(name)] {
		return out
	}
	return nil
}
