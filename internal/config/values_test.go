package config_test

import (
	"encoding"
	"fmt"
	"testing"
	"time"

	"gopush/internal/config"
)

// TestValuesReadAndPrint has a row for each form of text: what it means and how it prints.
func TestValuesReadAndPrint(t *testing.T) {
	t.Parallel()
	type value interface {
		encoding.TextUnmarshaler
		fmt.Stringer
	}
	const refused = "refused"
	for _, row := range []struct {
		value         value
		text, printed string
	}{
		{new(config.Bytes), "0", "0"},
		{new(config.Bytes), "1024", "1KiB"},
		{new(config.Bytes), "1025", "1025"},
		{new(config.Bytes), "64 kib", "64KiB"},
		{new(config.Bytes), "2048M", "2GiB"},
		{new(config.Bytes), "512B", "512"},
		{new(config.Bytes), "1PiB", "1PiB"},
		{new(config.Bytes), "8192PiB", refused},
		{new(config.Bytes), "-1", refused},
		{new(config.Bytes), "1.5MiB", refused},
		{new(config.Bytes), "MiB", refused},
		{new(config.Bytes), "", refused},

		{new(config.Duration), "0s", "0s"},
		{new(config.Duration), "90s", "1m30s"},
		{new(config.Duration), "60m", "1h"},
		{new(config.Duration), "24h", "1d"},
		{new(config.Duration), "7d", "7d"},
		{new(config.Duration), "1d12h", "1d12h"},
		{new(config.Duration), "250ms", "250ms"},
		{new(config.Duration), "-1s", refused},
		{new(config.Duration), "-1d", refused},
		{new(config.Duration), "1d-2h", refused},
		{new(config.Duration), "5", refused},
		{new(config.Duration), "99999d", refused},
		{new(config.Duration), "", refused},

		{new(config.Address), "127.0.0.1:6969", "127.0.0.1:6969"},
		{new(config.Address), ":0", ":0"},
		{new(config.Address), "[::1]:80", "[::1]:80"},
		{new(config.Address), "h:1?tls_key=/k.pem&tls_cert=/c%26d.pem", "h:1?tls_cert=/c%26d.pem&tls_key=/k.pem"},
		{new(config.Address), "h:1?tls_client_ca=/a.pem&tls_key=/k.pem&tls_cert=/c.pem", "h:1?tls_cert=/c.pem&tls_key=/k.pem&tls_client_ca=/a.pem"},
		{new(config.Address), "h:1?tls_client_ca=a.pem", refused},
		{new(config.Address), "localhost", refused},
		{new(config.Address), "h:http", refused},
		{new(config.Address), "h:65536", refused},
		{new(config.Address), "h:1?tls_key=k.pem", refused},
		{new(config.Address), "h:1?tls_cert=c.pem&tls_key=k.pem&ca=x", refused},

		{new(config.APIKey), "web:sec:ret:s", "web:***"},
		{new(config.APIKey), "web", refused},
		{new(config.APIKey), ":12345678", refused},
		{new(config.APIKey), "my web:12345678", refused},
	} {
		t.Run(fmt.Sprintf("%T %s", row.value, row.text), func(t *testing.T) {
			t.Parallel()
			got := refused
			if err := row.value.UnmarshalText([]byte(row.text)); err == nil {
				got = row.value.String()
			}
			if got != row.printed {
				t.Errorf("%T %q = %s, want %s", row.value, row.text, got, row.printed)
			}
		})
	}
}

func TestValuesAreInTheirUnits(t *testing.T) {
	t.Parallel()
	c := config.Default()
	if c.MaxMessageBytes != 1<<20 || time.Duration(c.DefaultExpire) != 7*24*time.Hour {
		t.Errorf("1MiB = %d bytes, 7d = %d ns", c.MaxMessageBytes, c.DefaultExpire)
	}
}

func TestLoopbackIsThisMachineOnly(t *testing.T) {
	t.Parallel()
	for hostPort, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "192.168.0.1:1": false, "localhost.example.com:1": false, "nonsense": false,
	} {
		if got := (config.Address{HostPort: hostPort}).Loopback(); got != want {
			t.Errorf("Loopback(%q) = %t, want %t", hostPort, got, want)
		}
	}
}
