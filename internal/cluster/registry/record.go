package registry

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gopush/internal/cluster"
)

// record is how a node is written down: as gopush-cluster's comets do, which have no id. Fields of others are let be.
type record struct {
	RPC    []string `json:"rpc"`
	TCP    []string `json:"tcp"`
	WS     []string `json:"ws"`
	Weight int      `json:"weight"`
	ID     string   `json:"id,omitempty"`
}

// messageRecord is how a process that answers MessageRPC is written down, as gopush-cluster's message processes do.
type messageRecord struct {
	RPC    []string `json:"rpc"`
	Weight int      `json:"weight"`
	ID     string   `json:"id,omitempty"`
}

// Process is a process that registered.
type Process struct {
	Node cluster.Node // without Self
	ID   string       // which one, among those of one name; empty: gopush-cluster's
}

// NewID returns the id of a process, unlike any other.
func NewID() string { return rand.Text() }

// Encode returns what is written down of the process id of a node.
func Encode(n cluster.Node, id string) []byte {
	return marshal(record{RPC: present(n.Admin), TCP: present(n.TCP), WS: present(n.WS), Weight: max(n.Weight, 0), ID: id})
}

// EncodeMessage returns what is written down of a process that answers MessageRPC at the addresses rpc.
func EncodeMessage(rpc []string, weight int, id string) []byte {
	return marshal(messageRecord{RPC: present(rpc), Weight: max(weight, 1), ID: id})
}

// Decode returns the process that data, found below the name of a node, says there is.
func Decode(name string, data []byte) (Process, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return Process{}, fmt.Errorf("what is registered as %q is no JSON of a node: %w", name, err)
	}
	if r.Weight > MaxWeight {
		return Process{}, fmt.Errorf("what is registered as %q has the weight %d; at most %d is believed", name, r.Weight, MaxWeight)
	}
	if len(r.RPC) == 0 {
		return Process{}, fmt.Errorf("what is registered as %q has no rpc address: %w", name, errNobody)
	}
	n := cluster.Node{Name: name, Weight: max(r.Weight, 0), Admin: hostPorts(r.RPC), TCP: hostPorts(r.TCP), WS: hostPorts(r.WS)}
	return Process{Node: n, ID: r.ID}, nil
}

// DecodeID returns the id in data, whatever else it says; empty where it says none.
func DecodeID(data []byte) string {
	var r struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(data, &r) != nil {
		return ""
	}
	return r.ID
}

var errNobody = errors.New("nobody can be reached there")

// hostPorts returns addresses without the network that some gopush-cluster processes put before them: tcp@HOST:PORT.
func hostPorts(addrs []string) (bare []string) {
	for _, addr := range addrs {
		bare = append(bare, addr[strings.LastIndexByte(addr, '@')+1:])
	}
	return bare
}

// present makes JSON say [] where nothing is, for readers that take no null.
func present(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("registry: texts and numbers are JSON: " + err.Error())
	}
	return data
}
