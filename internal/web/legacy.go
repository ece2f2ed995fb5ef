package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
)

// What gopush-cluster answers as ret when it is not 0. docs/protocol.md, "legacy HTTP".
const (
	retNoNode    = 1001
	retParameter = 65534
	retInternal  = 65535
)

const (
	jsonType       = "application/json;charset=utf-8"
	javascriptType = "application/javascript;charset=utf-8"

	maxCallback = 128 // characters
)

// callbackName is an identifier path. A JSONP answer runs in somebody's page, so nothing else
// may stand at its beginning.
var callbackName = regexp.MustCompile(`^[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*|\[[\w$]+\])*$`)

var errNoNode = &problem{Status: http.StatusServiceUnavailable, Code: "no_node", Message: "no node owns the key now, or it advertises no address for this protocol"}

// edition is one generation of the legacy paths: what its parameters are called and what its
// answers carry.
type edition struct {
	key, proto, mid string
	callback        string // "": no JSONP
	old             bool   // "msg":"ok" in every answer, and messages are strings
}

// data is what an answer holds besides ret: JSON whose size is known before it is written.
type data interface {
	size() int64
	writeTo(ctx context.Context, w io.Writer) error
}

// literal is data that is there.
type literal []byte

func (b literal) size() int64 { return int64(len(b)) }

func (b literal) writeTo(_ context.Context, w io.Writer) error {
	return toCaller(w, b)
}

// legacy is the paths of one edition on one listener.
type legacy struct {
	*listener
	edition
}

// action does what a request asks and returns what to answer besides ret; nil, also with an
// error: nothing.
type action func(w http.ResponseWriter, r *http.Request) (data, error)

func (l *legacy) get(do action) methods {
	return methods{http.MethodGet: l.handler(do)}
}

func (l *legacy) post(do action) methods {
	return methods{http.MethodPost: l.handler(do)}
}

// handler answers what do returns as gopush-cluster does.
func (l *legacy) handler(do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, cancel := bounded(r)
		defer cancel()
		var found data
		callback, err := l.callbackOf(r)
		if err == nil {
			found, err = do(w, r)
		}
		a := answer{data: found, old: l.old, callback: callback, status: http.StatusOK}
		if err != nil {
			a.fail(err, l.note(r.Pattern, err))
		}
		if err := a.send(r.Context(), w); err != nil {
			l.note(r.Pattern, err)
			panic(http.ErrAbortHandler) // the length is told, so the client sees that it is cut
		}
	})
}

// callbackOf returns the JSONP function that r asks for, "" for none.
func (e *edition) callbackOf(r *http.Request) (string, error) {
	if e.callback == "" {
		return "", nil
	}
	name := r.URL.Query().Get(e.callback)
	if name != "" && (len(name) > maxCallback || !callbackName.MatchString(name)) {
		return "", errParameter("%s is the name of a function, of at most %d characters", e.callback, maxCallback)
	}
	return name, nil
}

// answer is {"data":…,"msg":"ok","ret":N} in this order, with the members that there are.
type answer struct {
	data     data // nil: none
	old      bool // with msg
	ret      int
	callback string // "": plain JSON
	status   int
}

// fail makes a the answer to err, which looks like p. The status is 200 for every ret; only a
// body past its limit has 413.
func (a *answer) fail(err error, p *problem) {
	switch {
	case errors.Is(err, errNoNode):
		a.ret = retNoNode
	case p.Status < http.StatusInternalServerError:
		a.ret = retParameter
	default:
		a.ret = retInternal
	}
	if p.Status == http.StatusRequestEntityTooLarge {
		a.status = p.Status
	}
}

// around returns what stands before and behind a's data.
func (a *answer) around() (head, tail string) {
	head, tail = "{", `"ret":`+strconv.Itoa(a.ret)+"}"
	if a.old {
		tail = `"msg":"ok",` + tail
	}
	if a.data != nil {
		head, tail = `{"data":`, ","+tail
	}
	if a.callback != "" {
		head, tail = a.callback+"("+head, tail+")"
	}
	return head, tail
}

// append appends a, whose data, if there is any, is literal.
func (a *answer) append(dst []byte) []byte {
	head, tail := a.around()
	dst = append(dst, head...)
	if text, ok := a.data.(literal); ok {
		dst = append(dst, text...)
	}
	return append(dst, tail...)
}

func (a *answer) send(ctx context.Context, w http.ResponseWriter) error {
	head, tail := a.around()
	size, contentType := len(head)+len(tail), jsonType
	if a.data != nil {
		size += int(a.data.size())
	}
	if a.callback != "" {
		contentType = javascriptType
	}
	setHead(w, contentType, int64(size))
	w.WriteHeader(a.status)
	io.WriteString(w, head)
	if a.data != nil {
		if err := a.data.writeTo(ctx, w); err != nil {
			return err
		}
	}
	return toCaller(w, []byte(tail))
}
