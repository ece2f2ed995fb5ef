package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// tlsFlags say whom a command trusts that speaks TLS with a node, and what it shows.
type tlsFlags struct {
	Cert string `name:"tls-cert" placeholder:"FILE" help:"Certificate (PEM) to show a listener that has tls_client_ca."`
	Key  string `name:"tls-key" placeholder:"FILE" help:"Its private key."`
	CA   string `name:"tls-ca" placeholder:"FILE" help:"Certificates (PEM) that the node's must be signed by. Without it: what this system trusts."`
}

// Validate is asked by kong.
func (f *tlsFlags) Validate() error {
	if (f.Cert == "") != (f.Key == "") {
		return errors.New("--tls-cert and --tls-key are given together or not at all")
	}
	return nil
}

// config returns the settings, nil if there are none.
func (f *tlsFlags) config() (*tls.Config, error) {
	if *f == (tlsFlags{}) {
		return nil, nil
	}
	settings := new(tls.Config)
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		if settings.RootCAs = x509.NewCertPool(); !settings.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--tls-ca: no certificate (PEM) is in %s", f.CA)
		}
	}
	return settings, nil
}
