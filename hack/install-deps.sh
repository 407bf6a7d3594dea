#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Installs what tests can use but do not build. All of it is optional: without it
# this script says what is lost, and succeeds.
#
#   hack/install-deps.sh            all of it
#   hack/install-deps.sh postgres   one part: postgres or node
#
#   postgres    backs the Aiven simulator's PostgreSQL services, so that published
#               details connect
#   node        containerd and the programs around it, of which the node of
#               tests/node is made together with what hack/build-tools.sh builds

set -o errexit -o nounset -o pipefail

# install PACKAGE... installs Debian packages, if this machine can.
install() {
  [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null || return 1
  apt-get update -q &&
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

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

postgres() {
  local bin
  if bin="$(find_postgres)" || { echo "Installing PostgreSQL..." && install postgresql && bin="$(find_postgres)"; }; then
    echo "PostgreSQL: ${bin}"
    return
  fi
  cat >&2 <<'TEXT'
PostgreSQL (initdb, postgres) is not installed, and could not be installed here.
Tests that connect to a simulated PostgreSQL service will be skipped; all others run.
To have them too: install the package "postgresql" (Debian, Ubuntu), "postgresql-server"
(Fedora) or "postgresql" (Homebrew), and start again.
TEXT
}

readonly node_packages=(containerd runc containernetworking-plugins nftables iproute2 ipset iptables)

# has_node tells whether the programs of a node are there; the CNI plugins are in
# no PATH.
has_node() {
  local program
  for program in containerd ctr runc ip nft ipset iptables; do
    command -v "${program}" >/dev/null || return 1
  done
  [[ -x /usr/lib/cni/bridge || -x /opt/cni/bin/bridge ]]
}

node() {
  if has_node; then
    echo "containerd: $(command -v containerd)"
    return
  fi
  # The node starts a containerd of its own. Where there is a service manager, the
  # package would start another one, which nobody has asked for.
  if [[ "$(uname -s)" == Linux && ! -d /run/systemd/system ]]; then
    echo "Installing containerd..."
    if install "${node_packages[@]}" && has_node; then
      echo "containerd: $(command -v containerd)"
      return
    fi
  fi
  cat >&2 <<TEXT
Not all programs of a Kubernetes node are installed, and they were not installed here.
Tests that need a node (tests/node) will be skipped; all others run. To have them too,
on Linux and as root: install ${node_packages[*]}
(their names on Debian and Ubuntu), and start again.
TEXT
}

if [[ $# -eq 0 ]]; then
  set -- postgres node
fi
for part in "$@"; do
  case "${part}" in
    postgres | node) "${part}" ;;
    *)
      echo "install-deps: there is no part ${part}" >&2
      exit 1
      ;;
  esac
done
