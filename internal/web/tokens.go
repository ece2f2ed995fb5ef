package web

import (
	"net/http"
	"time"
)

// maxTokenBody is the largest body that registers or revokes a token, in bytes.
const maxTokenBody = 4 << 10

var errTokensOff = &problem{Status: http.StatusConflict, Code: "auth_none", Message: "this node asks subscribers for no tokens; set auth = token to use them"}

// registration asks for a token to be let in. A token never stands in a path of ours: paths
// are what gets logged on the way.
type registration struct {
	Token    string  `json:"token"`    // "": mint one
	Lifetime *uint32 `json:"lifetime"` // seconds after its last use; absent: 30 days
}

// registered answers a registration.
type registered struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"` // unless it is used
}

func (l *listener) register(w http.ResponseWriter, r *http.Request) (any, error) {
	var ask registration
	if _, err := l.tokenBody(w, r, &ask); err != nil {
		return nil, err
	}
	var lifetime time.Duration
	if ask.Lifetime != nil {
		if lifetime = time.Duration(*ask.Lifetime) * time.Second; lifetime == 0 {
			return nil, errBody("lifetime 0: give 1 second or more, or leave it out")
		}
	}
	token, expires, err := l.cfg.Tokens.Register(r.Context(), r.PathValue("key"), ask.Token, lifetime)
	if err != nil {
		return nil, err
	}
	return registered{Token: token, Expires: expires.UTC()}, nil
}

// revocation names the token to forget.
type revocation struct {
	Token string `json:"token"`
}

// revoke forgets the token in the body, or without a body all tokens of the key, and closes
// the connections that were opened with them.
func (l *listener) revoke(w http.ResponseWriter, r *http.Request) (any, error) {
	var ask revocation
	some, err := l.tokenBody(w, r, &ask)
	if err != nil {
		return nil, err
	}
	var tokens []string
	if some {
		if tokens = []string{ask.Token}; ask.Token == "" {
			return nil, errBody("give the token to revoke, or no body at all to revoke all tokens of the key")
		}
	}
	key := r.PathValue("key")
	tags, revoked, err := l.cfg.Tokens.Revoke(r.Context(), key, tokens...)
	if err != nil {
		return nil, err
	}
	closed, err := l.cfg.Keys.Kick(r.Context(), key, tags...)
	return map[string]int{"revoked": revoked, "closed": closed}, err
}

// tokenBody reads the body of r into v and tells whether there is one.
func (l *listener) tokenBody(w http.ResponseWriter, r *http.Request, v any) (some bool, err error) {
	if l.cfg.Tokens == nil {
		return false, errTokensOff
	}
	if _, err := query(r); err != nil {
		return false, err
	}
	if err := plain(r); err != nil {
		return false, err
	}
	body, err := readBody(w, r, "the most of this path", maxTokenBody)
	if len(body) == 0 || err != nil {
		return false, err
	}
	return true, parseJSON(body, v)
}
