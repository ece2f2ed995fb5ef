package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/config"
)

// member are the settings of a node that may be one of a cluster.
var member = []string{"--store=redis", "--redis.address=127.0.0.1:6379", "--cluster.registry=etcd://127.0.0.1:2379", "--cluster.secret=0123456789abcdef"}

func TestSettingsOfAPartComeFromEverySource(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, file string
		environ    []string
		args       []string
		want       int
	}{
		{"default", "", nil, nil, 1},
		{"a line", "cluster.weight = 2", nil, nil, 2},
		{"a table", "loops = 1\n[cluster]\nweight = 3", nil, nil, 3},
		{"an inline table", "cluster = { weight = 3 }", nil, nil, 3},
		{"two tables", "[redis]\ntls = true\n[cluster]\nweight = 4", nil, nil, 4},
		{"a variable over a table", "[cluster]\nweight = 3", []string{"GOPUSH_CLUSTER_WEIGHT=5"}, nil, 5},
		{"a flag over a variable", "", []string{"GOPUSH_CLUSTER_WEIGHT=5"}, []string{"--cluster.weight=6"}, 6},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c, err := config.Load(append([]string{"--config", write(t, "gopush.toml", row.file)}, row.args...), row.environ)
			if err != nil || c.ClusterWeight != row.want {
				t.Errorf("file %q, environment %q, flags %q: cluster.weight = %d, %v; want %d", row.file, row.environ, row.args, c.ClusterWeight, err, row.want)
			}
		})
	}
}

// TestWhatKeepsANodeFromAClusterIsTold has a row for each rule: the setting by name, and what to do.
func TestWhatKeepsANodeFromAClusterIsTold(t *testing.T) {
	t.Parallel()
	peers := certificate(t)
	peers += "&tls_client_ca=" + file(peers)
	for _, row := range []struct {
		name string
		args []string // behind those of member
		want string
	}{
		{"embedded store", []string{"--store=pebble"}, `store = "pebble" (--store): nodes of a cluster share one store, and this one is of one node: set store = redis and redis.address`},
		{"store in memory", []string{"--store=memory"}, `store = "memory" (--store): nodes of a cluster share one store`},
		{"no secret", []string{"--cluster.secret="}, "cluster.secret (--cluster.secret): missing: nodes show it each other; set cluster.secret or cluster.secret_file"},
		{"short secret", []string{"--cluster.secret=fifteen-bytes.."}, `cluster.secret = "***" (--cluster.secret): must be 16 bytes or more`},
		{"secret twice", []string{"--cluster.secret-file=/no/file"}, "cluster.secret (--cluster.secret): is given, and so is cluster.secret_file"},
		{"no file of a password", []string{"--redis.password-file=/no/file"}, "redis.password (redis.password_file): open /no/file"},
		{"address without port", []string{"--redis.address=redis"}, `redis.address = ["127.0.0.1:6379", "redis"] (--redis.address): each must be HOST:PORT`},
		{"braces in the prefix", []string{"--redis.prefix={a}"}, "redis.prefix"},
		{"a user in the registry", []string{"--cluster.registry=etcd://root:hush@a:1"}, `cluster.registry = "etcd://***@a:1" (--cluster.registry): must name no user: that is cluster.registry_username`},
		{"a user without a password", []string{"--cluster.registry-username=a"}, "cluster.registry_password: missing: cluster.registry_username has one"},
		{"a password without a user", []string{"--cluster.registry-password=hush"}, "cluster.registry_username: missing"},
		{"a user of a list", []string{"--cluster.registry=static:a=h:1", "--node=a", "--cluster.registry-username=a", "--cluster.registry-password=hush"}, "is a list of nodes, which has no server"},
		{"certificates without TLS", []string{"--cluster.registry-tls-ca=ca.pem"}, "cluster.registry_tls: must be true"},
		{"half of a certificate", []string{"--cluster.registry-tls", "--cluster.registry-tls-cert=a"}, "cluster.registry_tls_key: cluster.registry_tls_cert and cluster.registry_tls_key are given together"},
		{"no certificate", []string{"--cluster.registry-tls", "--cluster.registry-tls-cert=/no/a", "--cluster.registry-tls-key=/no/b"}, "cluster.registry_tls_cert = \"/no/a\" (--cluster.registry-tls-cert): open /no/a"},
		{"unknown registry", []string{"--cluster.registry=consul://a:1"}, "cluster.registry = \"consul://a:1\" (--cluster.registry): must be zookeeper://"},
		{"registry without port", []string{"--cluster.registry=zookeeper://a,b:2181"}, "must be zookeeper://"},
		{"static without names", []string{"--cluster.registry=static:10.0.0.1:6970"}, "each node must be NAME=HOST:PORT"},
		{"static with a name twice", []string{"--cluster.registry=static:a=h:1,a=h:2"}, "the node a is given twice"},
		{"static without a weight", []string{"--cluster.registry=static:a=h:1*0"}, "its weight, 1 to 1000"},
		{"static with too much weight", []string{"--cluster.registry=static:a=h:1*1001"}, "its weight, 1 to 1000"},
		{"static without a port", []string{"--cluster.registry=static:a=h:0"}, "each node must be NAME=HOST:PORT"},
		{"static with an address twice", []string{"--cluster.registry=static:a=h:1,b=h:1*2"}, "the nodes a and b have one address, h:1"},
		{"registry with a port that is none", []string{"--cluster.registry=etcd://a:http"}, "must be zookeeper://"},
		{"TLS without certificates", []string{"--cluster.tls"}, "admin = [\"127.0.0.1:6970\"]: must have ?tls_cert=FILE"},
		{"who signs is nowhere", []string{"--cluster.tls", "--advertise-admin=a:1", "--cluster.tls-ca=/no/ca.pem"}, "cluster.tls_ca = \"/no/ca.pem\" (--cluster.tls-ca): open /no/ca.pem"},
		{"who signs is nobody", []string{"--cluster.tls", "--advertise-admin=a:1", "--cluster.tls-ca=cluster_test.go"}, "no certificate (PEM) is in cluster_test.go"},
		{"a certificate for others, without its key", []string{"--cluster.tls", "--advertise-admin=a:1", "--cluster.tls-cert=c.pem"}, "and cluster.tls_key are given together"},
		{"a certificate for others, without TLS", []string{"--cluster.tls-cert=c.pem", "--cluster.tls-key=k.pem"}, "cluster.tls_cert = \"c.pem\" (--cluster.tls-cert): is given, and cluster.tls = false"},
		{"a certificate for others is nowhere", []string{"--cluster.tls", "--advertise-admin=a:1", "--cluster.tls-cert=/no/c.pem", "--cluster.tls-key=/no/k.pem"}, "open /no/c.pem"},
		{"others ask for a certificate", []string{"--cluster.tls", "--advertise-admin=a:1", "--admin=127.0.0.1:6970" + peers}, "cluster.tls_cert: missing"},
		{"who signs, without TLS", []string{"--cluster.tls-ca=ca.pem"}, "cluster.tls_ca = \"ca.pem\" (--cluster.tls-ca): is given, and cluster.tls = false"},
		{"static without this node", []string{"--cluster.registry=static:a=h:1", "--node=b"}, "must name this node too: node = b"},
		{"weight", []string{"--cluster.weight=0"}, "cluster.weight (--cluster.weight): must be 1 or more"},
		{"no admin listener", []string{"--admin="}, "admin = [] (--admin): missing: other nodes"},
		{"admin everywhere", []string{"--admin=:6970", "--api-keys=a:12345678"}, "advertise_admin: missing: admin = :6970 does not say where"},
		{"admin everywhere, in six", []string{"--admin=[::]:6970", "--api-keys=a:12345678"}, "advertise_admin: missing: admin = [::]:6970 does not say where"},
		{"name with a slash", []string{"--node=a/b"}, `node = "a/b" (--node): the name of a node in a cluster`},
		{"net/rpc for nobody", []string{"--legacy-rpc=on", "--admin=10.0.0.1:6970", "--api-keys=a:12345678"}, "trusted_networks: missing: legacy_rpc = on"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(append(member[:len(member):len(member)], row.args...), nil)
			if got := fmt.Sprint(err); !strings.Contains(got, row.want) || strings.Count(got, "\n") > 1 {
				t.Errorf("%q:\n%s\nwant one line with\n  %s", row.args, got, row.want)
			}
		})
	}
}

func TestASharedStoreNeedsAnAddress(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{"--store=redis"}, nil)
	if want := "redis.address: missing: store = redis needs the HOST:PORT"; !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestAnAddressOfRedisNeedsTheStore(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{"--redis.address=a:6379"}, nil)
	if want := "redis.address = [\"a:6379\"] (--redis.address): is given, and store = pebble: nothing would be kept in that Redis; set store = redis"; !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestWhatMayBeInAClusterLoads(t *testing.T) {
	t.Parallel()
	pair := certificate(t)
	for _, args := range [][]string{
		nil,
		{"--cluster.registry=zookeeper://a:2181,b:2181/prefix"},
		{"--cluster.registry=static:a=10.0.0.1:6970*3,b=[::1]:6970", "--node=a"},
		{"--admin=:6970", "--api-keys=a:12345678", "--advertise-admin=10.0.0.1:6970", "--legacy-rpc=on", "--trusted-networks=10.0.0.0/8"},
		{"--cluster.tls", "--admin=127.0.0.1:6970" + pair},
		{"--cluster.tls", "--advertise-admin=push.example.com:6970"}, // behind a proxy that speaks TLS
		{"--redis.address=a:1", "--redis.address=b:1", "--redis.sentinel-master=m", "--redis.wait-replicas=1", "--relay=off"},
	} {
		if _, err := config.Load(append(member[:len(member):len(member)], args...), nil); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestUnknownLinesOfATableAreTold(t *testing.T) {
	t.Parallel()
	file := write(t, "gopush.toml", "[cluster]\nregistri = 'x'\n[cluster.weight]\na = 1\n[clutter]\nb = 1")
	_, err := config.Load([]string{"--config", file}, nil)
	want := `3 mistakes in the configuration:
  cluster.registri (FILE): no such setting; did you mean cluster.registry?
  cluster.weight (FILE): wants a string, a number, true or false, or a list of strings
  clutter (FILE): no such setting`
	if diff := cmp.Diff(want, strings.ReplaceAll(fmt.Sprint(err), file, "FILE")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSecretsMayBeInFiles(t *testing.T) {
	t.Parallel()
	c, err := config.Load([]string{"--cluster.secret-file", write(t, "cluster", "0123 456789abcdef\r\n"), "--redis.password-file", write(t, "redis", "pass word")}, nil)
	if err != nil || c.ClusterSecret != "0123 456789abcdef" || c.RedisPassword != "pass word" {
		t.Errorf("cluster.secret, redis.password = %q, %q, %v", string(c.ClusterSecret), string(c.RedisPassword), err)
	}
	for name, text := range map[string]string{"an empty file": "\n", "two lines": "hush-1\nhush-2\n"} {
		_, err := config.Load([]string{"--cluster.secret-file", write(t, "cluster", text)}, nil)
		if got := fmt.Sprint(err); !strings.Contains(got, "must hold one line, the secret") || strings.Contains(got, "hush") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsOfAClusterAreNeverTold(t *testing.T) {
	t.Parallel()
	c, err := config.Load(append(member[:len(member):len(member)], "--cluster.secret=hush-hush-hush-hush", "--redis.password=hush",
		"--cluster.registry-username=a", "--cluster.registry-password=hush"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, short := config.Load(append(member[:len(member):len(member)], "--cluster.secret=hush"), nil)
	for what, told := range map[string]string{
		"TOML": c.TOML(), "Map": fmt.Sprint(c.Map()), "%v": fmt.Sprintf("%v", c), "%#v": fmt.Sprintf("%#v", c), "a short one": fmt.Sprint(short),
	} {
		if strings.Contains(told, "hush") {
			t.Errorf("%s tells a secret: %s", what, told)
		}
	}
	if want := "cluster.secret = \"***\""; !strings.Contains(c.TOML(), want) {
		t.Errorf("TOML has no line %s:\n%s", want, c.TOML())
	}
}
