//go:build !linux

package proof

import (
	"context"
	"errors"
	"math/rand/v2"
)

// ExhaustDescriptors is a fault that cannot be injected here: only Linux changes the limits of another process.
func ExhaustDescriptors() Kind {
	return Kind{Name: "descriptors exhausted", New: func(*Topology, *rand.Rand) Fault { return notHere{} }}
}

type notHere struct{}

func (notHere) Name() string                 { return "descriptors exhausted" }
func (notHere) Inject(context.Context) error { return errors.New("this system cannot do so") }
func (notHere) Heal(context.Context) error   { return nil }
