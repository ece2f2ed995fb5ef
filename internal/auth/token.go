package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"gopush/internal/message"
)

const (
	// DefaultLifetime is how long a token lives after its last use unless its registration says.
	DefaultLifetime = 30 * 24 * time.Hour
	// MaxLifetime is the longest that a registration may ask for.
	MaxLifetime = 100 * 365 * 24 * time.Hour
	// MaxTokenBytes is the length of the longest token.
	MaxTokenBytes = 255

	mintedBytes = 20 // 160 bits
	renewPart   = 16 // a use renews when this part of the lifetime has passed since the last renewal
)

// ErrRegister is what a registration fails with that asks for what cannot be.
var ErrRegister = errors.New("token cannot be registered")

// Store keeps tokens by hash. Its methods may be called concurrently.
type Store interface {
	// PutToken registers a token, or replaces it. It is durable when it returns.
	PutToken(ctx context.Context, key string, hash [32]byte, lifetime time.Duration, expires time.Time) error
	// RenewToken has a token that is there (expired or not) live its lifetime from now on, and tells whether it is there: it
	// brings none back that is deleted meanwhile, here or by another node. It is durable when it returns.
	RenewToken(ctx context.Context, key string, hash [32]byte, now time.Time) (found bool, err error)
	// Token returns the token's lifetime and expiry, and whether it is there (expired or not).
	Token(ctx context.Context, key string, hash [32]byte) (lifetime time.Duration, expires time.Time, found bool, err error)
	// HasTokens tells whether any token was registered for key and not deleted or swept.
	HasTokens(ctx context.Context, key string) (bool, error)
	// DeleteTokens removes the tokens of key with the given hashes, or all when none is given,
	// durably, and returns how many were there.
	DeleteTokens(ctx context.Context, key string, hashes ...[32]byte) (int, error)
}

// Tokens are what subscribers show to be let in. A key may have several; each lives its
// lifetime after it was last used.
type Tokens struct {
	store Store                           // set by NewTokens, never changed
	now   func() time.Time                //
	tell  func(key string, tags []uint64) // tells other nodes of a revocation; nil: there are none
	cache cache

	renewErrors  atomic.Uint64
	cachedChecks atomic.Uint64
}

// NewTokens returns the tokens kept in store, by the clock now. Every check asks the store.
func NewTokens(store Store, now func() time.Time) *Tokens {
	return &Tokens{store: store, now: now}
}

// NewSharedTokens is NewTokens for a store that other nodes share, which is asked over a network: that a token is good is
// believed for CacheTime. tell has the other nodes call Forget with what it is told, when tokens were revoked here; it waits for none of
// them, and may be nil.
func NewSharedTokens(store Store, now func() time.Time, tell func(key string, tags []uint64)) *Tokens {
	t := NewTokens(store, now)
	t.cache.most = maxCached
	t.tell = tell
	return t
}

// Register lets token in for key until it was not used for lifetime (0: DefaultLifetime), and
// returns it with its expiry; an empty token is minted: 160 random bits that can stand in a
// URL. It is durable then. To register a token again renews it and changes its lifetime.
func (t *Tokens) Register(ctx context.Context, key, token string, lifetime time.Duration) (string, time.Time, error) {
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	if token == "" {
		token = mint()
	}
	if err := checkRegistration(token, lifetime); err != nil {
		return "", time.Time{}, err
	}
	expires := t.now().Add(lifetime)
	if err := t.store.PutToken(ctx, key, hashOf(key, token), lifetime, expires); err != nil {
		return "", time.Time{}, fmt.Errorf("register a token of %q: %w", key, err)
	}
	return token, expires, nil
}

func mint() string {
	b := make([]byte, mintedBytes)
	rand.Read(b) // never fails: it ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// checkRegistration never shows the token in what it answers.
func checkRegistration(token string, lifetime time.Duration) error {
	if message.CheckKey(token, MaxTokenBytes) != nil {
		return fmt.Errorf("%w: a token is 1 to %d bytes of UTF-8 without control characters", ErrRegister, MaxTokenBytes)
	}
	if lifetime < time.Second || lifetime > MaxLifetime {
		return fmt.Errorf("%w: lifetime is 1 to %d seconds", ErrRegister, int64(MaxLifetime.Seconds()))
	}
	return nil
}

// Check returns the tag of a token that is good for key, and renews it. It fails with
// message.ErrUnknownKey when key has no tokens at all, with message.ErrToken when this one is
// empty, wrong, expired or revoked, and with the store's error when it cannot tell. A good
// token that cannot be renewed is good all the same: RenewErrors counts it.
//
// Tokens made by NewSharedTokens may call a token good for up to CacheTime after another node revoked it, if nobody called
// Forget; a token is refused only on the word of the store. What a token has opened stays open: that is Kick's.
func (t *Tokens) Check(ctx context.Context, key, token string) (tag uint64, err error) {
	hash, now, revocations := hashOf(key, token), t.now(), t.Revocations()
	if t.cache.good(key, hash, now) {
		t.cachedChecks.Add(1)
		return tagOf(hash), nil
	}
	lifetime, expires, found, err := t.store.Token(ctx, key, hash)
	renewed := expires.Add(-lifetime)
	switch {
	case err != nil:
		return 0, fmt.Errorf("check a token of %q: %w", key, err)
	case !found:
		return 0, t.refusal(ctx, key)
	case !now.Before(expires):
		return 0, message.ErrToken
	case now.Sub(renewed) > lifetime/renewPart:
		renewed, err = now, t.renew(ctx, key, hash, now)
	}
	switch {
	case errors.Is(err, message.ErrToken):
		return 0, err
	case err != nil:
		t.renewErrors.Add(1)
	default:
		t.cache.put(key, hash, revocations, now, earlier(now.Add(CacheTime), renewed.Add(lifetime/renewPart)))
	}
	return tagOf(hash), nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// refusal tells a key without tokens from one with others.
func (t *Tokens) refusal(ctx context.Context, key string) error {
	switch has, err := t.store.HasTokens(ctx, key); {
	case err != nil:
		return fmt.Errorf("look for tokens of %q: %w", key, err)
	case has:
		return message.ErrToken
	}
	return message.ErrUnknownKey
}

// renew fails with message.ErrToken if the token was revoked meanwhile.
func (t *Tokens) renew(ctx context.Context, key string, hash [32]byte, now time.Time) error {
	found, err := t.store.RenewToken(ctx, key, hash, now)
	if err == nil && !found {
		return message.ErrToken
	}
	return err
}

// RenewErrors returns how many uses of a good token could not renew it.
func (t *Tokens) RenewErrors() uint64 { return t.renewErrors.Load() }

// Revoke deletes tokens of key, or all when none is given, durably, and returns how many there
// were and the tags of those given, by which to find the connections opened with them. No node lets anyone in with them from
// then on, but for one that cannot be told, which does so for CacheTime at most.
func (t *Tokens) Revoke(ctx context.Context, key string, tokens ...string) (tags []uint64, n int, err error) {
	hashes := make([][32]byte, len(tokens))
	tags = make([]uint64, len(tokens))
	for i, token := range tokens {
		hashes[i] = hashOf(key, token)
		tags[i] = tagOf(hashes[i])
	}
	n, err = t.store.DeleteTokens(ctx, key, hashes...)
	t.Forget(key, tags...) // after an error, too: they may be deleted
	if t.tell != nil {
		t.tell(key, slices.Clone(tags))
	}
	if err != nil {
		return nil, n, fmt.Errorf("revoke tokens of %q: %w", key, err)
	}
	return tags, n, nil
}

// Forget has the store asked again about the tokens of key with these tags, or about all of key when none is given: they
// were revoked, perhaps by another node. It tells nobody, and moves Revocations, so it comes before connections are closed for it.
func (t *Tokens) Forget(key string, tags ...uint64) { t.cache.revoked(key, tags) }

// Revocations counts the calls of Revoke and Forget that have taken effect. A check that it has not moved
// since before Check, made once a connection can be found by its tag, closes the gap between the two.
func (t *Tokens) Revocations() uint64 { return t.cache.revocations.Load() }

// CachedChecks returns how many checks were answered without the store.
func (t *Tokens) CachedChecks() uint64 { return t.cachedChecks.Load() }

// hashOf is what a store knows a token by. A key has no control characters, so 0 ends it.
func hashOf(key, token string) [32]byte {
	b := make([]byte, 0, len(key)+1+len(token))
	b = append(b, key...)
	b = append(b, 0)
	return sha256.Sum256(append(b, token...))
}

// tagOf returns 64 bits of hash, never 0, which stands for no token.
func tagOf(hash [32]byte) uint64 {
	return max(1, binary.BigEndian.Uint64(hash[:8]))
}
