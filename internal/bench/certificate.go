package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// secure tells whether subscribers speak TLS.
func (g *gopush) secure() bool { return g.protocol == TLS || g.protocol == WSS }

// isSecure tells whether the subscribers of a subject speak TLS.
func isSecure(s subject) bool {
	if r, ok := s.(running); ok {
		s = r.subject
	}
	g, ok := s.(*gopush)
	return ok && g.secure()
}

// certified returns the address addr with a new certificate behind it, ECDSA P-256, whose files are in dir.
func certified(addr, dir string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(30 * 24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return "", err
		}
	}
	return addr + "?tls_cert=" + url.QueryEscape(filepath.Join(dir, "cert.pem")) + "&tls_key=" + url.QueryEscape(filepath.Join(dir, "key.pem")), nil
}
