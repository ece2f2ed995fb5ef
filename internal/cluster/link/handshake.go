package link

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"gopush/internal/wire/resp"
)

const (
	handshakeTime  = 5 * time.Second
	maxHandshakes  = 256 // at a time, of those who connect
	nonceBytes     = 32
	secretHint     = "set the same cluster.secret on all nodes"
	versionHint    = "run the same version of gopush on all nodes"
	noClusterHint  = "set cluster.secret there, or take the node out of cluster.registry"
	wrongNodesHint = "see the advertise_admin of both"
)

var (
	errSecret    = errors.New("cluster secrets differ")
	errUntrusted = errors.New("TLS (cluster.tls = true)")
	errVersion   = errors.New("versions of links differ")
	errHandshake = errors.New("no handshake")
)

// refusal tells why what failed with err became no link.
func refusal(err error) Refusal {
	switch {
	case errors.Is(err, errSecret):
		return BadSecret
	case errors.Is(err, errVersion):
		return BadVersion
	}
	return BadHandshake
}

// party is one of the two who shake hands.
type party struct {
	name  string
	nonce []byte
}

// hello is what is said in a handshake, and later when it has changed.
type hello struct {
	Hello
	MaxMessageBytes int `json:"max_message_bytes"`
}

func (ls *Links) self() []byte {
	text, err := json.Marshal(hello{ls.cfg.Self(), int(ls.maxBytes.Load())})
	if err != nil {
		panic(err) // strings and numbers
	}
	return text
}

// news returns what is to be said of this node, if that has changed since the handshake.
func (ls *Links) news(in *input) (text string, changed bool) {
	now := ls.self()
	return string(now), !bytes.Equal(now, in.said)
}

// mac proves who says text in a role to know the secret, to the other one and for this handshake only.
func mac(secret []byte, role string, dials, accepts party, text []byte) []byte {
	h := hmac.New(sha256.New, secret)
	for _, part := range [][]byte{
		[]byte("gopush link"), []byte(strconv.Itoa(Version)), []byte(role),
		[]byte(dials.name), dials.nonce, []byte(accepts.name), accepts.nonce, text,
	} {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return h.Sum(nil)
}

func newNonce() []byte {
	nonce := make([]byte, nonceBytes)
	rand.Read(nonce) // never fails
	return nonce
}

// greet shakes hands on a connection that was dialled to reach the node of a name.
func (ls *Links) greet(ctx context.Context, in *input, name string) (hello, error) {
	defer in.limitTime(ctx, handshakeTime)()
	me := party{ls.cfg.Self().Name, newNonce()}
	if err := in.say(command, Command, strconv.Itoa(Version), me.name, string(me.nonce)); err != nil {
		return hello{}, err
	}
	args, err := in.due("challenge", 3)
	if err != nil {
		return hello{}, err
	}
	peer := party{string(args[1]), []byte(string(args[2]))}
	switch {
	case peer.name != name:
		return hello{}, fmt.Errorf("%w: this is node %s, not %s: %s", errHandshake, peer.name, name, wrongNodesHint)
	case len(peer.nonce) != nonceBytes:
		return hello{}, fmt.Errorf("%w: a nonce of %d bytes", errHandshake, len(peer.nonce))
	}
	text := ls.self()
	in.said = text
	if err := in.say(command, "PROVE", string(mac(ls.cfg.Secret, "dials", me, peer, text)), string(text)); err != nil {
		return hello{}, err
	}
	if args, err = in.due("welcome", 3); err != nil {
		return hello{}, err
	}
	if !hmac.Equal(args[1], mac(ls.cfg.Secret, "accepts", me, peer, args[2])) {
		return hello{}, fmt.Errorf("%w: what node %s says is not proved: %s", errSecret, name, secretHint)
	}
	return parseHello(args[2], name)
}

// receive shakes hands on a connection that was accepted. Who is refused was told.
func (ls *Links) receive(ctx context.Context, in *input) (hello, error) {
	defer in.limitTime(ctx, handshakeTime)()
	args, err := in.due(Command, 0)
	if err != nil {
		return hello{}, err
	}
	me := party{ls.cfg.Self().Name, newNonce()}
	peer, err := ls.asked(me.name, args)
	if err != nil {
		return hello{}, err
	}
	if err := in.say(push, "challenge", me.name, string(me.nonce)); err != nil {
		return hello{}, err
	}
	if args, err = in.due("PROVE", 3); err != nil {
		return hello{}, err
	}
	if !hmac.Equal(args[1], mac(ls.cfg.Secret, "dials", peer, me, args[2])) {
		return hello{}, refused(errSecret, "SECRET", "node %s does not accept the cluster secret of %s: %s", me.name, peer.name, secretHint)
	}
	h, err := parseHello(args[2], peer.name)
	if err != nil {
		return hello{}, err
	}
	text := ls.self()
	in.said = text
	return h, in.say(push, "welcome", string(mac(ls.cfg.Secret, "accepts", peer, me, text)), string(text))
}

// asked checks the first command, and returns who sent it.
func (ls *Links) asked(self string, args [][]byte) (party, error) {
	if len(args) < 3 {
		return party{}, refused(errHandshake, "ERR", "%s has a version, a name and a nonce", Command)
	}
	version, name := string(args[1]), string(args[2])
	switch {
	case version != strconv.Itoa(Version):
		return party{}, refused(errVersion, "VERSION", "node %s speaks version %d of links, %s version %s: %s", self, Version, printable(name), printable(version), versionHint)
	case len(args) != 4 || len(args[3]) != nonceBytes || name == "":
		return party{}, refused(errHandshake, "ERR", "%s has a version, a name and a nonce of %d bytes", Command, nonceBytes)
	case len(ls.cfg.Secret) == 0:
		return party{}, refused(errHandshake, "CLUSTER", "node %s is in no cluster: %s", self, noClusterHint)
	}
	return party{name, []byte(string(args[3]))}, nil
}

// printable is a word of a stranger's for a line of text.
func printable(word string) string {
	quoted := strconv.Quote(word[:min(len(word), 64)])
	return quoted[1 : len(quoted)-1]
}

// refusalError is one that the peer is told.
type refusalError struct {
	is   error
	code string
	text string
}

func (r *refusalError) Error() string { return r.text }
func (r *refusalError) Unwrap() error { return r.is }

func refused(is error, code, format string, args ...any) error {
	return &refusalError{is, code, fmt.Sprintf(format, args...)}
}

func parseHello(text []byte, name string) (h hello, err error) {
	if err := json.Unmarshal(text, &h); err != nil {
		return hello{}, fmt.Errorf("%w: %w", errHandshake, err)
	}
	if h.Name != name {
		return hello{}, fmt.Errorf("%w: node %s says that it is %s", errHandshake, printable(name), printable(h.Name))
	}
	return h, nil
}

// limitTime has reads and writes fail after d, or when ctx ends, until the function that it returns is called.
func (in *input) limitTime(ctx context.Context, d time.Duration) (end func()) {
	in.conn.SetDeadline(time.Now().Add(d))
	stop := context.AfterFunc(ctx, func() { in.conn.SetDeadline(time.Unix(1, 0)) })
	return func() {
		stop()
		in.conn.SetDeadline(time.Time{})
	}
}

// say writes a frame of words.
func (in *input) say(kind byte, words ...string) error {
	b := appendHead(nil, kind, len(words))
	for _, w := range words {
		b = resp.AppendBulk(b, w)
	}
	_, err := in.conn.Write(b)
	return err
}

// due reads a frame that has to be there whole before the deadline: word, and n elements in all (0: any number).
func (in *input) due(word string, n int) ([][]byte, error) {
	for {
		if err := in.refusedBy(); err != nil {
			return nil, err
		}
		args, err := in.next()
		switch {
		case err != nil && !in.refuses():
			return nil, fmt.Errorf("%w: %w", errHandshake, err)
		case args != nil && (string(args[0]) != word || n > 0 && len(args) != n):
			return nil, fmt.Errorf("%w: %s is due", errHandshake, word)
		case args != nil:
			return args, nil
		}
		in.makeRoom()
		read, err := in.conn.Read(in.buf[in.end:])
		if in.end += read; read == 0 && err != nil {
			return nil, fmt.Errorf("%w: %w", errHandshake, err)
		}
	}
}

// refuses tells whether an error comes in place of a frame.
func (in *input) refuses() bool { return in.start < in.end && in.buf[in.start] == '-' }

// refusedBy returns the error that the peer has sent in place of a frame, once it is whole.
func (in *input) refusedBy() error {
	if !in.refuses() {
		return nil
	}
	_, text, n, err := resp.ParseReply(in.buf[in.start:in.end], handBytes)
	if n == 0 || err != nil {
		return err
	}
	name, rest, _ := strings.Cut(string(text), " ")
	switch name {
	case "VERSION":
		return fmt.Errorf("%w: %s", errVersion, rest)
	case "SECRET":
		return fmt.Errorf("%w: %s", errSecret, rest)
	}
	return fmt.Errorf("%w: %s", errHandshake, text)
}

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	return (&net.Dialer{KeepAlive: -1}).DialContext(ctx, "tcp", addr)
}

// unread has in begin with bytes that were read before.
func (in *input) unread(b []byte) { in.buf, in.end = b, len(b) }

// turnAway tells the peer of err, and waits a moment for it to close: what it has sent meanwhile would destroy what it is told.
func (in *input) turnAway(err error) {
	text := "ERR no link: " + err.Error()
	if r := (*refusalError)(nil); errors.As(err, &r) {
		text = r.code + " " + r.text
	}
	in.conn.SetDeadline(time.Now().Add(lastWords))
	if _, err := in.conn.Write(resp.AppendError(nil, text)); err != nil {
		return
	}
	if half, ok := in.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.Copy(io.Discard, io.LimitReader(in.conn, maxDiscard))
}

// maxDiscard bounds what is read of who is refused.
const maxDiscard = 1 << 20
