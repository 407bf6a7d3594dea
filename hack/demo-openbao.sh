#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Builds what the demo of OpenBao servers needs, side by side, and runs it. The
# arguments are the demo's.

set -o errexit -o nounset -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ "$(uname -s)" != Linux || "$(id -u)" != 0 ]]; then
  echo "demo-openbao: a Kubernetes node on this machine needs Linux and root." >&2
  exit 1
fi

# Programs that this machine has need not be built.
export BAILIWICK_PREBUILT="${BAILIWICK_PREBUILT:-any}"

jobs=()
hack/install-deps.sh node &
jobs+=("$!")
programs=(etcd kubernetes kubernetes-node kube-router node)
# A server of the reader's own takes the place of the built one.
[[ -n "${BAO_BIN:-}${BAO_IMAGE:-}" ]] || programs+=(bao)
hack/build-tools.sh "${programs[@]}" &
jobs+=("$!")
(cd tests && CGO_ENABLED=0 go build -trimpath -o ../bin/demo-openbao ./demo-openbao) &
jobs+=("$!")
for job in "${jobs[@]}"; do
  wait "${job}"
done

exec bin/demo-openbao "$@"
