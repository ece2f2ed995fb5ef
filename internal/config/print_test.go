package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/config"
)

var update = flag.Bool("update", false, "rewrite the example file")

func TestExampleFileIsTheOneOfTheStruct(t *testing.T) {
	t.Parallel()
	const file = "../../packaging/gopush.example.toml"
	if *update {
		if err := os.WriteFile(file, []byte(config.Example()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Example(), string(got)); diff != "" {
		t.Errorf("%s is not what the struct says; run go test ./internal/config -update:\n%s", file, diff)
	}
}

// TestExampleShowsTheDefaults reads the example with every setting uncommented.
func TestExampleShowsTheDefaults(t *testing.T) {
	t.Parallel()
	var lines []string
	for line := range strings.Lines(config.Example()) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "# "), " = "); ok && config.Default().Map()[name] != nil {
			lines = append(lines, strings.TrimPrefix(line, "# "))
		}
	}
	if want := len(config.Default().Map()); len(lines) != want {
		t.Fatalf("the example shows %d settings, there are %d", len(lines), want)
	}
	c, err := config.Load([]string{"--config", write(t, "gopush.toml", strings.Join(lines, ""))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default().Map(), c.Map()); diff != "" {
		t.Errorf("the example uncommented is not the default:\n%s", diff)
	}
}

func TestPrintedConfigurationLoadsAgain(t *testing.T) {
	t.Parallel()
	want, err := config.Load([]string{
		`--data=a "quoted" \directory`, "--public=127.0.0.1:1,[::1]:2", "--max-pending-bytes=1000000", "--log-level=debug",
		"--default-expire=36h", "--trusted-networks=10.0.0.0/8", "--allowed-origins=https://a.example", "--admin-origins=https://b.example", "--public-without-auth",
		"--store=redis", "--redis.address=a:1,b:2", "--redis.tls", "--cluster.weight=7", "--advertise-admin=a:1",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Load([]string{"--config", write(t, "gopush.toml", want.TOML())}, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, want.TOML())
	}
	if diff := cmp.Diff(want.Map(), got.Map()); diff != "" {
		t.Errorf("printed and read again (-want +got):\n%s", diff)
	}
}

// TestEverySettingIsAFlagAndAVariable gives each setting its own default in both ways.
func TestEverySettingIsAFlagAndAVariable(t *testing.T) {
	t.Parallel()
	for name, value := range config.Default().Map() {
		text := fmt.Sprint(value)
		if list, ok := value.([]any); ok {
			text = strings.Trim(fmt.Sprint(list...), "[]")
		}
		flag := "--" + strings.ReplaceAll(name, "_", "-") + "=" + text
		if _, err := config.Load([]string{flag}, nil); err != nil {
			t.Errorf("%s: %v", flag, err)
		}
		variable := "GOPUSH_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_")) + "=" + text
		if _, err := config.Load(nil, []string{variable}); err != nil {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

func TestClusterPortsExampleLoads(t *testing.T) {
	t.Parallel()
	c, err := config.Load([]string{"--config", "../../packaging/gopush-cluster-ports.toml"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, kind := range [][]config.Address{c.Public, c.Admin, c.Ops} {
		for _, a := range kind {
			ports = append(ports, a.HostPort[strings.LastIndex(a.HostPort, ":"):])
		}
	}
	want := []string{":6968", ":6969", ":8090", ":6970", ":8091", ":6971", ":6972"}
	if diff := cmp.Diff(want, ports); diff != "" {
		t.Errorf("ports of public, admin, ops (-want +got):\n%s", diff)
	}
}
