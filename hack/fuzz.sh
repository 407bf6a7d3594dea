#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Runs every fuzz target of the root module, one after the other, each for the
# time that the first argument gives (30s).

set -o errexit -o nounset -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time="${1:-30s}"
go test -list '^Fuzz' ./pkg/... | awk '/^Fuzz/ { targets[++n] = $1 } /^ok/ { for (i = 1; i <= n; i++) print $2, targets[i]; n = 0 }' |
	while read -r package target; do
		echo "Fuzzing ${target} of ${package} for ${time}"
		go test -run '^$' -fuzz "^${target}\$" -fuzztime "${time}" "${package}" </dev/null
	done
