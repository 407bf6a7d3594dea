#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Renders every kustomization under manifests/, and what people apply by itself, and
# checks what that grants and starts (hack/verify-manifests). Arguments are passed to kubectl; with some, the
# API server that they name checks the objects too:
#
#   hack/verify-manifests.sh --kubeconfig=FILE
#
# That needs the CRDs installed, and the namespaces of overlays/namespaced.

set -o errexit
set -o nounset
set -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kubectl="${KUBECTL:-kubectl}"

rendered="$(mktemp -d)"
trap 'rm -rf "${rendered}"' EXIT
while read -r file; do
  # Rendered as part of an overlay.
  if grep --quiet '^kind: Component$' "${file}"; then
    continue
  fi
  folder="$(dirname "${file}")"
  name="${folder#manifests/}"
  "${kubectl}" kustomize "${folder}" > "${rendered}/${name//\//_}.yaml"
done < <(find manifests -name kustomization.yaml | sort)
# In no kustomization.
cp manifests/rbac/optional/delete_migration_secrets.yaml "${rendered}/rbac_optional_delete_migration_secrets.yaml"

go run ./hack/verify-manifests "${rendered}"

if (($# > 0)); then
  for name in base rbac_optional{,_delete_migration_secrets,_prove-identities,_prove-identities_restore,_run-servers} samples-all overlays_{aiven-only,debug,default-token,namespaced,one-process,openbao-only}; do
    echo "== ${name}"
    "${kubectl}" "$@" apply --server-side --dry-run=server -f "${rendered}/${name}.yaml" > /dev/null
  done
fi
