package lab

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"time"
)

// Rule is what happens to the packets that one host sends another. The zero value of what follows To changes nothing.
type Rule struct {
	From, To *Host
	Drop     float64       // the share of them that is lost, at random; 1: all are
	Late     time.Duration // how much later they come, in order
}

func (r *Rule) String() string {
	var what []string
	switch {
	case r.Drop >= 1:
		what = append(what, "cut")
	case r.Drop > 0:
		what = append(what, fmt.Sprintf("loses %.3g %%", 100*r.Drop))
	}
	if r.Late > 0 {
		what = append(what, fmt.Sprintf("%v late", r.Late))
	}
	return fmt.Sprintf("%s→%s %s", r.From.Name, r.To.Name, cmp.Or(strings.Join(what, ", "), "as it is"))
}

// drop is a line of nftables' language.
func (r *Rule) drop() string {
	const parts = 1 << 16
	switch {
	case r.Drop <= 0:
		return ""
	case r.Drop >= 1:
		return fmt.Sprintf("ip saddr %s counter drop\n", r.From.IP)
	}
	return fmt.Sprintf("ip saddr %s numgen random mod %d < %d counter drop\n", r.From.IP, parts, int(math.Round(r.Drop*parts)))
}

// lateness is how late packets are by all of rules.
func lateness(rules []*Rule, from, to *Host) (late time.Duration) {
	for _, r := range rules {
		if r.From == from && r.To == to {
			late += r.Late
		}
	}
	return late
}

// Fault is rules that hold from Inject until Heal. Faults that are about the same hosts add up.
type Fault struct {
	lab   *Lab
	name  string
	rules []*Rule
}

// Fault returns a fault of a kind (for counting: "cut", "loss").
func (l *Lab) Fault(name string, rules ...*Rule) *Fault {
	return &Fault{lab: l, name: name, rules: rules}
}

// Name is the kind of fault and what it does.
func (f *Fault) Name() string {
	what := make([]string, len(f.rules))
	for i, r := range f.rules {
		what[i] = r.String()
	}
	return f.name + " " + strings.Join(what, "; ")
}

// Inject imposes the rules.
func (f *Fault) Inject(ctx context.Context) error { return f.lab.change(ctx, f.rules, nil) }

// Heal lifts the rules.
func (f *Fault) Heal(ctx context.Context) error { return f.lab.change(ctx, nil, f.rules) }

// Each returns rules for packets between each of as and each of bs, both ways.
func Each(as, bs []*Host, what Rule) (rules []*Rule) {
	for _, a := range as {
		for _, b := range bs {
			if a != b {
				rules = append(rules, what.between(a, b), what.between(b, a))
			}
		}
	}
	return rules
}

// OneWay returns rules for what each of from sends each of to.
func OneWay(from, to []*Host, what Rule) (rules []*Rule) {
	for _, a := range from {
		for _, b := range to {
			if a != b {
				rules = append(rules, what.between(a, b))
			}
		}
	}
	return rules
}

func (r Rule) between(from, to *Host) *Rule {
	r.From, r.To = from, to
	return &r
}
