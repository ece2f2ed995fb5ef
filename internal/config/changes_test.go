package config_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/config"
)

func TestChangesTellWhatARunningNodeTakesOver(t *testing.T) {
	t.Parallel()
	a, b := certificate(t), certificate(t)
	for _, row := range []struct {
		name              string
		old, next         []string
		reloadable, fixed []string
	}{
		{"nothing", nil, nil, nil, nil},
		{"log level", nil, []string{"--log-level=debug"}, []string{"log_level"}, nil},
		{"limits", nil, []string{"--max-connections=9", "--min-heartbeat=40s"}, []string{"max_connections", "min_heartbeat"}, nil},
		{"API keys", nil, []string{"--api-keys=web:12345678"}, []string{"api_keys"}, nil},
		{"secret of an API key", []string{"--api-keys=web:12345678"}, []string{"--api-keys=web:12345679"}, []string{"api_keys"}, nil},
		{"other certificate", []string{"--ops=127.0.0.1:1" + a}, []string{"--ops=127.0.0.1:1" + b}, []string{"ops"}, nil},
		{"peers must show a certificate", []string{"--ops=127.0.0.1:1" + a}, []string{"--ops=127.0.0.1:1" + a + "&tls_client_ca=" + file(a)}, []string{"ops"}, nil},
		{"other port", []string{"--ops=127.0.0.1:1"}, []string{"--ops=127.0.0.1:2"}, nil, []string{"ops"}},
		{"TLS turned on", []string{"--ops=127.0.0.1:1"}, []string{"--ops=127.0.0.1:1" + a}, nil, []string{"ops"}},
		{"one more address", nil, []string{"--public=127.0.0.1:6969,127.0.0.1:1"}, nil, []string{"public"}},
		{"store and level", nil, []string{"--store=memory", "--log-level=warn"}, []string{"log_level"}, []string{"store"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			old, next := load(t, row.old), load(t, row.next)
			reloadable, fixed := config.Changes(old, next)
			if diff := cmp.Diff([][]string{row.reloadable, row.fixed}, [][]string{reloadable, fixed}); diff != "" {
				t.Errorf("Changes(%q, %q) (-want +got):\n%s", row.old, row.next, diff)
			}
			left, _ := config.Changes(config.Reloaded(old, next), next)
			if len(left) > 0 {
				t.Errorf("Reloaded(%q, %q) did not take over %q", row.old, row.next, left)
			}
			if _, changed := config.Changes(old, config.Reloaded(old, next)); len(changed) > 0 {
				t.Errorf("Reloaded(%q, %q) changed %q, which it must not", row.old, row.next, changed)
			}
		})
	}
}

// file is that of the certificate in what stands behind an address.
func file(behind string) string {
	cert, _, _ := strings.Cut(strings.TrimPrefix(behind, "?tls_cert="), "&")
	return cert
}

func load(t *testing.T, args []string) config.Config {
	t.Helper()
	c, err := config.Load(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// certificate makes a certificate with its key and returns what refers to them behind an address.
func certificate(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return "?tls_cert=" + writePEM(t, "CERTIFICATE", cert) + "&tls_key=" + writePEM(t, "PRIVATE KEY", key)
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	text := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	return filepath.ToSlash(write(t, strings.ToLower(kind[:4])+".pem", text))
}
