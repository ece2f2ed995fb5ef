package etcd

import (
	"context"
	"errors"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// token is what etcd gives who logs in, and wants to see with every call. The client's own way asks for another one before each stream, so for each
// renewal of a lease, which costs etcd a hash that is meant to be slow.
type token struct{ text atomic.Value }

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (t *token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if text, _ := t.text.Load().(string); text != "" {
		return map[string]string{rpctypes.TokenFieldNameGRPC: text}, nil
	}
	return nil, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: who sets no TLS trusts the network.
func (t *token) RequireTransportSecurity() bool { return false }

func (t *token) set(text string) { t.text.Store(text) }

func (t *token) missing() bool {
	text, _ := t.text.Load().(string)
	return text == ""
}

// logIn gets a token, if there is a user and none yet. An etcd without users needs none.
func (s *session) logIn(ctx context.Context) error {
	access := s.r.c.Access
	if access.Username == "" || !s.r.token.missing() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit())
	defer cancel()
	reply, err := s.r.client.Authenticate(ctx, access.Username, access.Password)
	if errors.Is(err, rpctypes.ErrAuthNotEnabled) {
		return nil
	}
	if err == nil {
		s.r.token.set(reply.Token)
	}
	return err
}

// mayHaveEnded forgets the token if err is what etcd says to one that it does not know any more.
func (s *session) mayHaveEnded(err error) {
	if status.Code(err) == codes.Unauthenticated || errors.Is(err, rpctypes.ErrInvalidAuthToken) || errors.Is(err, rpctypes.ErrAuthOldRevision) {
		s.r.token.set("")
	}
}
