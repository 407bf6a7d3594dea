#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Fails, and lists what differs, when a generated file is not what
# hack/update-codegen.sh writes. It works in a copy and leaves the checkout as
# it is.

set -o errexit
set -o nounset
set -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What the generators read and write.
readonly inputs=(go.mod go.sum hack pkg)
readonly outputs=(pkg/apis generated manifests/crds docs charts/bailiwick/templates/generated)

copy="$(mktemp -d)"
trap 'rm -rf "${copy}"' EXIT
for path in "${inputs[@]}" generated manifests docs charts; do
  mkdir -p "${copy}/$(dirname "${path}")"
  cp -R "${path}" "${copy}/${path}"
done

# The log is of interest only when the generators fail.
if ! "${copy}/hack/update-codegen.sh" > "${copy}/log" 2>&1; then
  cat "${copy}/log" >&2
  exit 1
fi

status=0
for path in "${outputs[@]}"; do
  diff -ruN "${path}" "${copy}/${path}" || status=1
done
if ((status != 0)); then
  echo "Generated files differ from their sources: run hack/update-codegen.sh." >&2
fi
exit "${status}"
