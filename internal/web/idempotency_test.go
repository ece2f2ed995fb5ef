package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gopush/internal/web"
)

func TestARepeatedPushIsAnsweredAsTheFirst(t *testing.T) {
	t.Parallel()
	const first, again = `{"id":"1767225600000-0","stored":true,"subscribers":3}`, `{"id":"1767225600000-0","stored":true,"subscribers":0,"duplicate":true}`
	n := newNode()
	h := web.Admin(n.Config, loopback)
	for i, row := range []struct{ target, header, want, replayed string }{
		{"/v1/push/k", "Idempotency-Key: a b", first, ""},
		{"/v1/push/k", "Idempotency-Key: a b", again, "true"},
		{"/v1/push/k", `Idempotency-Key: "a b"`, again, "true"},
		{"/v1/push/k?expire=1", "Idempotency-Key: a b", again, "true"},
		{"/1/admin/push/private?key=k&expire=1", "Idempotency-Key: a b", `{"ret":0}`, "true"},
		{"/admin/push?key=k&expire=1", "Idempotency-Key: a c", `{"ret":0}`, ""},
	} {
		w := ask(h, "POST", row.target, "1", row.header)
		what := fmt.Sprintf("request %d: POST %s with %s", i, row.target, row.header)
		wantAnswer(t, w, what, http.StatusOK, row.want)
		if got := w.Header().Get("Idempotent-Replayed"); got != row.replayed {
			t.Errorf("%s: Idempotent-Replayed %q, want %q", what, got, row.replayed)
		}
	}
	if got := len(n.keys.pushed); got != 2 {
		t.Errorf("%d pushes were carried out, want 2", got)
	}
}

func TestIdempotencyKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	const batch = `{"messages":[{"key":"k","payload":1,"idempotency_key":%s}]}`
	for _, row := range []struct{ target, header, body, want string }{
		{"/v1/push/k", "Idempotency-Key: ", "x", "it is empty"},
		{"/v1/push/k", `Idempotency-Key: ""`, "x", "it is empty"},
		{"/v1/push/k", "Idempotency-Key: " + long, "x", "it has 256 bytes"},
		{"/v1/push/k", "Idempotency-Key: \xff", "x", "it is UTF-8"},
		{"/v1/push/k?expire=0", "Idempotency-Key: a", "x", "live only"},
		{"/v1/push", "Idempotency-Key: ", `{"messages":[{"key":"k","payload":1}]}`, "it is empty"},
		{"/v1/push", "Idempotency-Key: " + long[1:], `{"messages":[{"key":"k","payload":1}]}`, "messages[0]: bad idempotency key: it has 257 bytes"},
		{"/v1/push", "Accept: x", fmt.Sprintf(batch, `""`), "messages[0]: bad idempotency key: it is empty"},
		{"/v1/push", "Accept: x", fmt.Sprintf(batch, `"\u0000"`), "messages[0]: bad idempotency key: it is UTF-8"},
		{"/v1/push", "Accept: x", fmt.Sprintf(batch, `"`+long+`"`), "messages[0]: bad idempotency key: it has 256 bytes"},
	} {
		n := newNode()
		w := ask(web.Admin(n.Config, loopback), "POST", row.target, row.body, row.header)
		wantProblem(t, w, row.target+" with "+row.header, http.StatusBadRequest, "bad_idempotency_key", row.want)
		if len(n.keys.pushed) > 0 {
			t.Errorf("%s with %s: pushed %v", row.target, row.header, n.keys.payloads())
		}
	}
	for _, target := range []string{"/1/admin/push/private?key=k&expire=0", "/1/admin/push/mprivate?expire=x"} {
		n := newNode()
		w := ask(web.Admin(n.Config, loopback), "POST", target, "1", "Idempotency-Key: a")
		wantAnswer(t, w, target, http.StatusOK, `{"ret":65534}`)
	}
	n := newNode()
	r := httptest.NewRequest("POST", "/v1/push/k", strings.NewReader("x"))
	r.Host, r.RemoteAddr, r.Header["Idempotency-Key"] = "127.0.0.1:6970", "127.0.0.1:5", []string{"a", "a"}
	w := httptest.NewRecorder()
	web.Admin(n.Config, loopback).ServeHTTP(w, r)
	wantProblem(t, w, "two of them", http.StatusBadRequest, "bad_idempotency_key", "given 2 times")
}

// The idempotency key of a call stands for each of its messages by its place, and for each of their keys.
func TestIdempotencyKeysOfBatches(t *testing.T) {
	t.Parallel()
	n := newNode()
	h := web.Admin(n.Config, loopback)
	const body = `{"messages":[{"keys":["a","b"],"payload":1},{"key":"a","payload":2},{"key":"a","payload":3,"idempotency_key":"own"},{"key":"a","payload":4,"expire":0}]}`
	ask(h, "POST", "/v1/push", body, "Idempotency-Key: call")
	w := ask(h, "POST", "/v1/push", body, "Idempotency-Key: call")
	var keys []string
	for _, p := range n.keys.pushed {
		keys = append(keys, p.Key+" "+string(p.IdemKey))
	}
	if got, want := strings.Join(keys, ", "), "a call#0, b call#0, a call#1, a own"; got != want {
		t.Errorf("pushed are %s, want %s", got, want)
	}
	const duplicate = `"stored":true,"subscribers":0,"duplicate":true}`
	want := `{"results":[{"key":"a","id":"1767225600000-0",` + duplicate + `,{"key":"b","id":"1767225600000-4",` + duplicate +
		`,{"key":"a","id":"1767225600000-8",` + duplicate + `,{"key":"a","id":"1767225600000-12",` + duplicate + `,{"key":"a","error":{"code":"bad_idempotency_key",`
	if got := w.Body.String(); !strings.HasPrefix(got, want) {
		t.Errorf("the repeated batch is answered %s, want %s…", got, want)
	}
}
