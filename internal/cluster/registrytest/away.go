package registrytest

import (
	"testing"
	"time"
)

// awayFor is how long a server is away, so that every session would have ended.
func (g *group) awayFor() time.Duration { return g.kind.Timeout * 2 }

func serverAway(t *testing.T, g *group) {
	all := append(g.joined("n1", "n2"), g.joined("n3")...)
	g.wantSeen(all, all)
	since := marks(all)
	g.server.Stop()
	g.wantHealth(all, false)
	g.outlast(all, since)
	g.server.Start()
	g.wantHealth(all, true)
	all = append(all, g.joined("n4")...)
	g.wantSeen(all, all)
	g.wantConstant(all[:3], since, "n1", "n2", "n3")
	all[0].leave()
	g.wantSeen(all, all[1:])
}

func serverHalts(t *testing.T, g *group) {
	all := g.joined("n1", "n2", "n3")
	since := marks(all)
	g.server.Pause()
	g.wantHealth(all, false)
	g.outlast(all, since)
	g.server.Resume()
	g.wantHealth(all, true)
	all = append(all, g.joined("n4")...)
	g.wantSeen(all, all)
	g.wantConstant(all[:3], since, "n1", "n2", "n3")
}

func killWhileAway(t *testing.T, g *group) {
	all := g.joined("n1", "n2", "n3")
	g.server.Stop()
	all[0].kill()
	g.outlast(all[1:], marks(all[1:]))
	g.server.Start()
	g.wantSeen(all[1:], all[1:])
}

func serverForgets(t *testing.T, g *group) {
	all := g.joined("n1", "n2")
	since := marks(all)
	g.server.Stop()
	g.server.Wipe()
	g.wantHealth(all, false)
	g.server.Start()
	g.wantHealth(all, true)
	all = append(all, g.joined("n3")...)
	g.wantSeen(all, all)
	g.wantConstant(all[:2], since, "n1", "n2")
}

// outlast lets the time pass in which the server is away, and wants who to be told nothing in it.
func (g *group) outlast(who []*member, since []int) {
	g.t.Helper()
	<-time.After(g.awayFor())
	g.wantSilence(who, since)
}
