// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the aiven.io/v1alpha1 API: Aiven services and what
// lives inside them, as Kubernetes objects.
//
// Manifests written for the aiven-operator are valid here: field names,
// defaults, limits and validation rules are the same. On top of them the
// status carries observedGeneration and adopted, its conditions are a list
// keyed by type, and no status field is required.
//
// One kind is one <kind>_types.go file. Everything called zz_generated, and the
// userconfig packages below, is written by hack/update-codegen.sh.
//
// +groupName=aiven.io
// +k8s:deepcopy-gen=package
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=com.github.bailiwick-operator.bailiwick.pkg.apis.aiven.v1alpha1
package v1alpha1
