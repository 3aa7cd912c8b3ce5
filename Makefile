# All targets need Go and make, nothing else. 'make help' lists them.

GO ?= go
BIN := bin/foldlog
ARGS ?=
PACKAGES ?= ./...
SEEDS ?= 100000
KAFKA_PACKAGES ?= ./internal/kafkatest ./processors/... ./replay/... ./deploy/... ./proof/bench/engine

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The race detector needs cgo, and cgo needs a C compiler that works. RACE=always fails without one, RACE=never goes without.
RACE ?= auto
# The checker is one goroutine: the race detector would find nothing in it and make its tests six times as slow. An upgrade runs four whole systems,
# whose packages are tested with the race detector on their own. The others build programs and look at them from outside.
SINGLE := github.com/foldlog/foldlog/proof/(check|bankv1|walks|contract|planted)
CC_WORKS = printf '\#include <stdlib.h>\nint main(void) { return 0; }\n' | $$($(GO) env CC) -x c - -o /dev/null >/dev/null 2>&1

.PHONY: help dev build test simulate test-planted test-kafka torture torture-long lint bench bench-engine tidy clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

dev: build ## start everything in one process on an embedded broker; ARGS="--http 127.0.0.1:9000" passes flags
	@exec $(BIN) dev $(ARGS)

build: ## build bin/foldlog
	@$(GO) build -o $(BIN) ./cmd/foldlog

test: ## run all tests that need only Go; PACKAGES=./cli/... for some of them
	@race=; \
	if [ "$(RACE)" != never ]; then \
	  if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && $(CC_WORKS); then race=-race; \
	  elif [ "$(RACE)" = always ]; then echo "make test: RACE=always needs cgo and a working C compiler" >&2; exit 1; \
	  else export CGO_ENABLED=0; echo "make test: no working C compiler: running without the race detector"; fi; \
	fi; \
	all=$$($(GO) list $(PACKAGES)) || exit 1; \
	single=$$(echo "$$all" | grep -Ex '$(SINGLE)'); others=$$(echo "$$all" | grep -Evx '$(SINGLE)'); \
	if [ -n "$$others" ]; then echo "go test $$race $(PACKAGES)"; $(GO) test $$race -timeout 20m $$others || exit 1; fi; \
	if [ -n "$$single" ]; then $(GO) test -timeout 20m $$single || exit 1; fi; \
	cd examples/counter && $(GO) test $$race -timeout 5m ./...

simulate: ## run the engine on simulated brokers, 100,000 seeds, and see that the simulation notices planted bugs; SEEDS=1000 for fewer
	$(GO) test -count=1 -timeout 20m -run '^TestSimulation$$' ./processors/exactlyonce -sim.seeds=$(SEEDS)
	$(GO) test -count=1 -timeout 20m -parallel 2 -run '^TestSimulationFindsPlantedBugs$$' ./proof/planted -plant

test-planted: ## plant each deliberate breakage and see a test notice it; prints the table; FOLDLOG_TEST_KAFKA=1 for those that need Apache Kafka
	$(GO) test -count=1 -parallel 2 -timeout 30m -v -run '^TestEveryBugIsCaught$$' ./proof/planted -plant

test-kafka: ## run the same suites on Apache Kafka and a real schema registry, the compose file's parts, and clients in other languages; needs a JDK and Maven; says what it skips without python3 or node
	FOLDLOG_TEST_KAFKA=1 FOLDLOG_REQUIRE_KAFKA=1 $(GO) test -p 2 -count=1 -timeout 20m $(KAFKA_PACKAGES)
	FOLDLOG_TEST_KAFKA=1 FOLDLOG_REQUIRE_KAFKA=1 $(GO) test -v -count=1 -timeout 20m ./proof/interop

torture: bin/foldlog-torture bin/foldlog-check ## drive the real system under load and faults on Apache Kafka for some minutes, and judge what it wrote; needs a JDK and Maven
	bin/foldlog-torture set short $(ARGS)

torture-long: bin/foldlog-torture bin/foldlog-check ## the same, all scenarios, for hours
	bin/foldlog-torture set long $(ARGS)

.PHONY: bin/foldlog-torture bin/foldlog-check
bin/foldlog-torture bin/foldlog-check:
	@$(GO) build -o $@ ./proof/cmd/$(@F)

lint: ## gofmt, go vet, our own rules, golangci-lint (some minutes to build, once) and govulncheck; says what it cannot run
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); [ -z "$$unformatted" ] || { echo "gofmt: run 'gofmt -w' on:"; echo "$$unformatted"; exit 1; }
	$(GO) vet $(PACKAGES)
	cd examples/counter && $(GO) vet ./...
	$(GO) test ./internal/lint
	@if $(GO) run $(GOLANGCI) version >/dev/null 2>&1; \
	then echo "golangci-lint run $(PACKAGES)" && $(GO) run $(GOLANGCI) run $(PACKAGES) && cd examples/counter && $(GO) run $(GOLANGCI) run ./...; \
	else echo "SKIPPED: golangci-lint: $(GOLANGCI) cannot be downloaded or built here"; fi
	@report=$$($(GO) run $(GOVULNCHECK) $(PACKAGES) 2>&1) && echo "govulncheck: $$report" || { \
	  case "$$report" in \
	  *"fetching vulnerabilities"*|*"dial tcp"*|*"no such host"*|*"i/o timeout"*|*"TLS handshake"*) \
	    echo "SKIPPED: govulncheck: its database cannot be reached from here";; \
	  *) echo "$$report"; exit 1;; \
	  esac; }

bench: build ## measure latency and throughput of a whole system on the embedded broker; ARGS passes flags
	@$(GO) run ./proof/bench/httpload --binary $(BIN) $(ARGS)

bench-engine: ## measure the engine against Goka and Kafka Streams on Apache Kafka; needs a JDK and Maven; ARGS="--quick" tries it, ARGS="--help" lists flags
	@$(GO) build -o bin/bench-engine ./proof/bench/engine
	@exec bin/bench-engine $(ARGS)

tidy: ## go mod tidy, here and in the examples
	$(GO) mod tidy
	cd examples/counter && $(GO) mod tidy

clean: ## remove what was built; the data of 'make dev' stays
	@rm -rf bin
