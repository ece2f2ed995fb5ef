package registrytest

import (
	"testing"
	"time"

	"gopush/internal/cluster"
)

// Kind is a kind of registry that has servers.
type Kind struct {
	// Start starts a server of its own for the test.
	Start func(t testing.TB) *Server
	// Open returns the registry of a process that reaches servers at addrs. Its session timeout is Timeout, and it reads
	// all again each second.
	Open func(t testing.TB, addrs []string, prefix string, n cluster.Node) cluster.Registry
	// Litter puts at the server, below prefix, what is no process: below the name of a node that has some, and elsewhere.
	Litter func(t testing.TB, addr, prefix, node string)
	// Timeout is the session timeout.
	Timeout time.Duration
}

// Run holds a kind of registry to what cluster.Registry promises.
func Run(t *testing.T, k Kind) {
	t.Helper()
	if beProcess(t, k) {
		return
	}
	server := k.Start(t)
	t.Run("while the server is there", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *group){
			"who joins is seen, who leaves is not":         joinAndLeave,
			"who is killed leaves when its session ends":   kill,
			"the first of one name serves":                 standBy,
			"a lost session begins anew":                   lostSession,
			"a broken connection changes nothing":          brokenConnection,
			"another server goes on with a session":        anotherServer,
			"a process that was halted comes again":        halted,
			"what is seen late is seen":                    lateWatch,
			"two clusters do not see each other":           twoPrefixes,
			"what is no process is passed over":            litter,
			"who gives up joining has not joined":          giveUpJoining,
			"who comes and goes at random is there or not": comeAndGo,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, newGroup(t, k, server, "/"+t.Name()))
			})
		}
	})
	for _, row := range []struct {
		name string
		test func(*testing.T, *group)
	}{
		{"a server that is away for long changes nothing", serverAway},
		{"a server that halts for long changes nothing", serverHalts},
		{"who is killed while the server is away leaves", killWhileAway},
		{"a server that has lost all is told all", serverForgets},
	} {
		t.Run(row.name, func(t *testing.T) { row.test(t, newGroup(t, k, server, "/"+t.Name())) })
	}
}
