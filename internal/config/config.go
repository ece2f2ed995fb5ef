// Package config is every setting of a node: one struct, from which the flags, the variables, the
// lines of the file, the check of their values, the example file and the printed configuration
// all come.
//
//	defaults < file (TOML) < environment (GOPUSH_…) < flags
//
// A setting some_name is the flag --some-name, the variable GOPUSH_SOME_NAME and the line
// some_name = … of the file; one of a part of the node, part.some_name, is --part.some-name,
// GOPUSH_PART_SOME_NAME and part.some_name = … or a line of the table [part]. The package knows nothing of what the settings do.
package config

import (
	"log/slog"
	"net/netip"
)

// Config holds every setting. Its tags say all that is known of one:
//
//	default   its value when nobody gives one
//	help      what it does, its unit, what the zero value means
//	oneof     the words it may be
//	min, max  its range, both included
//	group     where it stands in --help and in the example file
//	reload    "yes": SIGHUP applies it to a running node; "tls": only certificates may change
type Config struct {
	// Who may connect, and how. docs/design.md, "Listeners".
	Public        []Address `group:"listen" default:"127.0.0.1:6969" reload:"tls" help:"Where devices and browsers connect: HOST:PORT, or HOST:PORT?tls_cert=FILE&tls_key=FILE for TLS, and &tls_client_ca=FILE where peers must show a certificate that it signed; may be given several times."`
	Admin         []Address `group:"listen" default:"127.0.0.1:6970" reload:"tls" help:"Where backends push and manage keys; beyond loopback it needs api_keys."`
	Ops           []Address `group:"listen" default:"127.0.0.1:6971" reload:"tls" help:"Where operators look: /readyz, /metrics, /stat, /debug/pprof; beyond loopback it needs api_keys."`
	TLSMinVersion string    `group:"listen" name:"tls-min-version" default:"1.2" oneof:"1.2,1.3" help:"Oldest version of TLS that listeners speak. Certificates are read again when their files change."`
	Engine        string    `group:"listen" default:"auto" oneof:"auto,io_uring,epoll,net" help:"What carries connections: event loops that send in batches (io_uring, Linux) or one by one (epoll, Linux), a goroutine for each (net, any system), or the best there is (auto)."`
	Loops         int       `group:"listen" default:"0" min:"0" max:"64" help:"Event loops; 0: half of the cores, at least one."`
	Node          string    `group:"listen" placeholder:"NAME" help:"Name of this node; empty: the name of the host."`
	AdvertiseTCP  []string  `group:"listen" name:"advertise-tcp" placeholder:"HOST:PORT" help:"What /1/server/get tells TCP clients to connect to; none: the public addresses. In a cluster, so do the other nodes; then 0.0.0.0 and [::] are told as the host of advertise_admin."`
	AdvertiseWS   []string  `group:"listen" name:"advertise-ws" placeholder:"HOST:PORT" help:"What /1/server/get tells WebSocket clients to connect to; none: as advertise_tcp."`

	// Who may do what.
	Auth              string         `group:"access" default:"none" oneof:"none,token" help:"What a subscriber must show: none, or a token registered for its key."`
	APIKeys           []APIKey       `group:"access" name:"api-keys" reload:"yes" placeholder:"NAME:SECRET" help:"Keys of backends and operators, as NAME:SECRET; may be given several times."`
	APIKeysFile       string         `group:"access" name:"api-keys-file" reload:"yes" placeholder:"FILE" help:"File with more API keys, one NAME:SECRET a line; # begins a comment."`
	PublicWithoutAuth bool           `group:"access" help:"Says that a public listener beyond loopback with auth = none is meant: then anyone who reaches it may subscribe to any key."`
	LegacyHistory     string         `group:"access" default:"token" oneof:"token,open" help:"With auth = token: whether /1/msg/get needs the token too (token), or not (open)."`
	AllowedHosts      []string       `group:"access" placeholder:"HOST" help:"Host names, besides localhost and IP addresses, under which a loopback admin or ops listener may be asked."`
	AllowedOrigins    []string       `group:"access" placeholder:"ORIGIN" help:"Origins whose pages may subscribe on a public listener, as https://example.com; none: any origin."`
	AdminOrigins      []string       `group:"access" placeholder:"ORIGIN" help:"Origins whose pages may ask an admin or ops listener without an API key, where a program may; none: no foreign one."`
	TrustedNetworks   []netip.Prefix `group:"access" placeholder:"CIDR" help:"Networks from which the legacy admin paths need no API key, as 10.0.0.0/8."`
	TrustedProxies    []netip.Prefix `group:"access" reload:"yes" placeholder:"CIDR" help:"Networks of proxies and balancers, as 10.0.0.5/32, of which it is believed whom they forward: by the PROXY protocol (1 and 2) on any listener, by X-Forwarded-For or Forwarded over HTTP and WebSocket."`
	ProxyProtocol     string         `group:"access" default:"optional" oneof:"optional,required" reload:"yes" help:"Whether connections from trusted_proxies must begin with a header of the PROXY protocol (required), or may (optional). Where a proxy passes on what strangers send and writes no header itself, leave it out of trusted_proxies. With required, and a proxy on this machine, give that an address of its own, as 127.0.0.2: programs of the machine write none, and would be closed on admin and ops too."`

	// Where messages are kept.
	Data          string   `group:"store" default:"./gopush-data" help:"Directory of the embedded store; made if absent."`
	Store         string   `group:"store" default:"pebble" oneof:"pebble,memory,redis" help:"Where messages for absent devices are kept: pebble (on disk, survives kill -9), memory (lost at exit), redis (shared by the nodes of a cluster)."`
	CacheBytes    Bytes    `group:"store" default:"16MiB" min:"1" max:"1TiB" help:"Memory for blocks read from the embedded store; 16 MiB besides are for what is written."`
	MinFreeBytes  Bytes    `group:"store" default:"256MiB" min:"0" max:"1PiB" help:"Free disk space below which stored pushes are refused; 0: never."`
	DefaultExpire Duration `group:"store" default:"7d" min:"1s" max:"36500d" reload:"yes" help:"How long a message is kept when its push does not say."`

	// The shared store.
	RedisAddress        []string `group:"redis" name:"redis.address" placeholder:"HOST:PORT" help:"Redis servers: one, some of a Redis Cluster, or, with redis.sentinel_master, the Sentinels; may be given several times."`
	RedisSentinelMaster string   `group:"redis" name:"redis.sentinel-master" placeholder:"NAME" help:"Name under which Sentinels know the master; empty: redis.address are servers of Redis."`
	RedisUsername       string   `group:"redis" name:"redis.username" placeholder:"NAME" help:"User to log in to Redis as; empty: Redis's default user."`
	RedisPassword       Secret   `group:"redis" name:"redis.password" placeholder:"PASSWORD" help:"Password for Redis; empty: none is sent."`
	RedisPasswordFile   string   `group:"redis" name:"redis.password-file" placeholder:"FILE" help:"File with the password for Redis, in place of redis.password."`
	RedisTLS            bool     `group:"redis" name:"redis.tls" help:"Whether Redis is spoken to with TLS, with certificates that this system trusts."`
	RedisWaitReplicas   int      `group:"redis" name:"redis.wait-replicas" default:"0" min:"0" max:"16" help:"Replicas of Redis that must have a message before its push is acknowledged (WAIT); 0: none."`
	RedisPrefix         string   `group:"redis" name:"redis.prefix" default:"gopush:" help:"What the names of all keys in Redis begin with, so that others may use it too; the same on all nodes of a cluster."`

	// Several nodes as one. docs/design.md, "Cluster".
	ClusterRegistry       string   `group:"cluster" name:"cluster.registry" placeholder:"URL" help:"Where nodes find each other: zookeeper://HOST:PORT,...[/PREFIX], etcd://HOST:PORT,...[/PREFIX], or static:NAME=HOST:PORT[*WEIGHT],... with the admin addresses of all; empty: this node is alone."`
	RegistryUsername      string   `group:"cluster" name:"cluster.registry-username" placeholder:"NAME" help:"User to log in to the registry as: of etcd, or of ZooKeeper's digest scheme, whose own what is registered is then; empty: nobody."`
	RegistryPassword      Secret   `group:"cluster" name:"cluster.registry-password" placeholder:"PASSWORD" help:"Password of that user."`
	RegistryPasswordFile  string   `group:"cluster" name:"cluster.registry-password-file" placeholder:"FILE" help:"File with that password, in place of cluster.registry_password."`
	RegistryTLS           bool     `group:"cluster" name:"cluster.registry-tls" help:"Whether the registry is spoken to with TLS."`
	RegistryTLSCA         string   `group:"cluster" name:"cluster.registry-tls-ca" placeholder:"FILE" help:"Certificates (PEM) that those of the registry must be signed by; empty: what this system trusts."`
	RegistryTLSCert       string   `group:"cluster" name:"cluster.registry-tls-cert" placeholder:"FILE" help:"Certificate (PEM) that this node shows the registry; read again whenever it connects; empty: none."`
	RegistryTLSKey        string   `group:"cluster" name:"cluster.registry-tls-key" placeholder:"FILE" help:"Private key (PEM) of that certificate."`
	ClusterSecret         Secret   `group:"cluster" name:"cluster.secret" placeholder:"SECRET" help:"What nodes show each other, the same on all, 16 bytes or more."`
	ClusterSecretFile     string   `group:"cluster" name:"cluster.secret-file" placeholder:"FILE" help:"File with the secret, in place of cluster.secret."`
	ClusterWeight         int      `group:"cluster" name:"cluster.weight" default:"1" min:"1" max:"1000" help:"Share of the keys that this node owns, beside the weights of the others; a static registry has the weights itself."`
	ClusterSessionTimeout Duration `group:"cluster" name:"cluster.session-timeout" default:"6s" min:"1s" max:"10m" help:"How long a node that is not heard of counts as there: then others own its keys."`
	ClusterTLS            bool     `group:"cluster" name:"cluster.tls" help:"Whether this node speaks TLS with others; their admin listeners must have certificates."`
	ClusterTLSCA          string   `group:"cluster" name:"cluster.tls-ca" placeholder:"FILE" help:"Certificates (PEM) that those of the other nodes must be signed by; empty: what this system trusts."`
	ClusterTLSCert        string   `group:"cluster" name:"cluster.tls-cert" placeholder:"FILE" help:"Certificate (PEM) that this node shows the others, where their admin addresses have tls_client_ca; read again when it changes."`
	ClusterTLSKey         string   `group:"cluster" name:"cluster.tls-key" placeholder:"FILE" help:"Its private key."`
	AdvertiseAdmin        []string `group:"cluster" name:"advertise-admin" placeholder:"HOST:PORT" help:"Where other nodes reach this one; none: the admin addresses."`
	Relay                 string   `group:"cluster" default:"on" oneof:"on,off" help:"What a subscriber of a key that another node owns gets: its messages all the same (on), or a reply that it is wrong here, as gopush-cluster's nodes give (off: -n, or MOVED to clients of Redis)."`
	LegacyRPC             string   `group:"cluster" name:"legacy-rpc" default:"off" oneof:"off,on" help:"Whether web processes of gopush-cluster may push and read through this node by net/rpc on its admin listeners: from loopback and trusted_networks only."`

	// What one peer may cost. docs/design.md, "Limits by default".
	MaxMessageBytes               Bytes           `group:"limits" default:"1MiB" min:"1" max:"64MiB" reload:"yes" help:"Largest payload of a push."`
	MaxKeyBytes                   Bytes           `group:"limits" default:"255" min:"1" max:"255" reload:"yes" help:"Longest key."`
	MaxArguments                  int             `group:"limits" default:"16384" min:"6" max:"1048576" reload:"yes" help:"Most arguments of a command of Redis; legacy commands have 6 at most."`
	MaxCommandBytes               Bytes           `group:"limits" default:"0" min:"0" max:"1GiB" reload:"yes" help:"Largest RESP command; 0: max_message_bytes + 64 KiB on admin, 64 KiB on public."`
	MaxHeadBytes                  Bytes           `group:"limits" default:"8KiB" min:"256" max:"1MiB" reload:"yes" help:"Largest head of an HTTP request; a reload changes it for the first of a connection."`
	FirstPacketTimeout            Duration        `group:"limits" default:"5s" min:"100ms" max:"1h" reload:"yes" help:"Time for the first complete command or request of a connection."`
	MaxPendingBytes               Bytes           `group:"limits" default:"1MiB" min:"1" max:"1GiB" reload:"yes" help:"Bytes that may wait for a slow connection; past it the connection is closed."`
	MaxPendingMessages            int             `group:"limits" default:"1024" min:"1" max:"16777216" reload:"yes" help:"Messages that may wait for a slow connection; past it the connection is closed."`
	SlowConsumers                 []SlowConsumers `group:"limits" reload:"yes" placeholder:"PREFIX=POLICY" help:"What becomes of messages to keys that begin with PREFIX, the longest that fits, for connections that do not read: close (past max_pending_bytes or max_pending_messages the connection is closed; where nothing else is said), drop (past that live-only ones are left out) or latest (of live-only ones only the newest waits). Stored ones are never left out: the connection reads them from the store later, or is closed. May be given several times."`
	MaxMemoryBytes                Bytes           `group:"limits" default:"0" min:"0" max:"1PiB" reload:"yes" help:"Memory that all connections together may hold: output that waits, input that is not whole, requests and resumes under way; past it those that hold most are closed; 16MiB or more; 0: a quarter of what the machine or its control group has."`
	MaxStoredPerKey               int             `group:"limits" default:"1000" min:"1" max:"16777216" reload:"yes" help:"Newest messages kept for a key; older ones are trimmed."`
	MaxDevicesPerKey              int             `group:"limits" default:"10000" min:"1" max:"16777216" reload:"yes" help:"Device cursors (consumer groups) kept for a key, and consumers of each."`
	IdempotencyWindow             Duration        `group:"limits" default:"1d" min:"1s" max:"30d" reload:"yes" help:"How long a push with an idempotency key is known: repeated within it, it is answered with the first id and stored once."`
	MaxSubscriptionsPerConnection int             `group:"limits" default:"10000" min:"0" reload:"yes" help:"Keys and patterns that one connection may subscribe to with the Redis dialect; 0: any number."`
	MaxSubscribersPerKey          int             `group:"limits" default:"0" min:"0" reload:"yes" help:"Connections that may subscribe to one key; 0: any number."`
	MaxPatterns                   int             `group:"limits" default:"128" min:"1" max:"65536" help:"Different patterns that connections of this node may subscribe to; each message is held against all of them."`
	MaxConnections                int             `group:"limits" default:"0" min:"0" reload:"yes" help:"Connections at a time; 0: what the descriptor limit allows."`
	MaxConnectionsPerAddress      int             `group:"limits" default:"0" min:"0" reload:"yes" help:"Connections of one address (IPv6: one /64) to public listeners; those from loopback and of trusted_proxies themselves are not counted; 0: any number, since many devices may share an address."`
	MaxHandshakesPerAddress       int             `group:"limits" default:"0" min:"0" reload:"yes" help:"New connections of one address (IPv6: one /64) to public listeners within a second; 0: any number."`
	MinHeartbeat                  Duration        `group:"limits" default:"30s" min:"1s" max:"1d" reload:"yes" help:"Shortest heartbeat that a subscriber may ask for."`
	StoreTimeout                  Duration        `group:"limits" default:"2s" min:"1ms" max:"1h" help:"Time for the store to make a push durable."`

	// When very many come at once. docs/design.md, "Who joins".
	MaxJoining  int      `group:"limits" default:"1024" min:"0" reload:"yes" help:"TLS handshakes, token checks and reads of what was missed that may wait or be under way; past it connections to public listeners are not accepted yet; 0: any number."`
	JoiningWait Duration `group:"limits" default:"3s" min:"0s" max:"1h" reload:"yes" help:"Past max_joining: where these take longer, who comes to subscribe is told when to come back instead."`

	// How the process behaves.
	LogLevel        slog.Level `group:"process" default:"info" reload:"yes" help:"Least level that is logged: debug, info, warn or error."`
	LogFormat       string     `group:"process" default:"text" oneof:"text,json" help:"How log lines look: text or json."`
	DrainRate       int        `group:"process" default:"1000" min:"1" max:"1000000" reload:"yes" help:"Subscribers a second, at most, that a drain tells to go, after SIGTERM or POST /v1/drain."`
	DrainTimeout    Duration   `group:"process" default:"30s" min:"0s" max:"1d" reload:"yes" help:"Time for a drain to tell all subscribers; where drain_rate does not do it they are told faster."`
	DrainDelay      Duration   `group:"process" default:"0s" min:"0s" max:"1h" reload:"yes" help:"How long /readyz is red before anything else of a drain happens, for balancers to notice."`
	ShutdownTimeout Duration   `group:"process" default:"10s" min:"0s" max:"1h" help:"Time for requests to end and queues to empty once the node is drained; then connections are cut."`
}
