#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Fails unless the modules that hold our code are tidy, all modules use the same
# minor version of the Kubernetes libraries, and every direct dependency of the
# operator has its reason in pkg/README.md, by itself or in one for PARENT/... Modules that only pin tools are left
# out of the first: tidying them downloads what their dependencies are tested with.

set -o errexit -o nounset -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

status=0
while read -r mod; do
  if ! (cd "$(dirname "${mod}")" && GOWORK=off go mod tidy -diff); then
    echo "verify-modules: ${mod} is not tidy; run go mod tidy in $(dirname "${mod}")" >&2
    status=1
  fi
done < <(git ls-files -- '*go.mod' 'go.mod' | grep -v '^hack/tools/' | sort -u)

minors="$(git ls-files -- '*go.mod' 'go.mod' | sort -u | xargs awk '
  /\/\/ indirect/ { next }
  { sub(/^require /, "") }
  $1 ~ /^k8s.io\/(api|apimachinery|client-go|code-generator|component-base)$/ && $2 ~ /^v0/ { split($2, v, "."); print v[2] }' | sort -u)"
if [[ "$(wc -w <<<"${minors}")" -ne 1 ]]; then
  echo "verify-modules: the modules use several minor versions of the Kubernetes libraries: ${minors//$'\n'/ }" >&2
  status=1
fi

has_reason() {
  local path="$1"
  grep -qF "\`${path}\`" pkg/README.md && return
  while :; do
    grep -qF "\`${path}/...\`" pkg/README.md && return
    [[ "${path}" == */*/* ]] || return 1
    path="${path%/*}"
  done
}

while read -r dependency; do
  if ! has_reason "${dependency}"; then
    echo "verify-modules: ${dependency} has no reason in pkg/README.md" >&2
    status=1
  fi
done < <(go list -m -f '{{if not (or .Indirect .Main)}}{{.Path}}{{end}}' all | sed '/^$/d')

exit "${status}"
