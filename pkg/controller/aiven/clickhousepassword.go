// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// interrupted reports whether the remote may have been created without a record
// of what the answer said.
func interrupted(obj metav1.Object) bool {
	_, ok := obj.GetAnnotations()[reconcile.AnnotationCreateIntent]
	return ok
}

// publishedPassword reads the password in the object's own connection Secret, "" if
// there is none. readable is false if the Secret may not be read.
func (r *remote) publishedPassword(ctx context.Context, obj *v1alpha1.ClickhouseUser) (password string, readable bool, err error) {
	target, disabled := obj.ConnInfoTarget()
	if disabled {
		return "", true, nil
	}
	secret, err := r.secrets.Get(ctx, target.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", true, nil
	case apierrors.IsForbidden(err):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("get connection secret: %w", err)
	case !metav1.IsControlledBy(secret, obj):
		return "", true, nil
	}
	// The key without a prefix outlives a change of the prefix.
	return string(secret.Data["PASSWORD"]), true, nil
}
