//go:build !linux

package comet

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

const haveEpoll = false

// doorbell is the poller of a loop whose connections are all net.Conns.
type doorbell struct {
	netConn // never called: no connection has it for an engine
	bell    chan struct{}
	ticker  *time.Ticker
}

func newPoller(*Config, *atomic.Int64) (poller, error) {
	return &doorbell{bell: make(chan struct{}, 1), ticker: time.NewTicker(tick)}, nil
}

func (d *doorbell) wait(block bool) {
	if !block {
		return
	}
	select {
	case <-d.bell:
	case <-d.ticker.C:
	}
}

func (d *doorbell) sendAll([]sending) {}

func (d *doorbell) dispatch(*loop) {}

func (d *doorbell) wake() {
	select {
	case d.bell <- struct{}{}:
	default:
	}
}

func (d *doorbell) end() { d.ticker.Stop() }

func (g *Gateway) listenEpoll(*Listener, net.Listener) (func(), error) {
	return nil, errors.ErrUnsupported
}

func (g *Gateway) takeDescriptor(net.Conn) (int, error) { return -1, nil }

func (l *loop) addEpoll(*Listener, int) *conn { return nil }
