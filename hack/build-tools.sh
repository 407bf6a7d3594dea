#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Builds the programs that tests and checks run, from the modules in hack/tools,
# into a cache outside the checkout: one directory for each version, so that a
# program is built once however many checkouts there are.
#
#   hack/build-tools.sh                  build what tests/stack needs
#   hack/build-tools.sh NAME...          build these programs, or groups of them
#   hack/build-tools.sh --path NAME...   print where each program is or will be
#
# Groups: kubernetes (kube-apiserver, kube-controller-manager and kubectl), and for
# tests/node kubernetes-node (kubelet, kube-proxy and kube-scheduler) and node.
# openbao-server serves one node on loopback; bao is for pods.
#
# Programs of different modules are built side by side, those that are named first
# with more of the machine.
#
# etcd, kube-apiserver and kubectl of KUBEBUILDER_ASSETS are used instead of built
# ones, if they are new enough. With BAILIWICK_PREBUILT=any, those that setup-envtest
# has downloaded and those in PATH are, too.
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

# expand NAME... prints the programs that the names stand for.
expand() {
  local name
  for name in "$@"; do
    case "${name}" in
      kubernetes) echo kube-apiserver kube-controller-manager kubectl ;;
      kubernetes-node) echo kubelet kube-proxy kube-scheduler ;;
      node) echo coredns pause probe provisioner ;;
      *) echo "${name}" ;;
    esac
  done
}

# describe PROGRAM sets module (a folder of hack/tools), package, version and ldflags.
describe() {
  local versioned major_minor ldflags_package
  ldflags="-s -w"
  case "$1" in
    etcd) module=etcd package=go.etcd.io/etcd/server/v3 versioned="${package}" ;;
    kube-apiserver | kube-controller-manager | kubectl | kubelet | kube-proxy | kube-scheduler)
      module=kubernetes package="k8s.io/kubernetes/cmd/$1" versioned=k8s.io/kubernetes
      ;;
    openbao-server) module=openbao-server package=. versioned=github.com/hashicorp/vault ;;
    bao) module=openbao-server package=./bao versioned=github.com/hashicorp/vault ;;
    kube-router)
      module=kube-router package=github.com/cloudnativelabs/kube-router/v2/cmd/kube-router
      versioned=github.com/cloudnativelabs/kube-router/v2
      ;;
    coredns | pause | probe | provisioner) module=node package="./$1" versioned=github.com/coredns/coredns ;;
    golangci-lint)
      module=golangci-lint package=github.com/golangci/golangci-lint/v2/cmd/golangci-lint
      versioned=github.com/golangci/golangci-lint/v2
      ;;
    versitygw) module=versitygw package=github.com/versity/versitygw/cmd/versitygw versioned=github.com/versity/versitygw ;;
    fake-gcs-server) module=fake-gcs-server package=github.com/fsouza/fake-gcs-server versioned="${package}" ;;
    helm) module=helm package=helm.sh/helm/v4/cmd/helm versioned=helm.sh/helm/v4 ;;
    govulncheck) module=govulncheck package=golang.org/x/vuln/cmd/govulncheck versioned=golang.org/x/vuln ;;
    *) fail "unknown tool $1; see the first lines of $0" ;;
  esac
  version="$(awk -v module="${versioned}" '
    $1 == "require" { $0 = substr($0, index($0, $2)) }
    $1 == module && $2 ~ /^v/ { print $2; exit }
  ' "${tools_src}/${module}/go.mod")"
  [[ -n "${version}" ]] || fail "no version of ${versioned} in ${tools_src}/${module}/go.mod"
  if [[ "${module}" == kubernetes ]]; then
    # A build from the module has no version of its own, and clients compare it.
    major_minor="${version#v}"
    ldflags_package="k8s.io/component-base/version"
    ldflags+=" -X ${ldflags_package}.gitVersion=${version}"
    ldflags+=" -X ${ldflags_package}.gitMajor=${major_minor%%.*}"
    major_minor="${major_minor#*.}"
    ldflags+=" -X ${ldflags_package}.gitMinor=${major_minor%%.*}"
    ldflags+=" -X ${ldflags_package}.gitTreeState=clean"
  elif [[ "${module}" == helm ]]; then
    ldflags+=" -X helm.sh/helm/v4/internal/version.version=${version}"
  fi
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

# directory PROGRAM prints the directory of the build that describe has described.
# Everything that makes one build differ from another is in its name.
directory() {
  local digest
  digest="$({
    uname -sm
    echo "${package} ${ldflags}"
    cd "${tools_src}/${module}"
    cat go.mod go.sum
    find . -name '*.go' ! -name '*_test.go' -exec cat {} + | LC_ALL=C sort
  } | sha256)"
  echo "${tools_cache}/$1/${version}-${digest:0:12}"
}

# minimum PROGRAM prints the oldest version, as MAJOR.MINOR, whose features the
# manifests and the tests use; it fails for a program that is always built.
minimum() {
  case "$1" in
    etcd) echo 3.5 ;;
    kube-apiserver) echo 1.34 ;;
    kubectl) echo 1.30 ;;
    *) return 1 ;;
  esac
}

# release FILE prints the version that the program says it has, as MAJOR.MINOR.
release() {
  local flags=(--version)
  [[ "$(basename "$1")" != kubectl ]] || flags=(version --client)
  "$1" "${flags[@]}" 2>/dev/null | grep --only-matching --extended-regexp '[0-9]+\.[0-9]+' | head -n 1
}

# prebuilt PROGRAM prints where the machine has it, new enough.
prebuilt() {
  local least folder folders=() found
  least="$(minimum "$1")" || return 1
  [[ -z "${KUBEBUILDER_ASSETS:-}" ]] || folders+=("${KUBEBUILDER_ASSETS}")
  if [[ "${BAILIWICK_PREBUILT:-}" == any ]]; then
    # The newest of setup-envtest comes first.
    while read -r folder; do folders+=("${folder}"); done < <(
      printf '%s\n' "${XDG_DATA_HOME:-${HOME}/.local/share}"/kubebuilder-envtest/k8s/*-"$(go env GOOS)-$(go env GOARCH)" | sort --reverse --version-sort
    )
    folders+=(/usr/local/kubebuilder/bin)
    found="$(command -v "$1" || true)"
    [[ -z "${found}" ]] || folders+=("$(dirname "${found}")")
  fi
  for folder in ${folders[@]+"${folders[@]}"}; do
    [[ -x "${folder}/$1" ]] || continue
    found="$(release "${folder}/$1" || true)"
    if [[ -n "${found}" && "$(printf '%s\n' "${least}" "${found}" | sort --version-sort | head -n 1)" == "${least}" ]]; then
      echo "${folder}/$1"
      return
    fi
  done
  return 1
}

# path PROGRAM prints where it is, or will be.
path() (
  describe "$1"
  built="$(directory "$1")/bin/$1"
  if [[ -n "${KUBEBUILDER_ASSETS:-}" || ! -x "${built}" ]] && prebuilt "$1"; then
    return
  fi
  echo "${built}"
)

# report NAMES TOTAL counts the packages that go build -v names on its input, and
# prints every half minute how far it is.
report() {
  local line count=0 started=${SECONDS} told=${SECONDS} left
  while read -r line; do
    case "${line}" in
      "go: downloading"*) ;;
      *" "*) echo "${line}" >&2 ;; # what is wrong
      *) count=$((count + 1)) ;;
    esac
    if ((SECONDS - told >= 30 && count > 0 && count <= $2)); then
      told=${SECONDS}
      left=$(((SECONDS - started) * ($2 - count) / count / 60 + 1))
      echo "  ... $1: ${count} of $2 packages, about ${left} min left"
    fi
  done
}

# build NICENESS MODULE PROGRAM... builds what is missing of one module.
build() (
  niceness="$1" source_module="$2"
  shift 2
  mkdir -p "${tools_cache}"
  if command -v flock >/dev/null; then
    exec 9>"${tools_cache}/.${source_module}.lock"
    flock --nonblock 9 || { echo "Waiting for another build of $*..." && flock 9; }
  fi
  missing=() packages=()
  for program in "$@"; do
    describe "${program}"
    [[ ! -d "$(directory "${program}")/bin" ]] || continue
    missing+=("${program}")
    packages+=("${package}")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  command -v go >/dev/null || fail "Go is needed to build ${missing[*]}: https://go.dev/doc/install"

  started=${SECONDS}
  partial="$(mktemp -d "${tools_cache}/.partial.XXXXXX")"
  trap 'rm -rf "${partial}"' EXIT
  # A package path does not always end with the name of the program.
  output="${partial}/"
  [[ ${#missing[@]} -gt 1 ]] || output="${partial}/${missing[0]}"
  cd "${tools_src}/${source_module}"
  echo "Building ${missing[*]} ${version} (first time only)..."
  # Downloads happen here, so that they do not count as building.
  total="$(go list -mod=readonly -trimpath -buildvcs=false -ldflags "${ldflags}" -deps \
    -f '{{if .Stale}}{{.ImportPath}}{{end}}' "${packages[@]}" 2>/dev/null | wc -l)" || true
  nice -n "${niceness}" go build -v -mod=readonly -buildvcs=false -trimpath -ldflags "${ldflags}" -o "${output}" "${packages[@]}" \
    2> >(report "${missing[*]}" "${total}") || fail "building ${missing[*]} failed"
  for program in "${missing[@]}"; do
    describe "${program}"
    target="$(directory "${program}")"
    mkdir -p "${partial}/${program}.d/bin" "$(dirname "${target}")"
    mv "${partial}/${program}" "${partial}/${program}.d/bin/"
    # The rename makes the build visible as a whole. Without flock another build
    # may have been first, and then this one is surplus.
    [[ -d "${target}" ]] || mv "${partial}/${program}.d" "${target}"
  done
  echo "Built ${missing[*]} in $((SECONDS - started)) s"
)

if [[ "${1:-}" == "--path" ]]; then
  shift
  [[ $# -gt 0 ]] || fail "--path needs the name of a program"
  for program in "$@"; do
    path "${program}"
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

# What is to be built, as MODULE:PROGRAM, in the order of the arguments.
missing=()
modules=()
for program in $(expand "$@"); do
  describe "${program}"
  # One program can be named twice, by itself and by its group.
  [[ " ${missing[*]-} " != *" ${module}:${program} "* ]] || continue
  file="$(path "${program}")"
  if [[ -x "${file}" ]]; then
    [[ "${file}" == "${tools_cache}"/* ]] || echo "Using ${file}, $(release "${file}")"
    continue
  fi
  missing+=("${module}:${program}")
  [[ " ${modules[*]-} " == *" ${module} "* ]] || modules+=("${module}")
done
builds=()
niceness=0
for module in ${modules[@]+"${modules[@]}"}; do
  programs=()
  for program in "${missing[@]}"; do
    [[ "${program}" != "${module}":* ]] || programs+=("${program#*:}")
  done
  build "${niceness}" "${module}" "${programs[@]}" &
  builds+=("$!")
  niceness=5
done
failed=0
for pid in ${builds[@]+"${builds[@]}"}; do
  wait "${pid}" || failed=1
done
exit "${failed}"
