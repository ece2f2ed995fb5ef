package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"gopush/internal/message"
)

const (
	format      = 1 // of what is in Redis
	leastMajor  = 7 // of Redis: groups count what was read since 7.0
	refresh     = 2 * time.Second
	connections = 1 // 2^1 to each server: a large answer does not hold up all else
)

// connect finds out what is at the addresses, and connects to it. Nothing is tried again by rueidis: whether it may is known
// only here.
func connect(cfg *Config) (rueidis.Client, error) {
	o := rueidis.ClientOption{
		InitAddress: cfg.Addresses, Username: cfg.Username, Password: cfg.Password, TLSConfig: cfg.TLS, ClientName: "gopush",
		DisableCache: true, DisableRetry: true, AlwaysPipelining: true, PipelineMultiplex: connections, BlockingPoolSize: 2 * waitSlots,
		ClusterOption: rueidis.ClusterOption{ShardsRefreshInterval: refresh},
	}
	o.Dialer.Timeout = askTimeout
	if cfg.SentinelMaster != "" {
		o.Sentinel = rueidis.SentinelOption{
			MasterSet: cfg.SentinelMaster, TLSConfig: cfg.TLS, Dialer: o.Dialer, ClientName: "gopush", TopologyRefreshInterval: refresh,
		}
		if cfg.Username == "" { // a Sentinel without a password takes any
			o.Sentinel.Password = cfg.Password
		}
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		return nil, fmt.Errorf("redis at %s: %w%s", strings.Join(cfg.Addresses, ", "), err, hint(cfg, err))
	}
	return client, nil
}

// hint says what to do about an error of connecting.
func hint(cfg *Config, err error) string {
	redisErr, isRedis := rueidis.IsRedisErr(err)
	text := ""
	if isRedis {
		text = redisErr.Error()
	}
	switch {
	case len(cfg.Addresses) > 1 && strings.Contains(text, "cluster support disabled"):
		return " (several addresses are those of a Redis Cluster, or of Sentinels if redis.sentinel_master is set)"
	case strings.HasPrefix(text, "NOAUTH"), strings.HasPrefix(text, "WRONGPASS"):
		return " (see redis.username and redis.password)"
	case cfg.SentinelMaster != "":
		return fmt.Sprintf(" (is the master called %q there, and are these the Sentinels?)", cfg.SentinelMaster)
	}
	return ""
}

// check finds out whether this Redis can be used, and warns of settings of its that lose messages.
func (s *Store) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*askTimeout)
	defer cancel()
	if err := s.checkVersion(ctx); err != nil {
		return err
	}
	if err := s.readFormat(ctx); err != nil && !s.readable(ctx, err) {
		return fmt.Errorf("redis at %s: %w", strings.Join(s.cfg.Addresses, ", "), err)
	}
	for addr, node := range s.client.Nodes() {
		s.checkSettings(ctx, addr, node)
	}
	return nil
}

func (s *Store) checkVersion(ctx context.Context) error {
	info, err := s.client.Do(ctx, s.client.B().Info().Section("server").Build()).ToString()
	if err != nil {
		return fmt.Errorf("redis at %s: %w", strings.Join(s.cfg.Addresses, ", "), err)
	}
	_, rest, _ := strings.Cut(info, "redis_version:")
	version, _, _ := strings.Cut(rest, "\r\n")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < leastMajor {
		return fmt.Errorf("redis at %s is version %q: gopush needs 7.0 or later", strings.Join(s.cfg.Addresses, ", "), version)
	}
	return nil
}

// readFormat learns since when there is a record of what was stored, and writes it where there is none. It fails where Redis takes
// no writes.
func (s *Store) readFormat(ctx context.Context) error {
	ask := scriptCall{setFormatScript, []string{s.formatName()}, []string{strconv.Itoa(format), formatMid(message.MidAt(s.cfg.Now()))}}
	reply, err := s.runAll(ctx, []scriptCall{ask})[0].ToMessage()
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("it did not answer in %v", askTimeout)
	}
	if err != nil {
		return err
	}
	return s.setFormat(reply)
}

func (s *Store) formatName() string { return s.cfg.Prefix + "format" }

// readable tells whether Redis has gopush's format, though it takes no writes now, which is why. It may be read from then.
func (s *Store) readable(ctx context.Context, why error) bool {
	if _, answered := rueidis.IsRedisErr(why); !answered {
		return false
	}
	reply, err := s.do(ctx, s.client.B().Hmget().Key(s.formatName()).Field("version", "created").Build())[0].ToMessage()
	if err != nil || s.setFormat(reply) != nil {
		return false
	}
	s.ill.Store(&why)
	s.cfg.Log.Error("redis takes no writes, stored pushes are refused", "err", why)
	return true
}

// setFormat takes the version of the format, and since when there is a record.
func (s *Store) setFormat(reply rueidis.RedisMessage) error {
	values, err := reply.AsStrSlice()
	if err != nil || len(values) != 2 {
		return fmt.Errorf("%s is not gopush's (%v): use another redis.prefix", s.formatName(), err)
	}
	if values[0] != strconv.Itoa(format) {
		return fmt.Errorf("what has the prefix %q has format %s, this gopush knows format %d: use the gopush that wrote it, or another redis.prefix",
			s.cfg.Prefix, values[0], format)
	}
	created, err := parseMid(values[1])
	if err != nil {
		return fmt.Errorf("%s is not gopush's: %w", s.formatName(), err)
	}
	if before := s.created.Swap(created); before != 0 && before != created {
		s.cfg.Log.Warn("redis lost what was stored", "since", message.MidTime(created))
	}
	return nil
}

// checkSettings warns of what an operator should know. Where Redis does not show its settings nothing is known.
func (s *Store) checkSettings(ctx context.Context, addr string, node rueidis.Client) {
	get := node.B().ConfigGet().Parameter("maxmemory", "maxmemory-policy", "appendonly", "appendfsync").Build()
	settings, err := node.Do(ctx, get).AsStrMap()
	if err != nil {
		s.cfg.Log.Info("redis does not show its settings: make sure that it evicts nothing and has its log on disk", "address", addr, "err", err)
		return
	}
	if policy := settings["maxmemory-policy"]; settings["maxmemory"] != "0" && policy != "noeviction" {
		s.cfg.Log.Warn("redis may evict stored messages: set its maxmemory-policy to noeviction", "address", addr, "maxmemory-policy", policy)
	}
	switch {
	case settings["appendonly"] != "yes":
		s.cfg.Log.Warn("redis loses acknowledged messages when it stops: set its appendonly to yes", "address", addr)
	case settings["appendfsync"] != "always":
		s.cfg.Log.Info("redis may lose acknowledged messages of the last second at a power failure: appendfsync always would not",
			"address", addr, "appendfsync", settings["appendfsync"])
	}
}
