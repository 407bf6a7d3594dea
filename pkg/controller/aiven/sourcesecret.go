// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// sourceSecret reads, live, a Secret of the object's namespace that a field of its
// spec names. What is in it is compared with the remote at every look and kept
// nowhere.
func (r *remote) sourceSecret(ctx context.Context, field, name string) (*corev1.Secret, error) {
	secret, err := r.secrets.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, sourceProblem("Secret %q, named by spec.%s, does not exist.", name, field)
	case apierrors.IsForbidden(err):
		return nil, sourceProblem("The operator may not get Secret %q, named by spec.%s.", name, field)
	case err != nil:
		return nil, fmt.Errorf("get source secret: %w", err)
	}
	return secret, nil
}

// sourceProblem is the Problem with such a Secret, which is not watched. Values
// are never part of it.
func sourceProblem(format string, args ...any) error {
	p := &reconcile.Problem{
		Reason:  reasonSourceSecret,
		Message: fmt.Sprintf(format, args...) + " Put it right; it is read again within minutes, or at once after any annotation of this object changes.",
		Phase:   reconcile.PhasePreconditions,
	}
	p.Next = reconcile.Retry(p)
	return p
}

// sourcePassword reads the password that a spec names. It is "" without a source.
func (r *remote) sourcePassword(ctx context.Context, source *v1alpha1.ConnInfoSecretSource) (string, error) {
	const field = "connInfoSecretSource"
	if source == nil {
		return "", nil
	}
	secret, err := r.sourceSecret(ctx, field, source.Name)
	if err != nil {
		return "", err
	}
	password, ok := secret.Data[source.PasswordKey]
	if !ok {
		return "", sourceProblem("Secret %q, named by spec.%s, has no key %q.", source.Name, field, source.PasswordKey)
	}
	if n := len(password); n < 8 || n > 256 {
		return "", sourceProblem("password length must be between 8 and 256 characters, got %d in Secret %q.", n, source.Name)
	}
	return string(password), nil
}
