# The commands of this project. `make help` lists them.
SHELL := /bin/bash
GO    ?= go
BIN   := bin/cagnotte
DATA  ?= ./cagnotte-data
ADDR  ?= 127.0.0.1:8080

.DEFAULT_GOAL := help
.PHONY: help run test check bench fuzz prove build generate axe gate-report crash

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

run: build ## start the demo: portals on this machine, crawled, ranked and served (ADDR=, DATA=)
	$(BIN) demo --data $(DATA) --addr $(ADDR)

build: ## build the one binary into bin/
	$(GO) build -trimpath -o $(BIN) ./cmd/cagnotte

test: ## run every test (TESTFLAGS=-v shows each)
	CAGNOTTE_AXE=$${CAGNOTTE_AXE:-$(wildcard $(CURDIR)/$(AXE))} $(GO) test -race -shuffle=on $(TESTFLAGS) ./...

AXE := artefacts/npm/node_modules/axe-core/axe.min.js
axe: $(AXE) ## fetch axe-core, with which a browser test looks for barriers (needs npm)
$(AXE):
	npm install --silent --no-audit --no-fund --no-save --prefix artefacts/npm axe-core@4.14.1
	@test -s $@ && touch $@

generate: ## make the Go files of the templates, openapi.json, and what docs/ takes from the code
	CAGNOTTE_GENERATE=1 $(GO) test -run 'Docs|Schema' ./crawler/portal >/dev/null
	@for f in $$(find web -name '*.templ'); do $(GO) tool templ generate -f $$f >/dev/null || exit 1; done
	$(GO) test -run OpenAPI ./web -update >/dev/null

check: ## gofmt, vet, staticcheck, and that generated files are fresh
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "not gofmt'd: $$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@for f in $$(git ls-files 'web/*.templ'); do \
	  $(GO) tool templ generate -stdout -f $$f 2>/dev/null | cmp -s - $${f%.templ}_templ.go || { echo "$$f has changed: make generate"; exit 1; }; \
	done

bench: ## speed and memory, each beside its baseline
	$(GO) test -run '^$$' -bench . -benchmem ./...

FUZZTIME ?= 60s
fuzz: ## fuzz every parser of foreign bytes, FUZZTIME (60s) each
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

prove: ## the long random checks in full (hours); make test runs a small share
	CAGNOTTE_PROVE=1 $(GO) test -timeout 12h -run 'Prove|Property' -v ./...

N ?= 300
crash: ## kill -9 the serving process N (300) times under load, and look at what it left
	CAGNOTTE_CRASH=$(N) $(GO) test -count=1 -timeout 4h -v -run 'TestCrash$$' ./cmd/cagnotte

gate-report: ## judge 2,000 simulated healthy crawls and 14 kinds of bad ones; prints the table of docs/gate.md
	CAGNOTTE_GATE_REPORT=1 $(GO) test -timeout 1h -v -run GateReport ./crawler/gate
