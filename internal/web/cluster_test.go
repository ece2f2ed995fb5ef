package web_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"gopush/internal/web"
)

// cluster is one of n1, which answers, and n2. n1 owns k1, n2 owns k2; nobody owns what else there is.
type cluster struct {
	view web.ClusterView
	ends bool // the context of the last View had an end within two seconds
}

func (c *cluster) View(ctx context.Context) web.ClusterView {
	end, ok := ctx.Deadline()
	c.ends = ok && time.Until(end) <= 2*time.Second
	return c.view
}

func (c *cluster) Owner(key string) (string, web.ClusterMember, bool) {
	switch key {
	case "k1":
		return "n1", web.ClusterMember{Self: true, Admin: []string{"10.0.0.1:6970"}}, true
	case "k2":
		return "n2", web.ClusterMember{Admin: []string{"10.0.0.2:6970"}, TCP: []string{"10.0.0.2:6969"}, WS: []string{"push:80", "10.0.0.2:6969"}}, true
	}
	return "", web.ClusterMember{}, false
}

func TestCluster(t *testing.T) {
	t.Parallel()
	n := newNode()
	c := &cluster{view: web.ClusterView{
		Self: "n1", Relay: true, RingChanges: 3, Registry: web.ClusterRegistry{Kind: "zookeeper", Error: "not since 12:00:00: connection refused"},
		Nodes: []web.ClusterNode{
			{Name: "n1", Weight: 1, Share: 0.5, ClusterMember: web.ClusterMember{Self: true, Admin: []string{"10.0.0.1:6970"}}, ClusterCounts: &web.ClusterCounts{Connections: 4, Subscriptions: 3, Keys: 2}},
			{Name: "n2", Weight: 2, Share: 0.25, Link: &web.ClusterLink{Up: true, Follows: 2, LagSeconds: 0.0012}, ClusterCounts: &web.ClusterCounts{Relays: 1}},
			{Name: "n3", Weight: 1, Share: 0.25, Link: &web.ClusterLink{Error: "dial: refused"}},
		},
	}}
	n.Cluster = c
	w := ask(web.Admin(n.Config, loopback), "GET", "/v1/cluster", "")
	wantAnswer(t, w, "GET /v1/cluster", http.StatusOK, `{"self":"n1","relay":true,"ring_changes":3,`+
		`"registry":{"kind":"zookeeper","healthy":false,"error":"not since 12:00:00: connection refused"},"nodes":[`+
		`{"name":"n1","weight":1,"share":0.5,"self":true,"admin":["10.0.0.1:6970"],"tcp":[],"ws":[],"connections":4,"subscriptions":3,"keys":2,"relays":0},`+
		`{"name":"n2","weight":2,"share":0.25,"self":false,"admin":[],"tcp":[],"ws":[],"connections":0,"subscriptions":0,"keys":0,"relays":1,`+
		`"link":{"up":true,"follows":2,"lag_seconds":0.0012}},`+
		`{"name":"n3","weight":1,"share":0.25,"self":false,"admin":[],"tcp":[],"ws":[],"link":{"up":false,"error":"dial: refused","follows":0,"lag_seconds":0}}]}`)
	if !c.ends {
		t.Error("GET /v1/cluster gave the other nodes more than two seconds")
	}
	if c.view.Nodes[1].Admin != nil {
		t.Error("GET /v1/cluster changed what View returned")
	}
}

func TestClusterWithoutNodes(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.Cluster = &cluster{view: web.ClusterView{Self: "n1", Registry: web.ClusterRegistry{Kind: "etcd", Healthy: true}}}
	w := ask(web.Admin(n.Config, loopback), "GET", "/v1/cluster", "")
	wantAnswer(t, w, "GET /v1/cluster", http.StatusOK, `{"self":"n1","relay":false,"ring_changes":0,"registry":{"kind":"etcd","healthy":true},"nodes":[]}`)
}

func TestOwner(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.Cluster = &cluster{}
	h := web.Admin(n.Config, loopback)
	for target, want := range map[string]string{
		"/v1/cluster/owner?key=k1": `{"key":"k1","node":"n1","self":true,"admin":["10.0.0.1:6970"],"tcp":[],"ws":[]}`,
		"/v1/cluster/owner?key=k2": `{"key":"k2","node":"n2","self":false,"admin":["10.0.0.2:6970"],"tcp":["10.0.0.2:6969"],"ws":["push:80","10.0.0.2:6969"]}`,
	} {
		wantAnswer(t, ask(h, "GET", target, ""), "GET "+target, http.StatusOK, want)
	}
	for target, code := range map[string]string{
		"/v1/cluster/owner": "bad_key",
		"/v1/cluster/owner?key=" + url.QueryEscape("a\n"): "bad_key",
		"/v1/cluster/owner?k=k1":                          "bad_parameter",
		"/v1/cluster/owner?key=k1&key=k2":                 "bad_parameter",
		"/v1/cluster?x=1":                                 "bad_parameter",
	} {
		wantProblem(t, ask(h, "GET", target, ""), "GET "+target, http.StatusBadRequest, code)
	}
	w := ask(h, "GET", "/v1/cluster/owner?key=k3", "")
	wantProblem(t, w, "GET of a key without an owner", http.StatusServiceUnavailable, "no_node", "none has joined")
}

func TestNodeInNoClusterSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	h := web.Admin(newNode().Config, loopback)
	for _, target := range []string{"/v1/cluster", "/v1/cluster/owner?key=k1"} {
		wantProblem(t, ask(h, "GET", target, ""), "GET "+target, http.StatusNotFound, "no_cluster", "cluster.registry")
	}
}

func TestClusterNeedsAnAPIKeyAndIsNotPublic(t *testing.T) {
	t.Parallel()
	n := newNode().withKeys()
	n.Cluster = &cluster{}
	for _, target := range []string{"/v1/cluster", "/v1/cluster/owner?key=k1"} {
		wantProblem(t, ask(web.Admin(n.Config, web.Trust{}), "GET", target, ""), "GET "+target+" without a key", http.StatusUnauthorized, "api_key_missing")
		wantProblem(t, ask(web.Public(n.Config), "GET", target, ""), "GET "+target+" on a public listener", http.StatusNotFound, "not_found")
		wantProblem(t, ask(web.Admin(n.Config, loopback), "POST", target, ""), "POST "+target, http.StatusMethodNotAllowed, "method")
	}
}

// TestServerGetAnswersTheOwner: the addresses are those for the key, and where there are none ret is 1001.
func TestServerGetAnswersTheOwner(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.Addresses = func(key string, p web.Protocol) []string {
		switch {
		case key == "k2" && p == web.TCP:
			return []string{"10.0.0.2:6969", "10.0.0.3:6969"}
		case key == "a b":
			return []string{"10.0.0.1:8090"}
		}
		return nil
	}
	h := web.Public(n.Config)
	for target, want := range map[string]string{
		"/1/server/get?k=k2&p=2":       `{"data":{"server":"10.0.0.2:6969"},"ret":0}`,
		"/2/server/get?k=k2&p=2":       `{"data":{"server":["10.0.0.2:6969","10.0.0.3:6969"]},"ret":0}`,
		"/2/server/get?k=a%20b&p=1":    `{"data":{"server":["10.0.0.1:8090"]},"ret":0}`,
		"/server/get?key=k2&proto=2":   `{"data":{"server":"10.0.0.2:6969"},"msg":"ok","ret":0}`,
		"/1/server/get?k=k2&p=1":       `{"ret":1001}`,
		"/2/server/get?k=k3&p=2":       `{"ret":1001}`,
		"/server/get?key=k3&proto=2":   `{"msg":"ok","ret":1001}`,
		"/1/server/get?k=k3&p=2&cb=f":  `f({"ret":1001})`,
		"/1/server/get?k=k2&p=9":       `{"ret":65534}`,
		"/1/server/get?k=&p=2":         `{"ret":65534}`,
		"/1/server/get?k=a%0Ab%20&p=2": `{"ret":65534}`,
	} {
		wantAnswer(t, ask(h, "GET", target, ""), "GET "+target, http.StatusOK, want)
	}
}
