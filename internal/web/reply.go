package web

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// reply is the head of an answer whose body is there.
type reply struct {
	status      int
	contentType string
	header      map[string]string // besides what every answer has; nil: nothing
}

// send answers body over net/http. Old clients refuse an answer without its length.
func (p *reply) send(w http.ResponseWriter, body []byte) {
	for name, value := range p.header {
		w.Header().Set(name, value)
	}
	setHead(w, p.contentType, int64(len(body)))
	w.WriteHeader(p.status)
	w.Write(body)
}

// insert puts the head before the body, which is all of dst from start on, as net/http would send it.
// last: the connection is closed behind it.
func (p *reply) insert(dst []byte, start int, date string, last bool) []byte {
	var room [512]byte
	h := append(room[:0], "HTTP/1.1 "...)
	h = strconv.AppendInt(h, int64(p.status), 10)
	h = append(h, ' ')
	h = append(h, http.StatusText(p.status)...)
	h = append(h, "\r\nCache-Control: no-store\r\nContent-Length: "...)
	h = strconv.AppendInt(h, int64(len(dst)-start), 10)
	h = append(h, "\r\nContent-Type: "...)
	h = append(h, p.contentType...)
	if p.header != nil {
		h = p.appendHeader(h)
	}
	h = append(h, "\r\nX-Content-Type-Options: nosniff\r\nDate: "...)
	h = append(h, date...)
	if last {
		h = append(h, "\r\nConnection: close"...)
	}
	h = append(h, "\r\n\r\n"...)
	return slices.Insert(dst, start, h...)
}

// appendHeader appends what not every answer has. Nothing of it that a push is answered with sorts elsewhere.
func (p *reply) appendHeader(dst []byte) []byte {
	for _, name := range slices.Sorted(maps.Keys(p.header)) {
		dst = append(dst, "\r\n"...)
		dst = append(dst, name...)
		dst = append(dst, ": "...)
		dst = append(dst, p.header[name]...)
	}
	return dst
}

// send answers body whole.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	p := reply{status: status, contentType: contentType}
	p.send(w, body)
}

func setHead(w http.ResponseWriter, contentType string, size int64) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// dates keeps the Date of answers for the second that it holds for.
type dates struct{ current atomic.Pointer[date] }

type date struct {
	second int64
	text   string
}

func (d *dates) at(now time.Time) string {
	if p := d.current.Load(); p != nil && p.second == now.Unix() {
		return p.text
	}
	p := &date{second: now.Unix(), text: now.UTC().Format(http.TimeFormat)}
	d.current.Store(p)
	return p.text
}
