package config

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// minClusterSecret is the least length of the secret of a cluster: who listens to two nodes can try secrets out.
const minClusterSecret = 16

// maxClusterWeight is the greatest weight of a node, as of cluster.weight.
const maxClusterWeight = 1000

// checkRedis finds what is missing for the shared store.
func (c *Config) checkRedis(add func(name, text string)) {
	if c.Store == "redis" && len(c.RedisAddress) == 0 {
		add("redis.address", "missing: store = redis needs the HOST:PORT of a Redis server, of some of a Redis Cluster, or of Sentinels (then with redis.sentinel_master)")
	}
	if c.Store != "redis" && len(c.RedisAddress) > 0 && c.ClusterRegistry == "" {
		add("redis.address", "is given, and store = "+c.Store+": nothing would be kept in that Redis; set store = redis, or leave it out")
	}
	checkHostPorts("redis.address", c.RedisAddress, add)
	if strings.ContainsAny(c.RedisPrefix, "{}") {
		add("redis.prefix", "must have no { and no }: they say where a Redis Cluster keeps a key")
	}
}

// checkCluster finds what would keep a node from being one of several. docs/design.md, "Cluster".
func (c *Config) checkCluster(add func(name, text string)) {
	checkHostPorts("advertise_admin", c.AdvertiseAdmin, add)
	c.checkLegacyRPC(add)
	if c.ClusterRegistry == "" {
		return
	}
	checkRegistry(c.ClusterRegistry, c.Node, add)
	c.checkRegistryAccess(add)
	if c.Store == "pebble" || c.Store == "memory" {
		add("store", "nodes of a cluster share one store, and this one is of one node: set store = redis and redis.address, or leave cluster.registry out")
	}
	switch {
	case c.ClusterSecret == "":
		add("cluster.secret", "missing: nodes show it each other; set cluster.secret or cluster.secret_file to the same 16 bytes or more on all")
	case len(c.ClusterSecret) < minClusterSecret:
		add("cluster.secret", "must be 16 bytes or more")
	}
	c.checkReach(add)
}

// checkReach finds out whether others can reach this node.
func (c *Config) checkReach(add func(name, text string)) {
	if len(c.Admin) == 0 {
		add("admin", "missing: other nodes of a cluster connect to an admin address")
	}
	for _, a := range c.Admin {
		if len(c.AdvertiseAdmin) > 0 {
			break
		}
		if a.everywhere() {
			add("advertise_admin", "missing: admin = "+a.HostPort+" does not say where other nodes reach this one; set advertise_admin = HOST:PORT")
		}
		if a.TLS() && !c.ClusterTLS {
			add("cluster.tls", "must be true: admin = "+a.HostPort+" speaks TLS, and nodes that are set up as this one would not")
		}
		if !a.TLS() && c.ClusterTLS {
			add("admin", "must have ?tls_cert=FILE&tls_key=FILE behind "+a.HostPort+": with cluster.tls = true nodes speak TLS with each other, and this one would not answer; or set advertise_admin to where it does")
		}
	}
	c.checkTLSCA(add)
	c.checkTLSCert(add)
	if strings.ContainsAny(c.Node, "/,=*") || strings.ContainsFunc(c.Node, func(r rune) bool { return r <= ' ' }) {
		add("node", "the name of a node in a cluster must have no blank and none of / , = *")
	}
}

// checkTLSCA finds out whether there is who signed, and somebody asks.
func (c *Config) checkTLSCA(add func(name, text string)) {
	if c.ClusterTLSCA == "" {
		return
	}
	if !c.ClusterTLS {
		add("cluster.tls_ca", "is given, and cluster.tls = false: nodes would be dialled without TLS; set cluster.tls = true, or leave it out")
		return
	}
	checkCertificates("cluster.tls_ca", c.ClusterTLSCA, add)
}

// checkCertificates finds out whether there are certificates in a file.
func checkCertificates(name, file string, add func(name, text string)) {
	pem, err := os.ReadFile(file)
	switch {
	case err != nil:
		add(name, err.Error())
	case !x509.NewCertPool().AppendCertsFromPEM(pem):
		add(name, "no certificate (PEM) is in "+file)
	}
}

// checkTLSCert finds out whether there is what this node shows others, where they ask for it.
func (c *Config) checkTLSCert(add func(name, text string)) {
	switch {
	case (c.ClusterTLSCert == "") != (c.ClusterTLSKey == ""):
		add("cluster.tls_cert", "and cluster.tls_key are given together or not at all")
	case c.ClusterTLSCert == "":
		for _, a := range c.Admin {
			if a.ClientCA != "" && c.ClusterTLS {
				add("cluster.tls_cert", "missing: admin = "+a.HostPort+" has tls_client_ca, and nodes that are set up as this one would have no certificate to show; set cluster.tls_cert and cluster.tls_key")
			}
		}
	case !c.ClusterTLS:
		add("cluster.tls_cert", "is given, and cluster.tls = false: nodes would be dialled without TLS; set cluster.tls = true, or leave it out")
	default:
		if _, err := tls.LoadX509KeyPair(c.ClusterTLSCert, c.ClusterTLSKey); err != nil {
			add("cluster.tls_cert", err.Error())
		}
	}
}

// checkLegacyRPC finds out whether whoever is to call may.
func (c *Config) checkLegacyRPC(add func(name, text string)) {
	if c.LegacyRPC != "on" || len(c.TrustedNetworks) > 0 {
		return
	}
	for _, a := range c.Admin {
		if !a.Loopback() {
			add("trusted_networks", "missing: legacy_rpc = on answers loopback and trusted_networks only, and admin = "+a.HostPort+" is beyond loopback; name the networks of the web processes")
		}
	}
}

// checkRegistryAccess finds credentials and certificates for a registry that cannot be used.
func (c *Config) checkRegistryAccess(add func(name, text string)) {
	if c.RegistryUsername == "" && c.RegistryPassword != "" {
		add("cluster.registry_username", "missing: cluster.registry_password is the password of a user")
	}
	if c.RegistryUsername != "" && c.RegistryPassword == "" {
		add("cluster.registry_password", "missing: cluster.registry_username has one; set it or cluster.registry_password_file")
	}
	if strings.Contains(c.RegistryUsername, ":") {
		add("cluster.registry_username", "must have no colon")
	}
	if strings.HasPrefix(c.ClusterRegistry, "static:") && (c.RegistryUsername != "" || c.RegistryTLS) {
		add("cluster.registry", "is a list of nodes, which has no server: leave cluster.registry_username and cluster.registry_tls out")
	}
	if !c.RegistryTLS && c.RegistryTLSCA+c.RegistryTLSCert+c.RegistryTLSKey != "" {
		add("cluster.registry_tls", "must be true: with certificates the registry is spoken to with TLS")
		return
	}
	if (c.RegistryTLSCert == "") != (c.RegistryTLSKey == "") {
		add("cluster.registry_tls_key", "cluster.registry_tls_cert and cluster.registry_tls_key are given together or not at all")
	} else if c.RegistryTLSCert != "" {
		if _, err := tls.LoadX509KeyPair(c.RegistryTLSCert, c.RegistryTLSKey); err != nil {
			add("cluster.registry_tls_cert", err.Error())
		}
	}
	if c.RegistryTLSCA != "" {
		checkCertificates("cluster.registry_tls_ca", c.RegistryTLSCA, add)
	}
}

// checkRegistry finds out whether url is one of a registry; what it names is seen when the node starts.
func checkRegistry(url, node string, add func(name, text string)) {
	const forms = "must be zookeeper://HOST:PORT,...[/PREFIX], etcd://HOST:PORT,...[/PREFIX] or static:NAME=HOST:PORT[*WEIGHT],..."
	if list, ok := strings.CutPrefix(url, "static:"); ok {
		checkStatic(list, node, add)
		return
	}
	scheme, rest, ok := strings.Cut(url, "://")
	hosts, _, _ := strings.Cut(rest, "/")
	if !ok || scheme != "zookeeper" && scheme != "etcd" {
		add("cluster.registry", forms)
		return
	}
	if strings.Contains(hosts, "@") {
		add("cluster.registry", "must name no user: that is cluster.registry_username, and its password cluster.registry_password")
		return
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if !dialable(host) {
			add("cluster.registry", forms)
			return
		}
	}
}

// checkStatic finds out whether a list names each node once, and this one.
func checkStatic(list, node string, add func(name, text string)) {
	seen, at := map[string]bool{}, map[string]string{}
	for element := range strings.SplitSeq(list, ",") {
		name, addr, _ := strings.Cut(element, "=")
		addr, weight, weighted := strings.Cut(addr, "*")
		switch {
		case name == "" || !dialable(addr) || weighted && !isNumber(weight, maxClusterWeight):
			add("cluster.registry", "each node must be NAME=HOST:PORT, its admin address, perhaps with its weight, 1 to 1000, as static:a=10.0.0.1:6970,b=10.0.0.2:6970*2")
			return
		case seen[name]:
			add("cluster.registry", "the node "+name+" is given twice")
			return
		case at[addr] != "":
			add("cluster.registry", "the nodes "+at[addr]+" and "+name+" have one address, "+addr)
			return
		}
		seen[name], at[addr] = true, name
	}
	if node != "" && !seen[node] {
		add("cluster.registry", "must name this node too: node = "+node)
	}
}

// dialable tells whether addr is HOST:PORT with a port that can be dialled.
func dialable(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	return err == nil && host != "" && isNumber(port, 65535)
}

// isNumber tells whether text is a number from 1 to most.
func isNumber(text string, most int) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= most
}

// everywhere tells whether the address is every one of the machine, so none that others can be told.
func (a Address) everywhere() bool {
	host, _, err := net.SplitHostPort(a.HostPort)
	if err != nil || host == "" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsUnspecified()
}
