// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	metadatafake "k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

var (
	owner  = Owner{GVK: schema.GroupVersionKind{Group: "aiven.io", Version: "v1alpha1", Kind: "Kafka"}, Namespace: "ns", Name: "k", UID: "owner"}
	target = Target{Name: "conn", Labels: map[string]string{"team": "a"}}
	data   = map[string][]byte{"HOST": []byte("h"), "PASSWORD": []byte("secret-of-the-service")}
)

type fixture struct {
	*testing.T
	client    *fake.Clientset
	publisher *Publisher
}

func newFixture(t *testing.T, secrets ...*corev1.Secret) *fixture {
	client := fake.NewClientset()
	for _, s := range secrets {
		if _, err := client.CoreV1().Secrets(s.Namespace).Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	client.ClearActions()
	scheme := runtime.NewScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return &fixture{T: t, client: client, publisher: New(client.CoreV1(), metadatafake.NewSimpleMetadataClient(scheme))}
}

func (f *fixture) publish(target Target, data map[string][]byte) {
	f.Helper()
	if err := f.publisher.Publish(f.Context(), owner, target, data); err != nil {
		f.Fatalf("publish: %v", err)
	}
}

// verbs returns what was asked of the API server since the last call.
func (f *fixture) verbs() (out []string) {
	for _, a := range f.client.Actions() {
		out = append(out, a.GetVerb())
	}
	f.client.ClearActions()
	return out
}

func (f *fixture) wantVerbs(want ...string) {
	f.Helper()
	if got := f.verbs(); !slices.Equal(got, want) {
		f.Errorf("verbs = %q, want %q", got, want)
	}
}

func (f *fixture) secret() *corev1.Secret {
	f.Helper()
	s, err := f.client.CoreV1().Secrets("ns").Get(context.Background(), "conn", metav1.GetOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.client.ClearActions()
	return s
}

func controlledBy(kind, name string, uid types.UID) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "conn", UID: "secret", OwnerReferences: []metav1.OwnerReference{{
		APIVersion: "aiven.io/v1alpha1", Kind: kind, Name: name, UID: uid, Controller: new(true),
	}}}}
}

func TestPublishWritesOnlyWhatChanged(t *testing.T) {
	f := newFixture(t)
	f.publish(target, data)
	f.wantVerbs("get", "create")
	s := f.secret()
	if string(s.Data["HOST"]) != "h" || !metav1.IsControlledBy(s, &metav1.ObjectMeta{UID: owner.UID}) {
		t.Errorf("secret = %+v", s)
	}
	f.publish(target, data)
	f.wantVerbs("get")

	f.publish(target, map[string][]byte{"HOST": []byte("other")})
	if s := f.secret(); string(s.Data["HOST"]) != "other" || s.Data["PASSWORD"] != nil {
		t.Errorf("data = %v, want the key that is published only", s.Data)
	}
}

// A label that nobody asked for is found by tools that compare labels. It is needed
// only where a watch selects by it.
func TestOnlyWatchedSecretsAreLabelled(t *testing.T) {
	f := newFixture(t)
	f.publish(target, data)
	if got := f.secret().Labels; len(got) != 1 || got["team"] != "a" {
		t.Errorf("labels = %v, want only those that were asked for", got)
	}
	var woken []string
	wake := func(kind string, name cache.ObjectName) { woken = append(woken, kind+" "+name.String()) }
	f.publisher.LabelIn("other", wake)
	if len(woken) != 0 {
		t.Errorf("woken = %q by another namespace", woken)
	}
	f.publisher.LabelIn("ns", wake)
	if !slices.Equal(woken, []string{"Kafka ns/k"}) {
		t.Errorf("woken = %q, want the owner of a Secret without the label", woken)
	}
	f.publish(target, data)
	if got := f.secret().Labels; got[LabelManagedBy] != ManagedBy || got["team"] != "a" {
		t.Errorf("labels = %v where Secrets are watched", got)
	}
	f.publish(target, data)
	f.wantVerbs("get")
}

// What an earlier process wrote and this one does not goes, as it would have within
// one process.
func TestWhatIsNotAskedForAnyMoreGoes(t *testing.T) {
	for name, change := range map[string]func(*Target, map[string][]byte){
		"label":      func(t *Target, _ map[string][]byte) { t.Labels = nil },
		"annotation": func(t *Target, _ map[string][]byte) { t.Annotations = nil },
		"key":        func(_ *Target, d map[string][]byte) { delete(d, "PASSWORD") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			before := Target{Name: "conn", Labels: map[string]string{"team": "a"}, Annotations: map[string]string{"note": "n"}}
			f.publish(before, data)
			f.publisher = New(f.client.CoreV1(), nil)
			after, less := before, map[string][]byte{"HOST": data["HOST"], "PASSWORD": data["PASSWORD"]}
			change(&after, less)
			f.publish(after, less)
			s := f.secret()
			if len(s.Labels) != len(after.Labels) || len(s.Annotations) != len(after.Annotations) || len(s.Data) != len(less) {
				t.Errorf("labels %v, annotations %v, keys %d", s.Labels, s.Annotations, len(s.Data))
			}
		})
	}
}

func TestSecretsOfOthersAreNotTouched(t *testing.T) {
	for name, theirs := range map[string]*corev1.Secret{
		"nobody's":       {ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "conn"}},
		"another name's": controlledBy("Kafka", "other", "x"),
		"another kind's": controlledBy("PostgreSQL", "k", "x"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, theirs)
			err := f.publisher.Publish(t.Context(), owner, target, data)
			var conflict *ConflictError
			if !errors.As(err, &conflict) || !strings.Contains(conflict.Message, "kubectl delete secret conn -n ns") {
				t.Errorf("error = %v, want a conflict with a way out", err)
			}
			f.wantVerbs("get")
		})
	}
}

// The Secret of an object that was deleted and created again is taken over.
func TestTheSecretOfAPredecessorIsInherited(t *testing.T) {
	f := newFixture(t, controlledBy("Kafka", "k", "before"))
	f.publish(target, data)
	if s := f.secret(); s.OwnerReferences[0].UID != owner.UID || string(s.Data["HOST"]) != "h" {
		t.Errorf("secret = %+v", s)
	}
}

// A reference that blocks the deletion of the owner, as the aiven-operator writes
// them, goes although all the rest is as it should be. Where the API server refuses
// that, the rest is published and it is not tried at each look.
func TestAReferenceThatBlocksIsReplaced(t *testing.T) {
	for name, refused := range map[string]bool{"replaced": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.publish(target, data)
			theirs := f.secret()
			theirs.OwnerReferences[0].BlockOwnerDeletion = new(true)
			if _, err := f.client.CoreV1().Secrets("ns").Update(t.Context(), theirs, metav1.UpdateOptions{FieldManager: peerManager}); err != nil {
				t.Fatal(err)
			}
			f.client.PrependReactor("patch", "secrets", func(a clienttesting.Action) (bool, runtime.Object, error) {
				patch := a.(clienttesting.PatchAction)
				if refused && patch.GetPatchType() == types.ApplyPatchType && !strings.Contains(string(patch.GetPatch()), "blockOwnerDeletion") {
					return true, nil, apierrors.NewForbidden(corev1.Resource("secrets"), "conn", errors.New("blockOwnerDeletion"))
				}
				return false, nil, nil
			})
			f.publisher = New(f.client.CoreV1(), nil)
			f.publish(target, data)
			if ref := f.secret().OwnerReferences; len(ref) != 1 || (ref[0].BlockOwnerDeletion != nil) != refused {
				t.Errorf("owner references = %+v", ref)
			}
			f.publish(target, data)
			f.wantVerbs("get")
		})
	}
}

// The policy is named after the release of the chart, if that installed it.
func TestRefusalsByThePolicy(t *testing.T) {
	refusal := func(policy string) error {
		return apierrors.NewForbidden(corev1.Resource("secrets"), "conn", errors.New("ValidatingAdmissionPolicy '"+policy+"' with binding 'b' denied request: no"))
	}
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"of the manifests":         {refusal("bailiwick-secrets"), true},
		"of a release":             {refusal("aiven-operator-bailiwick-secrets"), true},
		"another policy":           {refusal("bailiwick-objects"), false},
		"RBAC":                     {apierrors.NewForbidden(corev1.Resource("secrets"), "conn", errors.New("no")), false},
		"no refusal that names it": {errors.New("ValidatingAdmissionPolicy 'bailiwick-secrets' "), false},
	} {
		if got := refusedByPolicy(tt.err); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhatCanNotBeASecretIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		target Target
		data   map[string][]byte
	}{
		"name": {Target{Name: "Not A Name"}, data},
		"key":  {target, map[string][]byte{"a b": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			var conflict *ConflictError
			if err := f.publisher.Publish(t.Context(), owner, tt.target, tt.data); !errors.As(err, &conflict) {
				t.Errorf("error = %v, want a conflict", err)
			}
			f.wantVerbs()
		})
	}
}

// An answer of the API server, or of a webhook, may quote what it refuses.
func TestErrorsQuoteNoConnectionDetails(t *testing.T) {
	f := newFixture(t)
	f.client.PrependReactor("create", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "conn", errors.New("denied: PASSWORD=secret-of-the-service"))
	})
	err := f.publisher.Publish(t.Context(), owner, target, data)
	if err == nil || strings.Contains(err.Error(), "secret-of-the-service") || !apierrors.IsForbidden(err) {
		t.Errorf("error = %v", err)
	}
}

// Where Secrets may not be read, what was published is known from the last write.
func TestPublishWithoutReading(t *testing.T) {
	f := newFixture(t)
	f.client.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "conn", errors.New("no"))
	})
	f.publish(target, data)
	f.wantVerbs("get", "create")
	f.publish(target, data)
	if got := f.verbs(); slices.Contains(got, "create") {
		t.Errorf("verbs = %q, want no second create", got)
	}
}

// Of our own writes nobody is told, of others' the owner is.
func TestTheWatchWakesTheOwner(t *testing.T) {
	f := newFixture(t)
	f.publish(target, data)
	s := f.secret()
	var woken []string
	h := f.publisher.Handler(func(kind string, name cache.ObjectName) { woken = append(woken, kind+" "+name.String()) })
	meta := &metav1.PartialObjectMetadata{ObjectMeta: s.ObjectMeta}
	h.OnUpdate(nil, meta)
	if len(woken) != 0 {
		t.Errorf("woken = %q by our own write", woken)
	}
	theirs := meta.DeepCopy()
	theirs.ResourceVersion += "1"
	h.OnUpdate(meta, theirs)
	h.OnDelete(cache.DeletedFinalStateUnknown{Obj: theirs})
	if !slices.Equal(woken, []string{"Kafka ns/k", "Kafka ns/k"}) {
		t.Errorf("woken = %q, want the owner twice", woken)
	}

	f.publisher.Forget(owner.UID)
	if len(f.publisher.known) != 0 {
		t.Errorf("%d owners known after the last was forgotten", len(f.publisher.known))
	}
}

func TestTrimMetadataKeepsNoContent(t *testing.T) {
	item, err := TrimMetadata(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: "secret"}, ManagedFields: []metav1.ManagedFieldsEntry{{}},
	}})
	if meta := item.(*metav1.PartialObjectMetadata); err != nil || meta.Annotations != nil || meta.ManagedFields != nil {
		t.Errorf("metadata = %+v, %v", item, err)
	}
}
