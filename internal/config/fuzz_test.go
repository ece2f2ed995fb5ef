package config_test

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"gopush/internal/config"
)

// FuzzValues: what a setting reads it prints so that it reads the same.
func FuzzValues(f *testing.F) {
	for _, text := range []string{"1MiB", "64 kib", "0", "7d", "1d12h", "250ms", "127.0.0.1:6969", "[::1]:0?tls_cert=a&tls_key=b&tls_client_ca=%26", "name:12345678", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		type value interface {
			encoding.TextUnmarshaler
			fmt.Stringer
		}
		for _, pair := range [][2]value{{new(config.Bytes), new(config.Bytes)}, {new(config.Duration), new(config.Duration)}, {new(config.Address), new(config.Address)}} {
			if pair[0].UnmarshalText([]byte(text)) != nil {
				continue
			}
			printed := pair[0].String()
			if err := pair[1].UnmarshalText([]byte(printed)); err != nil || pair[1].String() != printed || !reflect.DeepEqual(pair[0], pair[1]) {
				t.Errorf("%T of %q prints %q, which reads as %#v, %v", pair[0], text, printed, pair[1], err)
			}
		}
	})
}

// FuzzFile: whatever a file has, it is read or its mistakes are told, and no secret with them.
func FuzzFile(f *testing.F) {
	for _, text := range []string{
		config.Default().TOML(), "cluster.secret = \"SECRETSECRETSECRET\"", "api_keys = [\"a:SECRETSECRET\"]", "[cluster]\nsecret = 1\nweight = \"x\"",
		"cluster.secret = SECRET", "api_keys = \"SECRETSECRET\"", "redis = { password = \"SECRET\", address = \"x\" }", "loops = [[[1]]]", "a.b.c = 1979-05-27",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := config.Load([]string{"--config", write(t, "gopush.toml", text)}, nil)
		names := strings.Contains(text, "cluster.secret = \"SECRET") || strings.Contains(text, "api_keys = \"SECRET")
		if err != nil && names && strings.Contains(err.Error(), "SECRETSECRET") && !strings.Contains(strings.Replace(text, "SECRETSECRET", "", 1), "SECRETSECRET") {
			t.Errorf("%q: a secret is told: %v", text, err)
		}
	})
}
