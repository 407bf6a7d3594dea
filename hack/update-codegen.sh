#!/usr/bin/env bash

# Copyright The Bailiwick Authors.
# SPDX-License-Identifier: Apache-2.0

# Writes everything that is generated, most of it from the API types, in this order:
#   userconfig packages  hack/userconfig, from the schemas that Aiven publishes
#   zz_generated.*.go    deepcopy-gen, register-gen, openapi-gen (model names)
#   generated/openapi    openapi-gen
#   generated/*          applyconfiguration-gen, client-gen, lister-gen, informer-gen
#   manifests/crds       controller-gen, and the kustomization that lists them
#   docs                 hack/docs: the API reference, the flags, the reasons
#   charts               hack/chart: templates/generated, from manifests
# The generators are tools of hack/tools/codegen, which pins their versions. Once
# their modules are in the module cache, no network is needed.
#
# A group is a folder pkg/apis/<group>/<version> with a doc.go that names its
# groupName. Nothing needs to be listed here when one is added.

set -o errexit
set -o nounset
set -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C GOFLAGS="${GOFLAGS:-} -mod=readonly" GOWORK=off

readonly module="github.com/bailiwick-operator/bailiwick"
readonly header="hack/boilerplate.go.txt"
readonly out="generated"

# tool runs a generator of hack/tools/codegen in the current folder.
tool() {
  local bin
  bin="$(cd hack/tools/codegen && go tool -n "$1")"
  shift
  "${bin}" "$@"
}

# step says what happens next.
step() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }

# swap installs a freshly generated folder in place of the last one, so that
# nothing outlives the type that it was generated for.
swap() {
  rm -rf "${2:?}"
  mkdir -p "$(dirname "$2")"
  mv "$1" "$2"
}

tmp="$(mktemp -d)"
trap 'rm -rf "${tmp}"' EXIT

step "User configurations"
(cd hack/userconfig && go run . -header ../boilerplate.go.txt -out ../../pkg/apis/aiven/v1alpha1/userconfig)

# Folders of API groups (with clients), and of all packages with API types.
groups=()
packages=()
while read -r file; do
  dir="$(dirname "${file}")"
  packages+=("./${dir}")
  if grep -q '^// +groupName=' "${file}"; then
    groups+=("${dir}")
  fi
done < <(grep -rl --include='*.go' '^// +k8s:deepcopy-gen=package' pkg/apis | sort)
group_packages=("${groups[@]/#/./}")

step "Deep copies and registration"
find pkg/apis -name 'zz_generated.*.go' ! -name 'zz_generated.userconfig.go' -delete
tool deepcopy-gen --go-header-file "${header}" --output-file zz_generated.deepcopy.go "${packages[@]}"
tool register-gen --go-header-file "${header}" --output-file zz_generated.register.go "${group_packages[@]}"

step "OpenAPI"
# The types of apimachinery are read, not written.
machinery=(k8s.io/apimachinery/pkg/{apis/meta/v1,runtime,types,version,api/resource,util/intstr})
readonly_args=(--readonly-pkg time)
for p in "${machinery[@]}"; do readonly_args+=(--readonly-pkg "${p}"); done
extra=()
if grep -rqs '"k8s.io/api/core/v1"' "${groups[@]}" --include='*_types.go'; then
  extra+=(k8s.io/api/core/v1)
  readonly_args+=(--readonly-pkg k8s.io/api/core/v1)
fi
rm -rf "${out}/openapi"
tool openapi-gen --go-header-file "${header}" \
  --output-file zz_generated.openapi.go --output-model-name-file zz_generated.model_name.go \
  --output-dir "${out}/openapi" --output-pkg "${module}/${out}/openapi" \
  --report-filename "${tmp}/violations" "${readonly_args[@]}" \
  "${machinery[@]}" "${extra[@]}" "${packages[@]}"
go run ./hack/models-schema > "${tmp}/schema.json"

step "Apply configurations"
mkdir "${tmp}/applyconfiguration"
tool applyconfiguration-gen --go-header-file "${header}" --openapi-schema "${tmp}/schema.json" \
  --output-dir "${tmp}/applyconfiguration" --output-pkg "${module}/${out}/applyconfiguration" "${group_packages[@]}"
# The generator drops lists and maps that are set and empty; an absent one is nil.
find "${tmp}/applyconfiguration" -name '*.go' -exec \
  sed -i.bak -E '/^	[A-Za-z]+ +(\[\]|map\[)/ s/,omitempty"`$/,omitzero"`/' {} +
find "${tmp}/applyconfiguration" -name '*.bak' -delete
swap "${tmp}/applyconfiguration" "${out}/applyconfiguration"

step "Clients"
inputs=()
for g in "${groups[@]}"; do inputs+=(--input "${g#pkg/apis/}"); done
mkdir "${tmp}/clientset" "${tmp}/listers" "${tmp}/informers"
tool client-gen --go-header-file "${header}" --clientset-name versioned \
  --input-base "${module}/pkg/apis" "${inputs[@]}" \
  --apply-configuration-package "${module}/${out}/applyconfiguration" \
  --output-dir "${tmp}/clientset" --output-pkg "${module}/${out}/clientset"
swap "${tmp}/clientset" "${out}/clientset"

step "Listers and informers"
tool lister-gen --go-header-file "${header}" \
  --output-dir "${tmp}/listers" --output-pkg "${module}/${out}/listers" "${group_packages[@]}"
swap "${tmp}/listers" "${out}/listers"
tool informer-gen --go-header-file "${header}" \
  --versioned-clientset-package "${module}/${out}/clientset/versioned" --listers-package "${module}/${out}/listers" \
  --output-dir "${tmp}/informers" --output-pkg "${module}/${out}/informers" "${group_packages[@]}"
swap "${tmp}/informers" "${out}/informers"

step "Custom resource definitions"
mkdir "${tmp}/crds"
paths=()
for g in "${group_packages[@]}"; do paths+=("paths=${g}"); done
tool controller-gen crd:allowDangerousTypes=true "${paths[@]}" output:crd:dir="${tmp}/crds"
{
  printf '%s\n' 'apiVersion: kustomize.config.k8s.io/v1beta1' 'kind: Kustomization' 'resources:'
  (cd "${tmp}/crds" && printf '  - %s\n' *.yaml)
} > "${tmp}/kustomization.yaml"
mv "${tmp}/kustomization.yaml" "${tmp}/crds"
swap "${tmp}/crds" manifests/crds

# kubectl apply keeps the whole object in an annotation of at most 256 KiB.
too_large="$(find manifests/crds -name '*.yaml' -size +250k)"
if [[ -n "${too_large}" ]]; then
  echo "too large for kubectl apply: ${too_large}" >&2
  exit 1
fi

step "Reference pages"
go run ./hack/docs

step "Chart"
go run ./hack/chart manifests charts/bailiwick/templates/generated

step "Done"
