package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/config"
)

// Certificates are read again when their files change, looked at every few seconds: what renews them need not tell. What cannot be
// used leaves what was used before. Sessions that began go on as they are.

const (
	certificateLooks = 2 * time.Second    // how often their files are looked at
	certificateSoon  = 7 * 24 * time.Hour // what expires before is warned of when it is read
)

// certificate is the certificate of one address, or of this node towards others, and what it asks of peers.
type certificate struct {
	name    string // of the address or setting, for the log
	minimum uint16 // version of TLS
	current atomic.Pointer[identity]

	mu   sync.Mutex
	seen [3]stamp // its files, at the last look; guarded by mu, which Reload and the watch share
	read [3]stamp // when they were read last, with or without success; guarded by mu
}

// identity is what was read of the files of a certificate. It never changes.
type identity struct {
	files   [3]string // certificate, key, who signs peers' certificates
	stamps  [3]stamp  // of the files, before they were read
	pair    tls.Certificate
	expires time.Time
	config  *tls.Config // how TLS is spoken with it
}

// stamp tells whether a file was changed.
type stamp struct {
	info os.FileInfo // nil: it is not there
}

func (s stamp) same(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == o.info
	}
	return os.SameFile(s.info, o.info) && s.info.Size() == o.info.Size() && s.info.ModTime().Equal(o.info.ModTime())
}

func stampsOf(files [3]string) (all [3]stamp) {
	for i, file := range files {
		if file != "" {
			all[i].info, _ = os.Stat(file)
		}
	}
	return all
}

func sameStamps(a, b [3]stamp) bool {
	return a[0].same(b[0]) && a[1].same(b[1]) && a[2].same(b[2])
}

// loadCertificate reads the files that addr names; nil if it names none. name is told where it is logged.
func loadCertificate(name string, addr config.Address, minVersion string) (*certificate, error) {
	if !addr.TLS() {
		return nil, nil
	}
	c := &certificate{name: name, minimum: tls.VersionTLS12}
	if minVersion == "1.3" {
		c.minimum = tls.VersionTLS13
	}
	id, err := c.identityOf(filesOf(addr))
	if err != nil {
		return nil, err
	}
	c.use(id)
	return c, nil
}

func filesOf(addr config.Address) [3]string {
	return [3]string{addr.TLSCert, addr.TLSKey, addr.ClientCA}
}

// use has id used from now on.
func (c *certificate) use(id *identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.Store(id)
	c.seen, c.read = id.stamps, id.stamps
}

// identityOf reads files.
func (c *certificate) identityOf(files [3]string) (*identity, error) {
	stamps := stampsOf(files)
	pair, err := tls.LoadX509KeyPair(files[0], files[1])
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.name, err)
	}
	id := &identity{files: files, stamps: stamps, pair: pair, expires: pair.Leaf.NotAfter}
	id.config = &tls.Config{
		MinVersion: c.minimum, NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{pair},
		DynamicRecordSizingDisabled: true, // a message is of use when it is whole
	}
	if files[2] == "" {
		return id, nil
	}
	if id.config.ClientCAs, err = certificatesIn(files[2]); err != nil {
		return nil, fmt.Errorf("tls_client_ca of %s: %w", c.name, err)
	}
	id.config.ClientAuth = tls.RequireAndVerifyClientCert
	id.config.SessionTicketsDisabled = true // a certificate is looked at each time, by who is trusted then
	return id, nil
}

func certificatesIn(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate (PEM) is in " + file)
	}
	return pool, nil
}

// config returns how TLS is spoken with c, whatever is read later; nil for none. Keys of session tickets are those of what is returned, which
// crypto/tls makes and changes by itself.
func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:         c.minimum,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load().config, nil },
	}
}

// look reads the files of c again if they have changed, and not since the last look: who renews them writes one after the other.
func (c *certificate) look(log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.current.Load()
	now := stampsOf(id.files)
	settled := sameStamps(now, c.seen)
	if c.seen = now; !settled || sameStamps(now, c.read) {
		return
	}
	c.read = now
	next, err := c.identityOf(id.files)
	if err != nil {
		log.Error("a certificate has changed and cannot be used; the one before is used on", "of", c.name, "expires", id.expires, "err", err)
		return
	}
	c.current.Store(next)
	log.Info("certificate read again", "of", c.name, "expires", next.expires)
	next.warn(c.name, log)
}

// warn logs that a certificate expires soon.
func (id *identity) warn(name string, log *slog.Logger) {
	if left := time.Until(id.expires); left < certificateSoon {
		log.Warn("a certificate expires soon or has expired", "of", name, "expires", id.expires)
	}
}

// addCertificate has c watched, and its expiry measured; nil is none.
func (n *Node) addCertificate(c *certificate) {
	if c == nil {
		return
	}
	n.certificates = append(n.certificates, c)
	c.current.Load().warn(c.name, n.log)
	n.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gopush_certificate_expiry_seconds", Help: "Time until a certificate expires; below 0 it has.",
		ConstLabels: prometheus.Labels{"of": c.name},
	}, func() float64 { return time.Until(c.current.Load().expires).Seconds() }))
}

// watchCertificates looks at the files of all certificates until ctx ends.
func (n *Node) watchCertificates(ctx context.Context) {
	if len(n.certificates) == 0 {
		return
	}
	tick := time.NewTicker(certificateLooks)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, c := range n.certificates {
			c.look(n.log)
		}
	}
}
