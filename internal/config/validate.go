package config

import (
	"crypto/tls"
	"encoding"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"runtime"
	"strconv"
	"strings"
)

// Validate returns all that would keep a node from running with c, at most one mistake of a
// setting; none: nil. It reads the certificates that c names.
func (c Config) Validate() Mistakes {
	var found Mistakes
	add := func(name, text string) {
		if !found.about(name) {
			found = append(found, Mistake{Setting: name, Value: valueOf(&c, name), Text: text})
		}
	}
	for _, s := range settings() {
		if text := s.check(&c); text != "" {
			add(s.name, text)
		}
	}
	c.checkListeners(add)
	c.checkExposure(add)
	c.checkNames(add)
	c.checkMemory(add)
	c.checkProxies(add)
	c.checkSlowConsumers(add)
	c.checkRedis(add)
	c.checkCluster(add)
	return found
}

// valueOf is a setting's value as a file would have it, without what is before an @ of an address: a password, perhaps, that has a setting
// of its own. "" when it has none.
func valueOf(c *Config, name string) string {
	for _, s := range settings() {
		if v := s.of(c); s.name == name && !v.IsZero() {
			_, value, _ := strings.Cut(line(name, plain(v)), " = ")
			return withoutUsers(value)
		}
	}
	return ""
}

// withoutUsers masks what is before each @ of text, back to where an address begins.
func withoutUsers(text string) string {
	masked := ""
	for {
		before, after, found := strings.Cut(text, "@")
		if !found {
			return masked + text
		}
		masked += before[:strings.LastIndexAny(before, `/",= `)+1] + "***@"
		text = after
	}
}

// check holds a value against the tags oneof, min and max; "" is good.
func (s setting) check(c *Config) string {
	v := s.of(c)
	if oneof := s.Tag.Get("oneof"); oneof != "" && !contains(oneof, v.String()) {
		return "must be one of " + strings.ReplaceAll(oneof, ",", ", ")
	}
	if least := s.Tag.Get("min"); least != "" && v.Int() < bound(v.Type(), least) {
		return "must be " + least + " or more"
	}
	if most := s.Tag.Get("max"); most != "" && v.Int() > bound(v.Type(), most) {
		return "must be " + most + " or less"
	}
	return ""
}

func contains(list, word string) bool {
	for candidate := range strings.SplitSeq(list, ",") {
		if candidate == word {
			return true
		}
	}
	return false
}

// bound reads a tag in the words of the setting's own type. One that
// does not parse is a bug of Config, not a mistake of its user.
func bound(t reflect.Type, text string) int64 {
	target := reflect.New(t)
	if u, ok := target.Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			panic("config: bound " + text + ": " + err.Error())
		}
		return target.Elem().Int()
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("config: bound " + text + ": " + err.Error())
	}
	return n
}

// checkListeners finds addresses that cannot all be listened on.
func (c *Config) checkListeners(add func(name, text string)) {
	seen := map[string]string{}
	for _, kind := range c.listeners() {
		for _, a := range kind.addresses {
			other, twice := seen[a.HostPort]
			if _, port, _ := net.SplitHostPort(a.HostPort); twice && port != "0" {
				add(kind.name, a.HostPort+" is an address of "+other+" already")
			}
			seen[a.HostPort] = kind.name
			if !a.TLS() {
				continue
			}
			if _, err := tls.LoadX509KeyPair(a.TLSCert, a.TLSKey); err != nil {
				add(kind.name, fmt.Sprintf("certificate of %s: %v", a.HostPort, err))
			}
			if a.ClientCA != "" {
				checkCertificates(kind.name, a.ClientCA, add)
			}
		}
	}
	if (c.Engine == "epoll" || c.Engine == "io_uring") && runtime.GOOS != "linux" {
		add("engine", c.Engine+" is there on Linux only; auto takes the best there is")
	}
}

type listener struct {
	name      string
	addresses []Address
}

func (c *Config) listeners() []listener {
	return []listener{{"public", c.Public}, {"admin", c.Admin}, {"ops", c.Ops}}
}

// minMemory is the least that all connections may be allowed to hold: a few of them hold that much by right.
const minMemory = 16 << 20

func (c *Config) checkSlowConsumers(add func(name, text string)) {
	seen := map[string]bool{}
	for _, s := range c.SlowConsumers {
		if seen[s.Prefix] {
			add("slow_consumers", "the prefix "+strconv.Quote(s.Prefix)+" is given twice")
		}
		seen[s.Prefix] = true
	}
}

func (c *Config) checkMemory(add func(name, text string)) {
	if c.MaxMemoryBytes > 0 && c.MaxMemoryBytes < minMemory {
		add("max_memory_bytes", "must be "+Bytes(minMemory).String()+" or more, or 0 for a quarter of the memory there is")
	}
}

func (c *Config) checkProxies(add func(name, text string)) {
	if c.ProxyProtocol == "required" && len(c.TrustedProxies) == 0 {
		add("proxy_protocol", "needs trusted_proxies: a header is required of these, and believed of nobody else")
	}
}

// checkExposure holds the promise that nothing is open to others unless someone said so.
// docs/design.md, "Listeners".
func (c *Config) checkExposure(add func(name, text string)) {
	for _, kind := range c.listeners() {
		for _, a := range kind.addresses {
			switch {
			case a.Loopback():
			case kind.name == "public":
				if c.Auth == "none" && !c.PublicWithoutAuth {
					add("public_without_auth", "missing: public = "+a.HostPort+" is beyond loopback and auth = none lets anyone subscribe; set auth = token, or public_without_auth = true if that is meant")
				}
			case len(c.APIKeys) == 0:
				add("api_keys", "missing: "+kind.name+" = "+a.HostPort+" is beyond loopback; set api_keys or api_keys_file to NAME:SECRET, or listen on 127.0.0.1")
			}
		}
	}
}

// checkNames finds names that are missing, given twice or of the wrong form.
func (c *Config) checkNames(add func(name, text string)) {
	if c.Store == "pebble" && c.Data == "" {
		add("data", "missing: store = pebble needs a directory")
	}
	seen := map[string]bool{}
	for _, key := range c.APIKeys {
		if seen[key.Name] {
			add("api_keys", "the name "+key.Name+" is given twice")
		}
		seen[key.Name] = true
	}
	checkOrigins("allowed_origins", c.AllowedOrigins, add)
	checkOrigins("admin_origins", c.AdminOrigins, add)
	checkHostPorts("advertise_tcp", c.AdvertiseTCP, add)
	checkHostPorts("advertise_ws", c.AdvertiseWS, add)
}

func checkOrigins(name string, list []string, add func(name, text string)) {
	for _, origin := range list {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			add(name, "an origin is SCHEME://HOST or SCHEME://HOST:PORT, as https://example.com")
		}
	}
}

func checkHostPorts(name string, list []string, add func(name, text string)) {
	for _, hostPort := range list {
		if host, _, err := net.SplitHostPort(hostPort); err != nil || host == "" {
			add(name, "each must be HOST:PORT, as push.example.com:6969")
		}
	}
}

// wants says what a setting accepts, after a value of it did not parse with err.
func (s setting) wants(err error) string {
	t := s.Type
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[slog.Level]():
		return "must be debug, info, warn or error"
	case reflect.TypeFor[netip.Prefix]():
		return "a network is ADDRESS/BITS, as 10.0.0.0/8 or fd00::/8"
	case reflect.TypeFor[int]():
		return "must be a whole number"
	case reflect.TypeFor[bool]():
		return "must be true or false"
	}
	return err.Error()
}
