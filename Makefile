# What one does with this repository. "make help" lists it.

GO       ?= go
TOOL     := $(GO) tool -modfile=tools/go.mod
FUZZTIME ?= 10m
COUNT    ?= 10
RUNS     ?= 3
PKG      ?= ./...
DURATION ?= 10m
HOURS    ?= 1
SEED     ?= $(shell date +%s)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run build deps test check lint race fuzz soak proof bench measure peers-deps bench-peers bench-redis bench-cluster bench-render FORCE

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build and start a node with its embedded store (ARGS="--log-level debug")
	@exec bin/gopush serve $(ARGS)

build: ## Build bin/gopush, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/gopush ./cmd/gopush

deps: ## Print and install what the tests need besides Go
	@sh tools/deps.sh

test: deps race ## Install what the tests need and run all of them

check: lint race ## All that has to be green before a push

lint: ## Format, vet for three systems, staticcheck, build
	@unformatted=$$($(TOOL) gofumpt -l .) && test -z "$$unformatted" || \
		{ echo "run 'go tool -modfile=tools/go.mod gofumpt -w .' for:" $$unformatted; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags proof ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(TOOL) staticcheck -tags proof ./internal/fault ./internal/node
	$(GO) build ./...
	$(GO) -C tools vet ./...
	$(GO) -C tools tool staticcheck ./...

race: ## Run all tests with the race detector
	$(GO) test -race -count=1 ./... # not cached: tests of the built binary do not name its sources
	$(GO) test -race -count=1 -tags proof ./internal/fault
	$(GO) test -count=1 -run '^TestPowerLosses$$' ./internal/store/pebble # a thousand: with the race detector it is fewer
	$(GO) -C tools test -race ./...

fuzz: ## Fuzz every target for FUZZTIME each (10m; PKG=./internal/wire/... for some)
	@set -e; for pkg in $$($(GO) list $(PKG)); do \
		listed=$$($(GO) test -list '^Fuzz' $$pkg); \
		for target in $$(echo "$$listed" | grep '^Fuzz'); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$pkg; \
		done; \
	done

soak: ## Have peers come and go under load for DURATION (10m): nothing may be lost, and nothing left
	$(GO) test -count=1 -v -timeout 0 -run '^TestSoak$$' ./test -soak $(DURATION)

proof: ## Break nodes, clusters, disks and networks under load for HOURS (1), and check what was promised; docs/reliability.md
	$(GO) test -count=1 -v -timeout 0 -run '^TestProof$$' ./test/proof -proof.hours $(HOURS) -proof.run 2m -proof.seed $(SEED) -proof.results testdata/results.json
	$(GO) test -count=1 -run '^TestTables' ./test/proof -update

bench: ## Run every benchmark COUNT times (10); compare two outputs with benchstat
	$(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) $(PKG)

measure: build bin/floor ## Measure a node as docs/benchmarks.md has it, about ten minutes
	bin/gopush bench broadcast --runs 5 --subject floor,gopush --protocol tcp,ws
	bin/gopush bench unicast --runs 5
	bin/gopush bench unicast --runs 5 -n 64 -p 64 --expire 3600
	bin/gopush bench mixed
	bin/gopush bench resume
	bin/gopush bench connect --subject floor,gopush --protocol tcp,ws
	bin/gopush bench idle --protocol tcp,ws

bench-peers: build bin/floor bin/nats-server bin/peers ## Measure a node beside other servers, RUNS times each (3), about half an hour
	bin/peers -runs $(RUNS) run
	bin/peers render

bench-redis: build bin/peers ## Of these, only what clients of Redis do, beside redis-server, about 6 minutes
	bin/peers -runs $(RUNS) -only '^redis-' run
	bin/peers render

bench-cluster: build bin/peers ## Of these, only clusters of nodes: failover, relays, wrong nodes, 100,000 subscribers on ten; about 5 minutes
	bin/peers -runs $(RUNS) -only '^cluster-' run
	bin/peers render

bench-render: bin/peers ## Write the tables and plots of docs/benchmarks.md from bench/results
	bin/peers render

peers-deps: bin/floor bin/nats-server ## Install the servers that bench-peers measures beside a node
	@sh tools/deps.sh peers

bin/nats-server: tools/go.mod
	CGO_ENABLED=0 $(GO) build -modfile=tools/go.mod -o $@ github.com/nats-io/nats-server/v2

bin/peers: FORCE
	$(GO) -C tools build -o ../bin/peers ./peers

bin/floor: bench/floor.c
	@mkdir -p bin
	$(CC) -O2 -Wall -Wextra -o $@ $<
