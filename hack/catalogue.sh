#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Reads with a root token which paths a server of the OpenBao API has, and writes
# them to the file of its minor version in pkg/authz/catalogue. The server is the one
# that BAO_BIN names, or the embedded one where there is none.
#
# Run it for every minor version that is to be supported. A file stays when its
# version is not, since every identity is asked about the paths of all files.

set -o errexit -o nounset -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

go run -C tests ./catalogue/cmd/catalogue --out "${PWD}/pkg/authz/catalogue"
