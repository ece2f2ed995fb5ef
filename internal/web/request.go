package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// announced is how much of an announced body is made room for before it comes.
const announced = 64 << 10

// readBody returns the body of r, the caller's, of at most max bytes; limit names what max is.
func readBody(w http.ResponseWriter, r *http.Request, limit string, max int) ([]byte, error) {
	if r.ContentLength > int64(max) {
		w.Header().Set("Connection", "close") // rather than read what is refused
		return nil, errLarge(limit, max)
	}
	b, err := readAll(http.MaxBytesReader(w, r.Body, int64(max)), r.ContentLength)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, errLarge(limit, max)
	}
	if err != nil {
		return nil, errBody("the body ended early: %v", err)
	}
	return b, nil
}

// readAll reads body to its end, into just its size if that was announced and is small.
func readAll(body io.Reader, size int64) ([]byte, error) {
	if size < 0 || size > announced {
		return io.ReadAll(body)
	}
	b := make([]byte, size)
	_, err := io.ReadFull(body, b)
	return b, err
}

// plain refuses a body that is encoded: it would be taken as it is.
func plain(r *http.Request) error {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return &problem{
			Status: http.StatusUnsupportedMediaType, Code: "encoding",
			Message: fmt.Sprintf("Content-Encoding %q is not taken; send the body as it is", e),
		}
	}
	return nil
}

// parseJSON reads body, which must be exactly one JSON value of v's shape, into v.
func parseJSON(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if shape := (*json.UnmarshalTypeError)(nil); errors.As(err, &shape) {
		return errBody("%s cannot be %s", cmp.Or(shape.Field, "the body"), shape.Value)
	}
	if err != nil {
		return errBody("the body is not the JSON of this path: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return errBody("the body has more than one JSON value; send one")
	}
	return nil
}

// query returns the parameters of r, each of which must be known; what may stand more than
// once ends in "*" in known.
func query(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errParameter("the query cannot be read; percent-encode its values")
	}
	for name, values := range q {
		switch {
		case slices.Contains(known, name+"*"):
		case !slices.Contains(known, name):
			return nil, errParameter("unknown parameter %q", name)
		case len(values) > 1:
			return nil, errParameter("parameter %q is given %d times; give it once", name, len(values))
		}
	}
	return q, nil
}

// parseExpire reads seconds as an unsigned 32-bit decimal.
func parseExpire(s string) (time.Duration, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, errParameter("expire is a number of seconds from 0 to 4294967295")
	}
	return time.Duration(n) * time.Second, nil
}
