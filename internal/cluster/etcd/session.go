package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gopush/internal/cluster/registry"
)

const (
	// settle is how long after a change is waited for more of them: what changes together is read once.
	settle = 20 * time.Millisecond
	// retry is how long after an error all is tried again.
	retry = 300 * time.Millisecond
	// moment is how long etcd has for the end of the lease when this process ends.
	moment = time.Second
)

// session is what the goroutine of a registry knows.
type session struct {
	r    *Registry
	view *registry.View

	lease   clientv3.LeaseID // 0: none
	renewed time.Time        // when it was, or was begun

	revision int64 // of what was read last
	watch    clientv3.WatchChan
	unwatch  context.CancelFunc
}

// run reads and tells until ctx ends.
func (s *session) run(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-s.r.wake:
		case told, ok := <-s.watch:
			if !ok || told.Err() != nil {
				s.stopWatch()
				pause(ctx, retry)
			}
			pause(ctx, settle)
		}
		next.Reset(s.round(ctx))
	}
}

// round reads, registers what is to be, and tells. It returns after what time there is to be another round at the latest.
func (s *session) round(ctx context.Context) time.Duration {
	err := s.logIn(ctx)
	if err == nil {
		err = s.renew(ctx)
	}
	var keys []entry
	if err == nil {
		keys, err = s.settled(ctx)
	}
	s.mayHaveEnded(err)
	if err != nil && ctx.Err() == nil {
		s.r.health.Away(s.why(err))
		s.view.Away(time.Now())
		return retry
	}
	if err != nil {
		return retry
	}
	s.r.health.Back()
	now := time.Now()
	s.view.Back(now)
	ping := s.r.c.Timeout/3 - rand.N(s.r.c.Timeout/15)
	if held := s.view.Show(now, s.nodes(keys)); held > 0 {
		return min(held, ping)
	}
	return ping
}

// why says of an error what an operator looks at first.
func (s *session) why(err error) error {
	servers := strings.Join(s.r.c.Servers, ", ")
	if status.Code(err) == codes.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("etcd at %s does not answer, or has no leader", servers)
	}
	return fmt.Errorf("etcd at %s: %w", servers, err)
}

// settled returns all keys, when what this process wants to be registered is among them.
func (s *session) settled(ctx context.Context) ([]entry, error) {
	for {
		keys, err := s.read(ctx)
		if err != nil {
			return nil, err
		}
		s.startWatch()
		changed, err := s.fulfil(ctx, keys)
		if err != nil || !changed {
			return keys, err
		}
	}
}

// fulfil makes what is registered what is wanted, given what was read. It returns whether that changed something, so that
// it has to be read again.
func (s *session) fulfil(ctx context.Context, keys []entry) (changed bool, err error) {
	data, done := s.r.claim.Wanted()
	if done == nil {
		return false, nil
	}
	if data != nil {
		changed, err = s.have(ctx, keys, data)
	} else {
		changed, err = s.haveNot(ctx, keys)
	}
	if err == nil && !changed {
		s.r.claim.Fulfilled(done)
	}
	return changed, err
}

// have writes the key, unless it is there with the lease of now. A key with a lost lease is given the new one: it keeps
// its place, and others never see it gone where etcd has not seen the lease end.
func (s *session) have(ctx context.Context, keys []entry, data []byte) (changed bool, err error) {
	if s.lease == 0 {
		if err := s.grant(ctx); err != nil {
			return false, err
		}
	}
	for _, e := range keys {
		if e.key == s.r.key && e.lease == int64(s.lease) {
			return false, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit())
	defer cancel()
	_, err = s.r.client.Put(ctx, s.r.key, string(data), clientv3.WithLease(s.lease))
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		s.lease = 0
		return true, nil
	}
	return true, err
}

// haveNot gives the lease back, and with it the key: so a write that is under way still can do nothing any more.
func (s *session) haveNot(ctx context.Context, keys []entry) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit())
	defer cancel()
	if s.lease != 0 {
		if _, err := s.r.client.Revoke(ctx, s.lease); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return false, err
		}
		s.lease = 0
		return true, nil
	}
	for _, e := range keys {
		if e.key == s.r.key { // with a lease that was lost
			_, err := s.r.client.Delete(ctx, s.r.key)
			return true, err
		}
	}
	return false, nil
}

// startWatch has what happens after the last reading wake this goroutine, if nothing does.
func (s *session) startWatch() {
	if s.watch != nil {
		return
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(context.Background()))
	s.watch = s.r.client.Watch(ctx, s.r.root, clientv3.WithPrefix(), clientv3.WithRev(s.revision+1))
	s.unwatch = cancel
}

func (s *session) stopWatch() {
	if s.unwatch != nil {
		s.unwatch()
	}
	s.watch, s.unwatch = nil, nil
}

// close gives back what etcd keeps for this process.
func (s *session) close() {
	s.stopWatch()
	s.giveBack()
}

// pause returns after a time, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
