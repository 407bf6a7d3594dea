// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// sourceSecret reads, live, a Secret of the object's namespace that a field of its
// spec names. What is in it is compared with the remote at each sync and kept
// nowhere.
func (r *remote) sourceSecret(ctx context.Context, field, name string) (*corev1.Secret, error) {
	secret, err := r.secrets.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		r.sources(name, "")
		return nil, sourceMissing("Secret %q, named by spec.%s, does not exist.", name, field)
	case apierrors.IsForbidden(err):
		p := &reconcile.Problem{
			Reason:  reasonSourceSecret,
			Message: fmt.Sprintf("The operator may not get Secret %q, named by spec.%s. Grant it; the Secret is read again within minutes, or immediately after any annotation of this object changes.", name, field),
			Phase:   reconcile.PhasePreconditions,
		}
		p.Next = reconcile.Retry(p)
		return nil, p
	case err != nil:
		return nil, fmt.Errorf("get source secret: %w", err)
	}
	r.sources(name, SecretVersion(secret))
	return secret, nil
}

// SecretVersion tells states of a Secret apart, also of one that was deleted and made
// again.
func SecretVersion(secret metav1.Object) string {
	return string(secret.GetUID()) + "/" + secret.GetResourceVersion()
}

// sourceKey returns the value of a key of such a Secret.
func sourceKey(secret *corev1.Secret, field, key string) (string, error) {
	value, ok := secret.Data[key]
	if !ok {
		return "", sourceMissing("Secret %q, named by spec.%s, has no key %q.", secret.Name, field, key)
	}
	return string(value), nil
}

// sourceMissing says what is not there yet: it may be applied a moment after the
// object that names it. The object is woken when it is.
func sourceMissing(format string, args ...any) *reconcile.Problem {
	return reconcile.Waiting(reasonSourceSecret, fmt.Sprintf(format, args...)+" It is waited for.")
}

// sourceProblem is the Problem with what is in such a Secret, whose change wakes the
// object. Values are never part of it.
func sourceProblem(format string, args ...any) *reconcile.Problem {
	return &reconcile.Problem{
		Reason:  reasonSourceSecret,
		Message: fmt.Sprintf(format, args...) + " Correct the Secret; the change is noticed within half a minute.",
		Phase:   reconcile.PhasePreconditions,
	}
}

// sourcePassword reads the password that a spec names, and the state that its
// Secret is in. It is "" and nil without a source.
func (r *remote) sourcePassword(ctx context.Context, source *v1alpha1.ConnInfoSecretSource) (string, *sourceState, error) {
	const field = "connInfoSecretSource"
	if source == nil {
		return "", nil, nil
	}
	secret, err := r.sourceSecret(ctx, field, source.Name)
	if err != nil {
		return "", nil, err
	}
	password, err := sourceKey(secret, field, source.PasswordKey)
	if err != nil {
		return "", nil, err
	}
	if n := len(password); n < 8 || n > 256 {
		return "", nil, sourceProblem("password length must be between 8 and 256 characters, got %d in Secret %q.", n, source.Name)
	}
	return password, r.digester.stateOf(secret, password), nil
}

// secretReference names a source Secret of an object, which is woken when the
// Secret changes.
func secretReference(obj metav1.Object, name string) reconcile.Reference {
	return reconcile.Reference{Kind: reconcile.KindSecret, Name: cache.NewObjectName(obj.GetNamespace(), name)}
}
