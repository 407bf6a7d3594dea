#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Fails unless hack/licenses/licenses.txt names the licence of every module that
# is linked into the operator, all of them ones that it may be shipped with.
#
#   hack/verify-licenses.sh          check
#   hack/verify-licenses.sh --write  write the list

set -o errexit -o nounset -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

list=hack/licenses/licenses.txt
found="$(GOWORK=off go run -C hack/licenses . -C ../.. ./cmd/...)"
if [[ "${1:-}" == "--write" ]]; then
  echo "${found}" >"${list}"
elif ! diff -u "${list}" <(echo "${found}"); then
  echo "verify-licenses: ${list} is out of date; run hack/verify-licenses.sh --write" >&2
  exit 1
fi
