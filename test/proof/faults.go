package proof

import (
	"context"
	"math/rand/v2"
	"time"
)

// KillNode ends a node as kill -9 does, and starts it again after a while.
func KillNode() Kind {
	return Kind{
		Name: "kill -9 of a node", Shortest: 50 * time.Millisecond, Longest: 4 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault { return &killed{anyNode(t, draw)} },
	}
}

// HaltNode has a node stand still, past every timeout or less.
func HaltNode() Kind {
	return Kind{
		Name: "SIGSTOP of a node", Shortest: 200 * time.Millisecond, Longest: 8 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault { return &halted{anyNode(t, draw)} },
	}
}

// RestartNode ends a node as SIGTERM does, and starts it again.
func RestartNode() Kind {
	return Kind{
		Name: "SIGTERM of a node", Longest: time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault { return &terminated{anyNode(t, draw)} },
	}
}

// KillStore ends the server that nodes store in, and starts it again. What it has answered is in its file.
func KillStore() Kind {
	return Kind{
		Name: "kill -9 of the store", Shortest: 50 * time.Millisecond, Longest: 4 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault { return &killed{anyOf(t.Store, draw)} },
	}
}

// HaltStore has the server that nodes store in stand still.
func HaltStore() Kind {
	return Kind{
		Name: "SIGSTOP of the store", Shortest: 200 * time.Millisecond, Longest: 6 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault { return &halted{anyOf(t.Store, draw)} },
	}
}

// KillRegistry ends the registry, and starts it again.
func KillRegistry() Kind {
	return Kind{
		Name: "kill -9 of the registry", Shortest: 50 * time.Millisecond, Longest: 6 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault { return &killed{anyOf(t.Registry, draw)} },
	}
}

func anyNode(t *Topology, draw *rand.Rand) *Process { return t.Nodes[draw.IntN(len(t.Nodes))].Process }

func anyOf(all []*Process, draw *rand.Rand) *Process { return all[draw.IntN(len(all))] }

// killed is a process that is killed, and started again.
type killed struct{ p *Process }

func (k *killed) Name() string { return "kill -9 of " + k.p.Name }

func (k *killed) Inject(context.Context) error {
	k.p.Kill()
	return nil
}

func (k *killed) Heal(ctx context.Context) error { return k.p.Start(ctx) }

// halted is a process that stands still.
type halted struct{ p *Process }

func (h *halted) Name() string { return "SIGSTOP of " + h.p.Name }

func (h *halted) Inject(context.Context) error { return h.p.Halt() }

func (h *halted) Heal(context.Context) error { return h.p.Proceed() }

// terminated is a process that is told to end, and started again.
type terminated struct{ p *Process }

func (d *terminated) Name() string { return "SIGTERM of " + d.p.Name }

func (d *terminated) Inject(ctx context.Context) error { return d.p.Terminate(ctx) }

func (d *terminated) Heal(ctx context.Context) error { return d.p.Start(ctx) }
