package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"gopush/internal/auth"
	"gopush/internal/message"
	"gopush/internal/wire/proxy"
)

// problem is what a request, or an item of it, is refused with.
type problem struct {
	Status  int               `json:"-"`
	Code    string            `json:"code"`    // for programs; the label of the metric
	Message string            `json:"message"` // what is wrong and what to do
	header  map[string]string // what goes with the status
}

func (p *problem) Error() string { return p.Message }

var (
	errNotFound = &problem{Status: http.StatusNotFound, Code: "not_found", Message: "no such path here; a slash in a key is written %2F"}

	errNoKey    = unauthorized("api_key_missing", "this listener needs an API key: send it as Authorization: Bearer SECRET or X-API-Key: SECRET (setting api_keys)")
	errWrongKey = unauthorized("api_key_wrong", "this API key is not one of the setting api_keys")

	errHost = &problem{Status: http.StatusForbidden, Code: "host", Message: "this loopback listener was asked under a name that is not a loopback one; add the name to the setting allowed_hosts"}
	// errGone is that of a caller who has closed before it had the whole answer: nobody is told.
	errGone = &problem{Status: http.StatusBadRequest, Code: "gone", Message: "the caller closed the connection before the end of the answer"}

	errOrigin   = &problem{Status: http.StatusForbidden, Code: "origin", Message: "a web page asked, from an origin that is not allowed; add the origin to the setting admin_origins"}
	errProxied  = unauthorized("api_key_missing", "a proxy that is not in trusted_proxies forwarded this request for somebody: send an API key as Authorization: Bearer SECRET or X-API-Key: SECRET (setting api_keys), or name the proxy in the setting trusted_proxies")
	errDisagree = &problem{Status: http.StatusBadRequest, Code: "forwarded", Message: proxy.ErrDisagree.Error()}
)

func unauthorized(code, text string) *problem {
	return &problem{Status: http.StatusUnauthorized, Code: code, Message: text, header: map[string]string{"WWW-Authenticate": `Bearer realm="gopush"`}}
}

func errParameter(format string, args ...any) *problem {
	return &problem{Status: http.StatusBadRequest, Code: "bad_parameter", Message: fmt.Sprintf(format, args...)}
}

func errBody(format string, args ...any) *problem {
	return &problem{Status: http.StatusBadRequest, Code: "bad_body", Message: fmt.Sprintf(format, args...)}
}

func errLarge(limit string, most int) *problem {
	return &problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Message: fmt.Sprintf("the body is larger than %d bytes, %s", most, limit)}
}

// problemOf returns how err looks to the caller of a path.
func problemOf(err error) *problem {
	if p := (*problem)(nil); errors.As(err, &p) {
		return p
	}
	p := &problem{Message: err.Error()}
	switch {
	case errors.Is(err, message.ErrKey):
		p.Status, p.Code = http.StatusBadRequest, "bad_key"
	case errors.Is(err, message.ErrIdemKey):
		p.Status, p.Code = http.StatusBadRequest, "bad_idempotency_key"
	case errors.Is(err, auth.ErrRegister):
		p.Status, p.Code = http.StatusBadRequest, "bad_token"
	case errors.Is(err, message.ErrToken), errors.Is(err, message.ErrUnknownKey):
		p.Status, p.Code = http.StatusForbidden, "token"
	case errors.Is(err, message.ErrTooLarge):
		p.Status, p.Code = http.StatusRequestEntityTooLarge, "too_large"
	case errors.Is(err, message.ErrSkipped):
		p.Status, p.Code = http.StatusConflict, "skipped"
		p.Message = "an earlier message of this call to the same key failed; send both again"
	case errors.Is(err, message.ErrUnavailable):
		p.Status, p.Code = http.StatusServiceUnavailable, "unavailable"
		p.Message += "; nothing was stored, try again later"
		p.header = map[string]string{"Retry-After": "1"}
	case errors.Is(err, message.ErrUnknown), errors.Is(err, context.DeadlineExceeded):
		p.Status, p.Code = http.StatusGatewayTimeout, "unknown"
		p.Message += "; it may or may not have been done"
	default:
		p.Status, p.Code, p.Message = http.StatusInternalServerError, "internal", "internal error; the log of the node has it"
	}
	return p
}

// refuse answers err in the JSON of the v1 API.
func (l *listener) refuse(w http.ResponseWriter, r *http.Request, err error) {
	body, head := l.refusal(nil, r.Pattern, err)
	head.send(w, body)
}

// refusal appends the body that answers err on a path of the v1 API.
func (l *listener) refusal(dst []byte, route string, err error) ([]byte, reply) {
	p := l.note(route, err)
	body := encode(map[string]*problem{"error": p}, "")
	return append(dst, body...), reply{status: p.Status, contentType: jsonV1, header: p.header}
}

// note counts err, logs it if it is ours, and returns how it looks to the caller.
func (l *listener) note(route string, err error) *problem {
	p := problemOf(err)
	l.cfg.Metrics.refused.WithLabelValues(p.Code).Inc()
	if p.Status == http.StatusInternalServerError {
		l.cfg.Log.Error("http request", "route", route, "err", err)
	} else {
		l.cfg.Log.Debug("http request refused", "route", route, "reason", p.Code)
	}
	return p
}

// jsonV1 is the type of all answers of the v1 API.
const jsonV1 = "application/json"

// sendJSON answers v as JSON of the v1 API.
func sendJSON(w http.ResponseWriter, status int, v any) {
	send(w, status, jsonV1, encode(v, ""))
}

// encode returns v as JSON without a final newline and without needless escapes.
func encode(v any, indent string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		panic(err) // an answer of ours that is not JSON
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
