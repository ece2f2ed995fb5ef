package main

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"gopush/internal/config"
	"gopush/internal/node"
)

func TestGreetingNamesWhatListensAndWhatToTry(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name               string
		args               []string
		public, admin, ops []net.Addr
		want               []string
		without            string
	}{
		{
			"as it comes", nil, bound("127.0.0.1:6969"), bound("127.0.0.1:6970"), bound("127.0.0.1:6971"),
			[]string{"store ./gopush-data", "public  127.0.0.1:6969", "admin   127.0.0.1:6970", "ops     127.0.0.1:6971", "  gopush sub hello\n", "  gopush push hello ", "  curl http://127.0.0.1:6971/readyz\n"},
			"--addr",
		},
		{
			"other ports, every address",
			[]string{"--store=memory"},
			bound("0.0.0.0:1", "[::1]:2"), bound("127.0.0.1:3"), nil,
			[]string{"store memory", "public  0.0.0.0:1", "public  [::1]:2", "gopush sub --addr 127.0.0.1:1 hello", "gopush push --addr 127.0.0.1:3 hello"},
			"curl",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c, err := config.Load(row.args, nil)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			greet(&out, c, node.Addrs{Public: row.public, Admin: row.admin, Ops: row.ops})
			for _, want := range row.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("greeting has no %q:\n%s", want, out.String())
				}
			}
			if strings.Contains(out.String(), row.without) {
				t.Errorf("greeting has %q, which is of no use here:\n%s", row.without, out.String())
			}
		})
	}
}

// TLS is told of the addresses that have it, and of no other.
func TestGreetingNamesTheAddressesWithTLS(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Public = []config.Address{{HostPort: "127.0.0.1:1", TLSCert: "c", TLSKey: "k"}, {HostPort: "127.0.0.1:2"}}
	c.Admin = []config.Address{{HostPort: "127.0.0.1:3", TLSCert: "c", TLSKey: "k"}}
	var out strings.Builder
	greet(&out, c, node.Addrs{Public: bound("127.0.0.1:1", "127.0.0.1:2"), Admin: bound("127.0.0.1:3")})
	for _, want := range []string{
		"127.0.0.1:1            devices and browsers subscribe, TLS\n",
		"127.0.0.1:2            devices and browsers subscribe\n",
		"gopush sub --addr tls://127.0.0.1:1 hello\n",
		"gopush push --addr https://127.0.0.1:3 hello ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("greeting has no %q:\n%s", want, out.String())
		}
	}
}

func bound(addresses ...string) (all []net.Addr) {
	for _, a := range addresses {
		all = append(all, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a)))
	}
	return all
}
