#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Installs what tests can use but do not build: PostgreSQL, with which the Aiven
# simulator backs its PostgreSQL services so that published details connect.
# It is optional: without it this script says what is lost, and succeeds.

set -o errexit -o nounset -o pipefail

# Debian keeps initdb and postgres out of PATH, below a directory per version.
find_postgres() {
  local candidate
  for candidate in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb; do
    if [[ -x "${candidate}" && -x "$(dirname "${candidate}")/postgres" ]]; then
      dirname "${candidate}"
      return
    fi
  done
  return 1
}

if bin="$(find_postgres)"; then
  echo "PostgreSQL: ${bin}"
  exit
fi

if [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null; then
  echo "Installing PostgreSQL..."
  if apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql && bin="$(find_postgres)"; then
    echo "PostgreSQL: ${bin}"
    exit
  fi
fi

cat >&2 <<'TEXT'
PostgreSQL (initdb, postgres) is not installed, and could not be installed here.
Tests that connect to a simulated PostgreSQL service will be skipped; all others run.
To have them too: install the package "postgresql" (Debian, Ubuntu), "postgresql-server"
(Fedora) or "postgresql" (Homebrew), and start again.
TEXT
