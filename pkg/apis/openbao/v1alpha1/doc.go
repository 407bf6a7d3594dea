// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// +k8s:deepcopy-gen=package
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=com.github.bailiwick-operator.bailiwick.pkg.apis.openbao.v1alpha1
// +groupName=openbao.org
// +groupGoName=OpenBao

// Package v1alpha1 holds the OpenBao API of Bailiwick.
//
// The group, the kind and the fields are those of the openbao-operator, so that
// its manifests apply unchanged; a field that Bailiwick does not act on yet is
// validated and kept. What Bailiwick adds is spec.authorization and
// status.authorization.
package v1alpha1
