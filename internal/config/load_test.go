package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/config"
)

// write puts text into a file of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLaterSourcesOverrideEarlierOnes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, file, variable, flag string
		want                       int
	}{
		{"default", "", "", "", 16384},
		{"file over default", "max_arguments = 10", "", "", 10},
		{"environment over file", "max_arguments = 10", "GOPUSH_MAX_ARGUMENTS=11", "", 11},
		{"flag over environment", "max_arguments = 10", "GOPUSH_MAX_ARGUMENTS=11", "--max-arguments=12", 12},
		{"flag over file", "max_arguments = 10", "", "--max-arguments=12", 12},
		{"flag over default", "", "", "--max-arguments=12", 12},
		{"the default again over a file", "max_arguments = 10", "", "--max-arguments=16384", 16384},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--config", write(t, "gopush.toml", row.file)}
			if row.flag != "" {
				args = append(args, row.flag)
			}
			c, err := config.Load(args, []string{"PATH=/bin", row.variable})
			if err != nil || c.MaxArguments != row.want {
				t.Errorf("file %q, variable %q, flag %q: max_arguments = %d, %v; want %d",
					row.file, row.variable, row.flag, c.MaxArguments, err, row.want)
			}
		})
	}
}

func TestListsAreReplacedNotExtended(t *testing.T) {
	t.Parallel()
	file := write(t, "gopush.toml", `public = ["127.0.0.1:1", "127.0.0.1:2"]
admin = "127.0.0.1:3,127.0.0.1:4"
ops = []`)
	c, err := config.Load([]string{"--config", file, "--public", "127.0.0.1:5", "--public", "127.0.0.1:6"},
		[]string{"GOPUSH_ALLOWED_HOSTS=a.example,b.example"})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(c.Public, c.Admin, c.Ops, c.AllowedHosts)
	want := "[127.0.0.1:5 127.0.0.1:6] [127.0.0.1:3 127.0.0.1:4] [] [a.example b.example]"
	if got != want {
		t.Errorf("public, admin, ops, allowed_hosts = %s, want %s", got, want)
	}
}

func TestPortZeroMayBeListenedOnTwice(t *testing.T) {
	t.Parallel()
	if _, err := config.Load([]string{"--public=127.0.0.1:0", "--admin=127.0.0.1:0", "--ops=127.0.0.1:0"}, nil); err != nil {
		t.Error(err)
	}
}

func TestDefaultIsWhatLoadGivesUntold(t *testing.T) {
	t.Parallel()
	c, err := config.Load(nil, nil)
	if err != nil {
		t.Fatalf("defaults do not load: %v", err)
	}
	if diff := cmp.Diff(config.Default(), c); diff != "" {
		t.Errorf("Load differs from Default:\n%s", diff)
	}
}

// TestEachMistakeIsToldByName has a row for each rule; every mistake must be told with the
// setting, where it came from, and what to do.
func TestEachMistakeIsToldByName(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, file string
		environ    []string
		args       []string
		want       string
	}{
		{"unknown line", "max_mesage_bytes = 1", nil, nil, "max_mesage_bytes (FILE): no such setting; did you mean max_message_bytes?"},
		{"unknown table", "[limits]\nloops = 1", nil, nil, "limits (FILE): no such setting\n"},
		{"unknown variable", "", []string{"GOPUSH_LOOOPS=1"}, nil, "GOPUSH_LOOOPS (the environment): no such setting; did you mean GOPUSH_LOOPS?"},
		{"unknown flag", "", nil, []string{"--looops=1"}, `unknown flag --looops, did you mean "--loops"?`},
		{"line of a wrong kind", "loops = { a = 1 }", nil, nil, "loops (FILE): wants a string"},
		{"line of wrong syntax", "loops = ", nil, nil, "FILE: line 1:"},
		{"size", "max_head_bytes = '9 miles'", nil, nil, `max_head_bytes = "9 miles" (FILE): a size is`},
		{"duration", "", []string{"GOPUSH_STORE_TIMEOUT=2"}, nil, `store_timeout = "2" (GOPUSH_STORE_TIMEOUT): a duration is`},
		{"number", "", nil, []string{"--loops=two"}, `loops = "two" (--loops): must be a whole number`},
		{"bool", "public_without_auth = 'maybe'", nil, nil, `public_without_auth = "maybe" (FILE): must be true or false`},
		{"level", "", []string{"GOPUSH_LOG_LEVEL=loud"}, nil, `log_level = "loud" (GOPUSH_LOG_LEVEL): must be debug, info, warn or error`},
		{"policy", "slow_consumers = ['a=keep']", nil, nil, `slow_consumers = "a=keep" (FILE): a policy is PREFIX=close`},
		{"network", "trusted_networks = ['10.0.0.1']", nil, nil, `trusted_networks = "10.0.0.1" (FILE): a network is ADDRESS/BITS`},
		{"header required of nobody", "", nil, []string{"--proxy-protocol=required"}, "proxy_protocol = \"required\" (--proxy-protocol): needs trusted_proxies"},
		{"no cache", "", nil, []string{"--cache-bytes=0"}, "cache_bytes (--cache-bytes): must be 1 or more"},
		{"address", "", nil, []string{"--public=6969"}, `public = "6969" (--public): an address is HOST:PORT`},
		{"word", "", nil, []string{"--store=sqlite"}, `store = "sqlite" (--store): must be one of pebble, memory, redis`},
		{"below the range", "min_heartbeat = '10ms'", nil, nil, `min_heartbeat = "10ms" (FILE): must be 1s or more`},
		{"above the range", "", []string{"GOPUSH_MAX_KEY_BYTES=256"}, nil, "max_key_bytes = 256 (GOPUSH_MAX_KEY_BYTES): must be 255 or less"},
		{"negative number", "max_connections = -1", nil, nil, "max_connections = -1 (FILE): must be 0 or more"},
		{"TLS certificate without key", "", nil, []string{"--public=:1?tls_cert=c.pem"}, "tls_cert and tls_key are given together"},
		{"unknown word behind an address", "", nil, []string{"--public=:1?cert=c.pem"}, `"cert" is not known behind an address`},
		{"TLS files that are not there", "", nil, []string{"--admin=127.0.0.1:1?tls_cert=/no/c.pem&tls_key=/no/k.pem"}, "certificate of 127.0.0.1:1: open /no/c.pem"},
		{"who signs for peers, without TLS", "", nil, []string{"--admin=127.0.0.1:1?tls_client_ca=ca.pem"}, "tls_client_ca is for TLS"},
		{"who signs for peers is nowhere", "", nil, []string{"--ops=127.0.0.1:1" + certificate(t) + "&tls_client_ca=/no/ca.pem"}, "open /no/ca.pem"},
		{"who signs for peers is nobody", "", nil, []string{"--ops=127.0.0.1:1" + certificate(t) + "&tls_client_ca=load_test.go"}, "no certificate (PEM) is in load_test.go"},
		{"version of TLS", "", nil, []string{"--tls-min-version=1.1"}, "must be one of 1.2, 1.3"},
		{"one address twice", "", nil, []string{"--public=127.0.0.1:6970"}, `admin = ["127.0.0.1:6970"]: 127.0.0.1:6970 is an address of public already`},
		{"admin beyond loopback", "", nil, []string{"--admin=0.0.0.0:6970"}, "api_keys: missing: admin = 0.0.0.0:6970 is beyond loopback"},
		{"ops beyond loopback", "", []string{"GOPUSH_OPS=:6971"}, nil, "api_keys: missing: ops = :6971 is beyond loopback"},
		{"public beyond loopback", "public = ['[::]:6969']", nil, nil, "public_without_auth: missing: public = [::]:6969 is beyond loopback"},
		{"key that is too short", "", []string{"GOPUSH_API_KEYS=web:short"}, nil, "api_keys (GOPUSH_API_KEYS): an API key is NAME:SECRET"},
		{"key name twice", "", nil, []string{"--api-keys=a:12345678,a:12345679"}, `api_keys = ["a:***", "a:***"] (--api-keys): the name a is given twice`},
		{"no key file", "", nil, []string{"--api-keys-file=/no/keys"}, "api_keys (api_keys_file): open /no/keys"},
		{"origin with a path", "", nil, []string{"--allowed-origins=https://example.com/"}, `allowed_origins = ["https://example.com/"] (--allowed-origins): an origin is`},
		{"admin origin without a scheme", "", nil, []string{"--admin-origins=example.com"}, `admin_origins = ["example.com"] (--admin-origins): an origin is`},
		{"advertised without a port", "", nil, []string{"--advertise-tcp=example.com"}, `advertise_tcp = ["example.com"] (--advertise-tcp): each must be HOST:PORT`},
		{"no file", "", []string{}, []string{"--config=/no/gopush.toml"}, "/no/gopush.toml: no such file"},
		{"no directory", "data = ''", nil, nil, "data (FILE): missing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			file := write(t, "gopush.toml", row.file)
			_, err := config.Load(append([]string{"--config", file}, row.args...), row.environ)
			got := strings.ReplaceAll(fmt.Sprintln(err), file, "FILE")
			if !strings.Contains(got, row.want) {
				t.Errorf("file %q, environment %q, flags %q:\n%s\nwant a line with\n  %s", row.file, row.environ, row.args, got, row.want)
			}
			if strings.Count(got, "\n") > 2 {
				t.Errorf("one mistake, told as more:\n%s", got)
			}
		})
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	file := write(t, "gopush.toml", "nonsense = 1\nmax_key_bytes = 0\nloops = 'x'")
	_, err := config.Load([]string{"--config", file, "--engine=warp", "--max-head-bytes=?", "--ops=1.2.3.4:5"},
		[]string{"GOPUSH_NONSENSE=1", "GOPUSH_MIN_HEARTBEAT=soon"})
	mistakes, ok := errors.AsType[config.Mistakes](err)
	if !ok {
		t.Fatalf("Load = %v, want mistakes", err)
	}
	var told []string
	for _, m := range mistakes {
		told = append(told, m.Setting)
	}
	slices.Sort(told)
	want := []string{"GOPUSH_NONSENSE", "api_keys", "engine", "loops", "max_head_bytes", "max_key_bytes", "min_heartbeat", "nonsense"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("settings told as mistaken (-want +got):\n%s\n%v", diff, err)
	}
}

func TestAPIKeysComeFromFlagsAndFile(t *testing.T) {
	t.Parallel()
	keys := write(t, "keys", "# backends\n\nbilling:a-long-secret\n  chat:another-secret \n")
	c, err := config.Load([]string{"--api-keys=web:secret-of-web", "--api-keys-file", keys, "--admin=0.0.0.0:6970"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []config.APIKey{
		{Name: "web", Secret: "secret-of-web"},
		{Name: "billing", Secret: "a-long-secret"},
		{Name: "chat", Secret: "another-secret"},
	}
	if diff := cmp.Diff(want, c.APIKeys); diff != "" {
		t.Errorf("API keys (-want +got):\n%s", diff)
	}
}

func TestSecretsAreNeverTold(t *testing.T) {
	t.Parallel()
	file := write(t, "keys", "web:hush-hush-1\nbroken hush-hush-2\n")
	c, err := config.Load([]string{"--api-keys=a:hush-hush-3"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, badFile := config.Load([]string{"--api-keys-file", file}, nil)
	_, badKey := config.Load([]string{"--api-keys=hush-hush-4"}, nil)
	for what, told := range map[string]string{
		"TOML": c.TOML(), "Map": fmt.Sprint(c.Map()), "%v": fmt.Sprintf("%v", c), "%#v": fmt.Sprintf("%#v", c),
		"a broken file of keys": badFile.Error(), "a broken key": badKey.Error(),
	} {
		if strings.Contains(told, "hush") {
			t.Errorf("%s tells a secret: %s", what, told)
		}
	}
	if want := "a:***"; !strings.Contains(c.TOML(), want) {
		t.Errorf("TOML does not name the key as %s:\n%s", want, c.TOML())
	}
}
