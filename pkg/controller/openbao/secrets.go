// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/owned"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// unsealKeyBytes is the length of a key of the static seal
// (go-kms-wrapping/wrappers/static of OpenBao).
const unsealKeyBytes = 32

// readSecret returns a Secret of the cluster's namespace, nil if there is none.
func (t *task) readSecret(ctx context.Context, name string) (*corev1.Secret, error) {
	secret, err := t.opts.Kube.CoreV1().Secrets(t.obj.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, t.objectProblem(fmt.Errorf("read Secret %s: %w", name, err))
	}
	return secret, nil
}

// newSecret returns a Secret of the cluster. One that outlives the cluster is kept when
// that is deleted: without it, what is on the volumes cannot be read.
func (t *task) newSecret(name string, outlives bool, data map[string][]byte) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: t.obj.Namespace, Labels: workload.Labels(t.obj), OwnerReferences: []metav1.OwnerReference{t.owner.Reference},
		},
		Type: corev1.SecretTypeOpaque, Data: data,
	}
	if outlives {
		owned.Outlive(secret, t.owner)
	}
	return secret
}

// applySecret makes or changes a Secret of the cluster.
func (t *task) applySecret(ctx context.Context, secret *corev1.Secret) error {
	_, change, err := t.keeper.Apply(ctx, t.owner, secretResource, secret)
	if err != nil {
		return t.objectProblem(err)
	}
	t.changed = t.changed || change != owned.Unchanged
	return nil
}

// ownSecret reports whether a Secret belongs to the cluster. The error is the Problem
// that says that it does not.
func (t *task) ownSecret(secret *corev1.Secret, outlives bool) error {
	if outlives && secret.Annotations[owned.OwnerUIDAnnotation] == string(t.obj.UID) || !outlives && owned.ControlledBy(secret, t.obj.UID) {
		return nil
	}
	return t.objectProblem(&owned.ConflictError{
		Resource: secretResource, Kind: "Secret", Namespace: secret.Namespace, Name: secret.Name, Outlives: outlives,
	})
}

// prepareUnsealKey makes the key of the static seal before there is anything that it
// seals. A key that is gone is never replaced by another one.
func (t *task) prepareUnsealKey(ctx context.Context) error {
	if !workload.UsesUnsealKey(t.obj) {
		return nil
	}
	name := workload.UnsealKeySecretName(t.obj)
	secret, err := t.readSecret(ctx, name)
	if err != nil {
		return err
	}
	if secret != nil {
		if err := t.ownSecret(secret, true); err != nil {
			return err
		}
		if len(secret.Data[workload.UnsealKeyKey]) != unsealKeyBytes {
			return t.brokenUnsealKey(name)
		}
		return nil
	}
	volume, err := t.volume(ctx)
	if err != nil {
		return err
	}
	further, err := t.furtherVolumes(ctx)
	if err != nil {
		return err
	}
	if t.initialized() || volume != nil || further {
		return t.lostUnsealKey(name)
	}
	if t.paused() {
		return nil
	}
	key := make([]byte, unsealKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("make an unseal key: %w", err)
	}
	made := t.newSecret(name, true, map[string][]byte{workload.UnsealKeyKey: key})
	made.Immutable = new(true)
	// One that somebody has made meanwhile is looked at by the next sync.
	if _, err := t.opts.Kube.CoreV1().Secrets(t.obj.Namespace).Create(ctx, made, metav1.CreateOptions{FieldManager: FieldManager}); err != nil {
		return t.objectProblem(fmt.Errorf("create Secret %s: %w", name, err))
	}
	t.changed = true
	return nil
}

// furtherVolumes reports whether the API server has a PersistentVolumeClaim of a server
// besides the first one.
func (t *task) furtherVolumes(ctx context.Context) (bool, error) {
	for ordinal := 1; ordinal < workload.MaxServers; ordinal++ {
		volume, err := t.volumeOf(ctx, ordinal)
		if err != nil || volume != nil {
			return volume != nil, err
		}
	}
	return false, nil
}

// volume returns the PersistentVolumeClaim of the first server as it is on the API
// server, nil if there is none.
func (t *task) volume(ctx context.Context) (*corev1.PersistentVolumeClaim, error) {
	return t.volumeOf(ctx, 0)
}

func (t *task) volumeOf(ctx context.Context, ordinal int) (*corev1.PersistentVolumeClaim, error) {
	name := workload.VolumeClaimName(t.obj, ordinal)
	claim, err := t.opts.Kube.CoreV1().PersistentVolumeClaims(t.obj.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, t.objectProblem(fmt.Errorf("read PersistentVolumeClaim %s: %w", name, err))
	}
	return claim, nil
}
