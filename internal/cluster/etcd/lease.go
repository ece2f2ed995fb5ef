package etcd

import (
	"context"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// limit is how long etcd may take for an answer: so that other servers can be asked before the lease ends.
func (s *session) limit() time.Duration { return s.r.c.Timeout / 4 }

// grant begins a lease.
func (s *session) grant(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, s.limit())
	defer cancel()
	seconds := int64((s.r.c.Timeout + time.Second - 1) / time.Second)
	lease, err := s.r.client.Grant(limited, seconds)
	if err != nil {
		return err
	}
	s.lease, s.renewed = lease.ID, time.Now()
	return nil
}

// renew keeps the lease alive, if it is time to. A server that does not answer has another one asked at once. It is not left to
// the client: that waits for one server for as long as the connection seems to be there, which is longer than
// sessions last where a machine has gone.
func (s *session) renew(ctx context.Context) (err error) {
	if s.lease == 0 || time.Since(s.renewed) < s.r.c.Timeout/5 {
		return nil
	}
	for range 2 {
		var left int64
		if left, err = s.renewOnce(ctx); err != nil {
			continue
		}
		if left <= 0 {
			s.lost()
		}
		s.renewed = time.Now()
		return nil
	}
	return err
}

// lost takes note that the lease has ended. If it need not have, others have most likely lost theirs, too.
func (s *session) lost() {
	s.r.c.Log.Info("lease in etcd lost: a new one begins")
	s.lease = clientv3.NoLease
	if time.Since(s.renewed) < s.r.c.Timeout {
		s.view.Forgot(time.Now())
	}
}

// renewOnce asks one server to keep the lease alive, and returns for how many seconds it is; none: it has ended.
func (s *session) renewOnce(ctx context.Context) (seconds int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit())
	defer cancel()
	stream, err := etcdserverpb.NewLeaseClient(s.r.client.ActiveConnection()).LeaseKeepAlive(ctx)
	if err != nil {
		return 0, err
	}
	if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(s.lease)}); err != nil {
		return 0, err
	}
	reply, err := stream.Recv()
	if err != nil {
		return 0, err
	}
	return reply.GetTTL(), stream.CloseSend()
}

// giveBack ends the lease if etcd is there to do so.
func (s *session) giveBack() {
	if s.lease == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), moment)
	defer cancel()
	if _, err := s.r.client.Revoke(ctx, s.lease); err != nil {
		s.r.c.Log.Debug("lease in etcd ends by itself", "error", err)
	}
	s.lease = clientv3.NoLease
}
