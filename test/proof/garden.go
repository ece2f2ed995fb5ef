package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// garden removes messages of the keys that are fleeting, until ctx ends: trims them to a few, as backends do whose devices need no more.
func (r *run) garden(ctx context.Context) {
	draw := r.draw("gardener", 0)
	var fleeting []*keyLog
	for _, k := range r.ledger.keys {
		if k.fleeting {
			fleeting = append(fleeting, k)
		}
	}
	for len(fleeting) > 0 && ctx.Err() == nil {
		pause(ctx, upTo(draw, 400*time.Millisecond))
		n := r.cfg.Topology.Nodes[draw.IntN(len(r.cfg.Topology.Nodes))]
		r.remove(ctx, n, fleeting[draw.IntN(len(fleeting))], draw)
	}
}

// remove trims a key, or empties it. Whether that was done is no matter: it may have been.
func (r *run) remove(ctx context.Context, n *Node, key *keyLog, draw *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if draw.IntN(4) == 0 {
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, fmt.Sprintf("http://%s/v1/keys/%s/messages", n.Admin, url.PathEscape(key.name)), nil)
		if err != nil {
			return
		}
		_ = r.do(req, nil)
		return
	}
	c, err := r.cfg.Topology.connect(ctx, n.Admin, draw)
	if err != nil {
		return
	}
	defer c.Close()
	if c.greet(r.cfg.Topology.APIKey) == nil {
		_, _ = c.ask("XTRIM", key.name, "MAXLEN", "=", fmt.Sprint(draw.IntN(8)))
	}
}
