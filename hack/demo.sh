#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Builds what the demo needs to begin, side by side, and runs it. The demo builds
# the rest while its first objects become Ready. The arguments are the demo's.

set -o errexit -o nounset -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Programs that this machine has need not be built.
export BAILIWICK_PREBUILT="${BAILIWICK_PREBUILT:-any}"

jobs=()
hack/install-deps.sh postgres &
jobs+=("$!")
hack/build-tools.sh kube-apiserver kubectl etcd &
jobs+=("$!")
(cd tests && CGO_ENABLED=0 go build -trimpath -o ../bin/demo ./demo) &
jobs+=("$!")
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/bailiwick ./cmd/bailiwick &
jobs+=("$!")
for job in "${jobs[@]}"; do
  wait "${job}"
done

exec bin/demo "$@"
