# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Everything that a target needs and the machine lacks is installed or built by
# it; tools are kept in $(BAILIWICK_CACHE), by default ~/.cache/bailiwick.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -o errexit -o nounset -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build image release generate verify lint test soak demo demo-openbao bench vulncheck clean

# The modules of this repository that hold code to vet and test.
MODULES := . tests hack/userconfig hack/compare-crds hack/licenses hack/image

# What tests/node is built from; only root on Linux can run it.
NODE_TOOLS := $(if $(filter Linux-0,$(shell uname -s)-$(shell id -u)),kubernetes-node kube-router node bao)

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the operator into bin/.
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/ ./cmd/bailiwick ./cmd/bailiwick-job

# The name of the image, and further flags of hack/image, such as
# --platforms linux/amd64.
IMAGE_REF ?=
IMAGE_FLAGS ?=

image: ## Build the image as an OCI layout, bin/image: IMAGE_REF=name:tag.
	GOWORK=off go build -C hack/image -trimpath -o $(CURDIR)/bin/hack-image .
	bin/hack-image build $(if $(IMAGE_REF),--ref $(IMAGE_REF)) $(IMAGE_FLAGS)

release: ## Write dist/VERSION with all that a release is: VERSION=v1.2.3.
	@[[ -n "$(VERSION)" ]] || { echo "usage: make release VERSION=v1.2.3" >&2; exit 2; }
	GOWORK=off go build -C hack/image -trimpath -o $(CURDIR)/bin/hack-image .
	bin/hack-image release --version $(VERSION) $(if $(IMAGE_REF),--ref $(IMAGE_REF)) $(IMAGE_FLAGS)

generate: ## Write generated code, CRDs, pages of docs and the chart again.
	hack/update-codegen.sh

verify: ## Check that generated code, manifests and modules are up to date.
	hack/verify-codegen.sh
	hack/build-tools.sh kubectl
	KUBECTL="$$(hack/build-tools.sh --path kubectl)" hack/verify-manifests.sh
	hack/verify-modules.sh
	hack/verify-licenses.sh

lint: ## Run the linters.
	hack/build-tools.sh golangci-lint
	for module in $(MODULES); do (cd $$module && "$$($(CURDIR)/hack/build-tools.sh --path golangci-lint)" run --config $(CURDIR)/.golangci.yml); done

test: ## Run every test, on a real API server, etcd and OpenBao server.
	hack/install-deps.sh
	hack/build-tools.sh etcd kubernetes openbao-server helm versitygw fake-gcs-server $(NODE_TOOLS)
	for module in $(MODULES); do (cd $$module && go test -race -parallel 4 -timeout 40m ./...); done
# The same flags as in build-tools.sh, since compiling the core takes minutes.
	cd hack/tools/openbao-server && CGO_ENABLED=0 GOWORK=off go test -trimpath -timeout 20m ./...

# How long each random test and each fuzz target of soak runs.
SOAK ?= 10m

soak: ## Run random faults, kills and fuzzing for long: SOAK=10m each.
	hack/install-deps.sh postgres
	hack/build-tools.sh etcd kubernetes openbao-server
	cd tests && BAILIWICK_FAULTS_DURATION=$(SOAK) go test -race -timeout 12h -v -run '^(TestModel|TestModelInBadWeather|TestOutageOfTheControlPlane|TestKillAtEveryStep|TestDeathAtEveryStep|TestFailover|TestFaultsOfOpenBao)$$' ./integration
	$(if $(NODE_TOOLS),hack/build-tools.sh $(NODE_TOOLS) && cd tests && BAILIWICK_LONG=1 go test -race -timeout 2h -v -run '^(TestRolls|TestScales|TestHeals|TestUpkeepSurvivesTheOperator|TestUpkeepSurvivesTheServers|TestQuorumIsRecoveredByMany|TestBackupIsKilled)$$' ./servers)
	hack/fuzz.sh $(SOAK)

demo: ## Start everything on this machine and watch the samples become Ready.
	exec hack/demo.sh $(DEMO_FLAGS)

demo-openbao: ## Run OpenBao servers on a node on this machine; needs root.
	exec hack/demo-openbao.sh $(DEMO_FLAGS)

bench: ## Measure the operator and print a table; tests/bench/README.md explains it.
	hack/build-tools.sh etcd kubernetes
	cd tests && go run ./bench $(BENCH_FLAGS)

# Not part of verify: it asks a database on the network, vuln.go.dev or GOVULNDB.
vulncheck: ## Look up known vulnerabilities in what the operator calls.
	hack/build-tools.sh govulncheck
	"$$(hack/build-tools.sh --path govulncheck)" ./cmd/... ./pkg/...

clean: ## Remove what make built in the checkout; tools stay in the cache.
	rm -rf bin dist .demo
