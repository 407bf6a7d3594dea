// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package publish writes connection details to Secrets.
//
// A Secret is ours when its controller owner has the UID of the object that it
// is published for, or is a predecessor of that object: one of the same kind and
// name that was deleted. Any other Secret of that name is never changed. Keys, labels
// and annotations that somebody else put on a Secret of ours stay, and keys that
// we no longer publish go: server-side apply keeps both apart.
//
// The package gets along with the verbs create and patch. Where get is granted
// too, it reads before it writes, and so writes only what changed.
package publish

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/csaupgrade"
)

const (
	// FieldManager owns what is applied to Secrets.
	FieldManager = "bailiwick-publisher"
	// LabelManagedBy marks the Secrets that this package writes where a watch has to
	// select them; see Publisher.LabelIn.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "bailiwick"
)

// ConflictError says that the Secret belongs to somebody else, or that it can't
// be written as asked. Nothing was changed.
type ConflictError struct {
	// Message is a sentence for people: what is wrong and how to fix it.
	Message string
}

// Error implements error.
func (e *ConflictError) Error() string { return e.Message }

// Owner is the object that connection details belong to.
type Owner struct {
	GVK       schema.GroupVersionKind
	Namespace string
	Name      string
	UID       types.UID
}

// Target is the Secret to write, in the owner's namespace.
type Target struct {
	Name        string
	Labels      map[string]string
	Annotations map[string]string
}

// Publisher writes Secrets. It is safe for concurrent use.
type Publisher struct {
	secrets  corev1client.SecretsGetter
	metadata metadata.Interface

	mu sync.Mutex
	// known holds what the last read of, or write to, an owner's Secret left. An
	// entry ends with its owner.
	known map[types.UID]known
	// labelled are the namespaces, "" for all, in which Secrets get the label.
	labelled map[string]struct{}
}

type known struct {
	identity
	owner   Owner
	version string
	digest  [sha256.Size]byte
}

// New returns a Publisher. metadata reads ownership where Secrets themselves
// may not be read.
func New(secrets corev1client.SecretsGetter, metadata metadata.Interface) *Publisher {
	return &Publisher{secrets: secrets, metadata: metadata, known: map[types.UID]known{}, labelled: map[string]struct{}{}}
}

// LabelIn has the Secrets of a namespace, or of all (""), carry a label by which a
// watch selects them, and calls wake for the owners of those that were published
// without it. Other Secrets carry none: what marks them is their controller, and
// tools that compare labels would find one that nobody asked for.
func (p *Publisher) LabelIn(namespace string, wake func(kind string, owner cache.ObjectName)) {
	p.mu.Lock()
	p.labelled[namespace] = struct{}{}
	var owners []Owner
	for _, k := range p.known {
		if namespace == metav1.NamespaceAll || namespace == k.owner.Namespace {
			owners = append(owners, k.owner)
		}
	}
	p.mu.Unlock()
	for _, o := range owners {
		wake(o.GVK.Kind, cache.NewObjectName(o.Namespace, o.Name))
	}
}

// labelsOf returns the labels of a Secret in namespace.
func (p *Publisher) labelsOf(namespace string, target Target) map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, here := p.labelled[namespace]
	_, everywhere := p.labelled[metav1.NamespaceAll]
	labels := map[string]string{}
	if here || everywhere {
		labels[LabelManagedBy] = ManagedBy
	}
	maps.Copy(labels, target.Labels)
	return labels
}

// Forget drops what is remembered of an owner that is gone.
func (p *Publisher) Forget(owner types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, owner)
}

// Publish makes the target hold data. It returns a *ConflictError for what a
// person has to fix, and other errors for what a later try may settle.
func (p *Publisher) Publish(ctx context.Context, owner Owner, target Target, data map[string][]byte) error {
	if err := validate(owner, target, data); err != nil {
		return err
	}
	target.Labels = p.labelsOf(owner.Namespace, target)
	digest, err := digestOf(target, data)
	if err != nil {
		return err
	}
	held, err := p.publish(ctx, owner, target, data, digest)
	return withhold(err, data, held)
}

// publish is Publish. It returns what the Secret held that was there.
func (p *Publisher) publish(ctx context.Context, owner Owner, target Target, data map[string][]byte, digest [sha256.Size]byte) (held map[string][]byte, err error) {
	live, err := p.secrets.Secrets(owner.Namespace).Get(ctx, target.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, p.create(ctx, owner, target, data, digest)
	case apierrors.IsForbidden(err):
		return nil, p.publishBlind(ctx, owner, target, data, digest)
	case err != nil:
		return nil, fmt.Errorf("read secret %s/%s: %w", owner.Namespace, target.Name, err)
	}
	held = live.Data
	inherited, err := owned(owner, live)
	if err != nil {
		return held, err
	}
	if inherited {
		if live, err = p.inherit(ctx, owner, live); err != nil {
			return held, err
		}
	}
	if live, err = p.takeOver(ctx, live, peerManager); err != nil {
		return held, err
	}
	if p.upToDate(owner, target, live, data, digest) {
		return held, nil
	}
	if _, err = p.takeOver(ctx, live, FieldManager); err != nil {
		return held, err
	}
	return held, p.apply(ctx, owner, target, data, identityOf(live), digest)
}

// peerManager is how the aiven-operator signs what it writes.
const peerManager = "manager"

// takeOver moves what a manager owns by plain writes to what we own by apply, so
// that applying removes what is no longer published. It returns the Secret as it
// is then.
func (p *Publisher) takeOver(ctx context.Context, live *corev1.Secret, manager string) (*corev1.Secret, error) {
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(manager), FieldManager)
	if err != nil {
		return nil, fmt.Errorf("take over secret %s/%s: %w", live.Namespace, live.Name, err)
	}
	if len(patch) == 0 {
		return live, nil
	}
	got, err := p.secrets.Secrets(live.Namespace).Patch(ctx, live.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
	if err != nil {
		return nil, fmt.Errorf("take over secret %s/%s: %w", live.Namespace, live.Name, err)
	}
	return got, nil
}

// upToDate reports whether live shows all that we publish. A key that we stopped
// publishing shows by the digest, which is compared once it is known.
func (p *Publisher) upToDate(owner Owner, target Target, live *corev1.Secret, data map[string][]byte, digest [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.known[owner.UID]
	if ok && (k.uid != live.UID || k.digest != digest) {
		return false
	}
	// One that blocks is the aiven-operator's, and stays only where it has to.
	if identityOf(live).blocks != nil && k.blocks == nil {
		return false
	}
	for key, value := range data {
		if got, ok := live.Data[key]; !ok || string(got) != string(value) {
			return false
		}
	}
	if !contains(live.Labels, target.Labels) || !contains(live.Annotations, target.Annotations) || !ownsOnly(live, target, data) {
		return false
	}
	p.known[owner.UID] = known{identity: identityOf(live), owner: owner, version: live.ResourceVersion, digest: digest}
	return true
}

// ownsOnly reports whether we own keys, by create or by apply, and all that we own
// is still published: keys, labels and annotations.
func ownsOnly(live *corev1.Secret, target Target, data map[string][]byte) bool {
	owns := false
	for _, entry := range live.ManagedFields {
		if entry.Manager != FieldManager || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Data     map[string]json.RawMessage `json:"f:data"`
			Metadata struct {
				Labels      map[string]json.RawMessage `json:"f:labels"`
				Annotations map[string]json.RawMessage `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
			return false
		}
		if !covers(data, fields.Data) || !covers(target.Labels, fields.Metadata.Labels) || !covers(target.Annotations, fields.Metadata.Annotations) {
			return false
		}
		owns = owns || fields.Data != nil
	}
	return owns
}

// covers reports whether all keys that are owned are published.
func covers[V any](published map[string]V, owned map[string]json.RawMessage) bool {
	for field := range owned {
		key, ok := strings.CutPrefix(field, "f:")
		if _, has := published[key]; ok && !has {
			return false
		}
	}
	return true
}

// publishBlind does without reading the Secret.
func (p *Publisher) publishBlind(ctx context.Context, owner Owner, target Target, data map[string][]byte, digest [sha256.Size]byte) error {
	p.mu.Lock()
	k, ok := p.known[owner.UID]
	p.mu.Unlock()
	if ok {
		err := p.apply(ctx, owner, target, data, k.identity, digest)
		if !errors.Is(err, errGone) {
			return err
		}
	}
	return p.create(ctx, owner, target, data, digest)
}

// create makes the Secret, which distinguishes one that is ours from one that is
// not: an apply could not. What it owns is moved to what we own by apply when
// something is to change, which most Secrets never need.
func (p *Publisher) create(ctx context.Context, owner Owner, target Target, data map[string][]byte, digest [sha256.Size]byte) error {
	controller := true
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:        target.Name,
			Namespace:   owner.Namespace,
			Labels:      target.Labels,
			Annotations: target.Annotations,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: owner.GVK.GroupVersion().String(), Kind: owner.GVK.Kind,
				Name: owner.Name, UID: owner.UID, Controller: &controller,
			}},
		},
		Data: data,
	}
	made, err := p.secrets.Secrets(owner.Namespace).Create(ctx, secret, metav1.CreateOptions{FieldManager: FieldManager})
	switch {
	case apierrors.IsAlreadyExists(err):
		id, err := p.ownedIdentity(ctx, owner, target)
		if err != nil {
			return err
		}
		return p.apply(ctx, owner, target, data, id, digest)
	case apierrors.IsInvalid(err):
		// What the API server says then may quote values.
		return fmt.Errorf("create secret %s/%s: %w", owner.Namespace, target.Name, errInvalid)
	case err != nil:
		return fmt.Errorf("create secret %s/%s: %w", owner.Namespace, target.Name, err)
	}
	p.remember(owner, made, digest)
	return nil
}

// remember notes what a write left.
func (p *Publisher) remember(owner Owner, secret *corev1.Secret, digest [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[owner.UID] = known{identity: identityOf(secret), owner: owner, version: secret.ResourceVersion, digest: digest}
}

// apply writes all that we own. The UID keeps a namesake untouched. What turns
// out to be owned by our create is moved first to what an apply can remove.
func (p *Publisher) apply(ctx context.Context, owner Owner, target Target, data map[string][]byte, id identity, digest [sha256.Size]byte) error {
	config := corev1ac.Secret(target.Name, owner.Namespace).
		WithUID(id.uid).
		WithLabels(target.Labels).
		WithAnnotations(target.Annotations).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(owner.GVK.GroupVersion().String()).WithKind(owner.GVK.Kind).
			WithName(owner.Name).WithUID(owner.UID).WithController(true)).
		WithData(data)
	got, err := p.applyConfig(ctx, owner, config)
	if apierrors.IsForbidden(err) && id.blocks != nil {
		// With the admission plugin OwnerReferencesPermissionEnforcement only those that
		// may delete a Secret may change such a reference.
		config.OwnerReferences[0].BlockOwnerDeletion = id.blocks
		got, err = p.applyConfig(ctx, owner, config)
	}
	if err != nil {
		return err
	}
	moved, err := p.takeOver(ctx, got, FieldManager)
	if err != nil {
		return err
	}
	if moved != got {
		if got, err = p.applyConfig(ctx, owner, config); err != nil {
			return err
		}
	}
	p.remember(owner, got, digest)
	return nil
}

func (p *Publisher) applyConfig(ctx context.Context, owner Owner, config *corev1ac.SecretApplyConfiguration) (*corev1.Secret, error) {
	got, err := p.secrets.Secrets(owner.Namespace).Apply(ctx, config, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsInvalid(err):
		// All of these mean that the Secret with this UID is gone, and perhaps
		// another one is there instead.
		p.Forget(owner.UID)
		return nil, fmt.Errorf("apply secret %s/%s: %w", owner.Namespace, *config.Name, errGone)
	case err != nil:
		return nil, fmt.Errorf("apply secret %s/%s: %w", owner.Namespace, *config.Name, err)
	}
	return got, nil
}

// errGone says that the Secret to write is no longer the one that was seen. What
// the API server answers then is not passed on: a validation error may quote
// values.
var errGone = errors.New("the Secret was replaced or deleted meanwhile")

// errInvalid stands for a validation error, for the same reason.
var errInvalid = errors.New("the API server refuses it as invalid; correct spec.connInfoSecretTarget")

func validate(owner Owner, target Target, data map[string][]byte) error {
	var bad []string
	if msgs := validation.IsDNS1123Subdomain(target.Name); len(msgs) > 0 {
		bad = append(bad, fmt.Sprintf("name %q: %s", target.Name, strings.Join(msgs, ", ")))
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if msgs := validation.IsConfigMapKey(key); len(msgs) > 0 {
			bad = append(bad, fmt.Sprintf("key %q: %s", key, strings.Join(msgs, ", ")))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return &ConflictError{Message: fmt.Sprintf("The connection Secret of %s %s can't be written: %s. Correct spec.connInfoSecretTarget.",
		owner.GVK.Kind, owner.Name, strings.Join(bad, "; "))}
}

func contains(have, want map[string]string) bool {
	for k, v := range want {
		if got, ok := have[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func digestOf(target Target, data map[string][]byte) ([sha256.Size]byte, error) {
	raw, err := json.Marshal([]any{target, data})
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("digest connection details: %w", err)
	}
	return sha256.Sum256(raw), nil
}
