package client

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// maxHeadBytes bounds the answer to a question that has no long answer, head and all.
const maxHeadBytes = 64 << 10

// request makes a GET request for path below the address.
func (a address) request(path string) *http.Request {
	return &http.Request{Method: http.MethodGet, URL: a.base.JoinPath(path), Host: a.base.Host, Header: http.Header{}}
}

// exchange sends req over conn and reads the answer, whose body is read from rest. What rest
// has buffered after it was read from conn too.
func exchange(conn net.Conn, req *http.Request) (resp *http.Response, rest *bufio.Reader, err error) {
	if err := req.Write(conn); err != nil {
		return nil, nil, err
	}
	rest = bufio.NewReader(io.LimitReader(conn, maxHeadBytes))
	resp, err = http.ReadResponse(rest, req)
	return resp, rest, err
}
