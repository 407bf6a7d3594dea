#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Builds the programs that tests and checks run, from the modules in hack/tools,
# into a cache outside the checkout: one directory for each version, so that a
# tool is built once however many checkouts there are.
#
#   hack/build-tools.sh                  build what tests/stack needs
#   hack/build-tools.sh TOOL...          build these, or what holds these binaries
#   hack/build-tools.sh --path BINARY... print where each binary is or will be
#
# Tools: etcd, kubernetes, openbao-server, golangci-lint, govulncheck, and for the
# node of tests/node kubernetes-node, kube-router and node.
# BAILIWICK_CACHE moves the cache; the default is ~/.cache/bailiwick.

set -o errexit -o nounset -o pipefail

tools_src="$(cd "$(dirname "${BASH_SOURCE[0]}")/tools" && pwd -P)"
tools_cache="${BAILIWICK_CACHE:-${XDG_CACHE_HOME:-${HOME}/.cache}/bailiwick}/tools"

# Static binaries need no C compiler, and run on other machines of the platform.
export CGO_ENABLED=0 GOWORK=off
unset GOOS GOARCH

fail() {
  echo "build-tools: $*" >&2
  exit 1
}

# tool_of NAME prints the tool that holds the binary NAME.
tool_of() {
  case "$1" in
    etcd | kubernetes | openbao-server | golangci-lint | govulncheck | kubernetes-node | kube-router | node) echo "$1" ;;
    kube-apiserver | kube-controller-manager | kubectl) echo kubernetes ;;
    kubelet | kube-proxy | kube-scheduler) echo kubernetes-node ;;
    coredns | pause | probe | provisioner) echo node ;;
    *) fail "unknown tool $1; there are etcd, kubernetes, openbao-server, golangci-lint, govulncheck, kubernetes-node, kube-router and node" ;;
  esac
}

# module_version TOOL MODULE prints the version of MODULE that TOOL's go.mod requires.
module_version() {
  awk -v module="$2" '
    $1 == "require" { $0 = substr($0, index($0, $2)) }
    $1 == module && $2 ~ /^v/ { print $2; exit }
  ' "${tools_src}/$1/go.mod"
}

# describe TOOL sets module (a folder of hack/tools), version, packages, ldflags,
# title and duration.
describe() {
  local major_minor ldflags_package
  ldflags="-s -w"
  module="$1"
  case "$1" in
    etcd)
      version="$(module_version etcd go.etcd.io/etcd/server/v3)"
      packages="etcd=go.etcd.io/etcd/server/v3"
      title="etcd" duration="1 minute"
      ;;
    kubernetes | kubernetes-node)
      module="kubernetes"
      version="$(module_version kubernetes k8s.io/kubernetes)"
      if [[ "$1" == kubernetes ]]; then
        packages="kube-apiserver=k8s.io/kubernetes/cmd/kube-apiserver
          kube-controller-manager=k8s.io/kubernetes/cmd/kube-controller-manager
          kubectl=k8s.io/kubernetes/cmd/kubectl"
        title="kube-apiserver, kube-controller-manager and kubectl" duration="8 minutes"
      else
        packages="kubelet=k8s.io/kubernetes/cmd/kubelet
          kube-proxy=k8s.io/kubernetes/cmd/kube-proxy
          kube-scheduler=k8s.io/kubernetes/cmd/kube-scheduler"
        title="kubelet, kube-proxy and kube-scheduler" duration="3 minutes"
      fi
      # A build from the module has no version of its own, and clients compare it.
      major_minor="${version#v}"
      ldflags_package="k8s.io/component-base/version"
      ldflags+=" -X ${ldflags_package}.gitVersion=${version}"
      ldflags+=" -X ${ldflags_package}.gitMajor=${major_minor%%.*}"
      major_minor="${major_minor#*.}"
      ldflags+=" -X ${ldflags_package}.gitMinor=${major_minor%%.*}"
      ldflags+=" -X ${ldflags_package}.gitTreeState=clean"
      ;;
    openbao-server)
      version="$(module_version openbao-server github.com/hashicorp/vault)"
      packages="openbao-server=."
      title="openbao-server, on core" duration="4 minutes"
      ;;
    kube-router)
      version="$(module_version kube-router github.com/cloudnativelabs/kube-router/v2)"
      packages="kube-router=github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
      title="kube-router" duration="2 minutes"
      ;;
    node)
      version="$(module_version node github.com/coredns/coredns)"
      packages="coredns=./coredns pause=./pause probe=./probe provisioner=./provisioner"
      title="the small programs of the test node, with CoreDNS" duration="3 minutes"
      ;;
    golangci-lint)
      version="$(module_version golangci-lint github.com/golangci/golangci-lint/v2)"
      packages="golangci-lint=github.com/golangci/golangci-lint/v2/cmd/golangci-lint"
      title="golangci-lint" duration="2 minutes"
      ;;
    govulncheck)
      version="$(module_version govulncheck golang.org/x/vuln)"
      packages="govulncheck=golang.org/x/vuln/cmd/govulncheck"
      title="govulncheck" duration="1 minute"
      ;;
  esac
  [[ -n "${version}" ]] || fail "no version in ${tools_src}/${module}/go.mod"
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

# directory TOOL prints the directory of the build that describe has described.
# Everything that makes one build differ from another is in its name.
directory() {
  local digest
  digest="$({
    uname -sm
    echo "${packages} ${ldflags}"
    cd "${tools_src}/${module}"
    cat go.mod go.sum
    find . -name '*.go' -exec cat {} + | LC_ALL=C sort
  } | sha256)"
  echo "${tools_cache}/$1/${version}-${digest:0:12}"
}

# with_progress COMMAND... runs it, and prints a line each half minute until it ends.
with_progress() (
  started=${SECONDS}
  while sleep 1 >/dev/null; do
    if (((SECONDS - started) % 30 == 29)); then
      echo "  ... $((SECONDS - started + 1)) s"
    fi
  done &
  ticker=$!
  trap 'kill "${ticker}"' EXIT
  "$@"
)

# compile TOOL DIRECTORY builds every binary of TOOL into DIRECTORY.
compile() {
  local binary
  for binary in ${packages}; do
    go build -C "${tools_src}/${module}" -mod=readonly -buildvcs=false -trimpath -ldflags "${ldflags}" \
      -o "$2/${binary%%=*}" "${binary#*=}" || return
  done
}

build() (
  describe "$1"
  target="$(directory "$1")"
  [[ ! -d "${target}/bin" ]] || return 0

  command -v go >/dev/null || fail "Go is needed to build $1: https://go.dev/doc/install"
  mkdir -p "${tools_cache}/$1"
  if command -v flock >/dev/null; then
    exec 9>"${tools_cache}/$1/.lock"
    flock --nonblock 9 || { echo "Waiting for another build of $1..." && flock 9; }
    [[ ! -d "${target}/bin" ]] || return 0
  fi

  echo "Building ${title} ${version} (first time only, about ${duration})..."
  started=${SECONDS}
  partial="$(mktemp -d "${target}.partial.XXXXXX")"
  mkdir "${partial}/bin"
  if ! with_progress compile "$1" "${partial}/bin"; then
    rm -rf "${partial}"
    fail "building $1 failed"
  fi
  chmod 0755 "${partial}"
  # The rename makes the build visible as a whole. Without flock another build
  # may have been first, and then this one is surplus.
  [[ -d "${target}" ]] || mv "${partial}" "${target}"
  rm -rf "${partial}"
  echo "Built ${target}/bin in $((SECONDS - started)) s"
)

if [[ "${1:-}" == "--path" ]]; then
  shift
  [[ $# -gt 0 ]] || fail "--path needs the name of a binary"
  for binary in "$@"; do
    tool="$(tool_of "${binary}")"
    [[ "${binary}" != kubernetes ]] || fail "--path needs the name of a binary, such as kube-apiserver"
    describe "${tool}"
    echo "$(directory "${tool}")/bin/${binary}"
  done
  exit
fi

if [[ $# -eq 0 ]]; then
  set -- etcd kubernetes
  if bao="$(command -v "${BAO_BIN:-bao}")"; then
    echo "Using ${bao} for OpenBao"
  else
    set -- "$@" openbao-server
  fi
fi
for name in "$@"; do
  tool="$(tool_of "${name}")"
  build "${tool}"
done
