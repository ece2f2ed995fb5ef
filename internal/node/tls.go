package node

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"gopush/internal/config"
)

// certificate is the certificate of one address, which Reload may swap.
type certificate struct {
	current atomic.Pointer[tls.Certificate]
}

// loadCertificate reads the files that addr names; nil if it names none.
func loadCertificate(addr config.Address) (*certificate, error) {
	pair, err := readCertificate(addr)
	if pair == nil {
		return nil, err
	}
	c := new(certificate)
	c.current.Store(pair)
	return c, nil
}

// readCertificate reads the files that addr names; nil if it names none.
func readCertificate(addr config.Address) (*tls.Certificate, error) {
	if !addr.TLS() {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(addr.TLSCert, addr.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", addr.HostPort, err)
	}
	return &pair, nil
}

// config returns how TLS is spoken with c; nil for none.
func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}
}
