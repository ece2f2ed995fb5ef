package node

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Run serves until ctx ends, then goes: it is drained, and pushes are taken all along, as a drain says; then, within
// shutdown_timeout, it stops accepting, lets HTTP requests end and queues leave, tells who is left to go, ends the links, ends
// what stores, and closes the store. It returns nil after that, or why it could not go on.
func (n *Node) Run(ctx context.Context) error {
	hubCtx, stopHub := context.WithCancel(context.WithoutCancel(ctx))
	clusterCtx, stopCluster := context.WithCancel(context.WithoutCancel(ctx))
	gatewayCtx, stopGateway := context.WithCancel(context.WithoutCancel(ctx))
	var hub, cluster, gateway, servers, revoked sync.WaitGroup
	hub.Go(func() { n.hub.Run(hubCtx) })
	hub.Go(func() { n.keepMemory(hubCtx) })
	hub.Go(func() { n.watchCertificates(hubCtx) })
	gateway.Go(func() { n.gateway.Run(gatewayCtx) })
	for _, s := range n.http {
		servers.Go(func() { n.serve(s) })
	}
	revoked.Go(func() { n.endRevoked(ctx) })
	if n.cluster != nil {
		cluster.Go(func() { n.cluster.Run(clusterCtx) })
		n.drain.join() // it serves already
		n.awaitOwning(ctx)
	}
	close(n.ready)

	revoked.Wait() // until ctx ends
	n.drain.stop()
	n.log.Info("stopping", "connections", n.gateway.Connections())
	timeout := time.Duration(n.cfg.Load().ShutdownTimeout)
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	n.gateway.StopAccepting()
	n.endRequests(deadline, timeout/2) // a request that hangs leaves time for who is left
	n.gateway.Dismiss(deadline)
	stopGateway()
	gateway.Wait()
	servers.Wait()
	stopCluster()
	cluster.Wait()
	stopHub()
	hub.Wait()
	return errors.Join(n.store.Close(), n.faults.close())
}

// endRevoked closes, whenever the configuration was read again, connections whose API key is none any more.
func (n *Node) endRevoked(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.reloaded:
		}
		if closed := n.redis.EndRevoked(ctx); closed > 0 {
			n.log.Info("connections closed whose API key is none any more", "connections", closed)
		}
	}
}

func (n *Node) serve(s httpServer) {
	if err := s.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		n.log.Error("HTTP ended", "addr", s.listener.Addr(), "err", err)
	}
}

// endRequests lets the requests under way end, those that loops serve and those that net/http has; which
// have not after timeout are cut.
func (n *Node) endRequests(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var closing sync.WaitGroup
	closing.Go(func() { n.gateway.EndPushes(ctx) })
	for _, s := range n.http {
		closing.Go(func() {
			if s.Shutdown(ctx) != nil {
				s.Close()
			}
		})
	}
	if n.rpc != nil {
		closing.Go(func() { n.endRPC(ctx) })
	}
	closing.Wait()
}

// endRPC ends the connections of net/rpc. Calls that take longer than ctx are left to themselves: they end by themselves.
func (n *Node) endRPC(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		n.rpc.Close()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}
