#!/bin/sh
# Prints what the tests need besides Go, and installs what is missing: with apt-get where there
# is one, else it says what to install. "deps.sh peers" does so for the servers that a node is
# measured beside.
set -eu

PATH=$PATH:/usr/sbin # where Debian has servers
missing=

# there PROGRAM: it can be run, or is a file.
there() {
	command -v "$1" >/dev/null 2>&1 || [ -f "$1" ]
}

# need WHY PACKAGE PROGRAM...: one of the programs must be there; PACKAGE is Debian's name for it.
need() {
	why=$1 package=$2
	shift 2
	for program; do
		if there "$program"; then
			echo "found    $program ($why)"
			return
		fi
	done
	echo "missing  $package ($why)"
	missing="$missing $package"
}

if [ "${1:-}" = peers ]; then
	need "C compiler for the floor" gcc cc gcc clang
	need "peer redis" redis-server redis-server
	need "peer mosquitto" mosquitto mosquitto
	need "peer nchan" nginx nginx
	need "peer nchan" libnginx-mod-nchan /usr/lib/nginx/modules/ngx_nchan_module.so
else
	need "C compiler for the race detector" gcc cc gcc clang
	need "browser for the test of the WebSocket dialect" chromium chromium chromium-browser google-chrome
	need "store of a cluster, and what Redis clients are tried on first" redis-server redis-server
	need "Redis client redis-cli" redis-tools redis-cli
	need "Redis client redis-py" python3-redis /usr/lib/python3/dist-packages/redis/__init__.py
	need "Redis client redis-rb" ruby-redis /usr/share/rubygems-integration/all/specifications/redis-*.gemspec
	need "Redis client hiredis" libhiredis-dev /usr/include/hiredis/hiredis.h
	need "Redis clients ioredis and node-redis" nodejs node
	need "Redis clients ioredis and node-redis" npm npm
	need "proxy in front of a node" haproxy haproxy
	need "registry ZooKeeper" zookeeper /usr/share/java/zookeeper.jar
	need "registry ZooKeeper" default-jre-headless java
	need "registry etcd" etcd-server etcd
	need "network of the test lab" iproute2 ip
	need "network of the test lab" nftables nft
	need "network of the test lab" util-linux nsenter
fi

# modules installs the clients of JavaScript, which are not Debian's, as their lock file has them.
modules() {
	clients=$(dirname "$0")/../test/clients/node
	if [ -d "$clients/node_modules" ] && [ ! "$clients/package-lock.json" -nt "$clients/node_modules/.package-lock.json" ]; then
		echo "found    $clients/node_modules (ioredis and node-redis)"
		return
	fi
	echo "install  $clients/node_modules (ioredis and node-redis)"
	npm ci --prefix "$clients" --ignore-scripts --no-audit --no-fund --silent
}

install() {
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "This is not a Debian or Ubuntu; install with the package manager of your system:$missing" >&2
		exit 1
	fi
	as_root=
	[ "$(id -u)" = 0 ] || as_root=sudo
	case " $missing " in *" gcc "*) missing="$missing libc6-dev" ;; esac
	echo "install $missing"
	$as_root apt-get update -qq
	# shellcheck disable=SC2086 # a list of packages
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

[ -z "$missing" ] || install
[ "${1:-}" = peers ] || modules
