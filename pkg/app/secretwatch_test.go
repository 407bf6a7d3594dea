// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"testing"
	"testing/synctest"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	metadatafake "k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

// Secrets are watched where this process may, whether or not somebody wants to know
// in which namespaces that is.
func TestSecretsAreWatchedWhereGranted(t *testing.T) {
	for name, listens := range map[string]bool{"with a listener": true, "without one": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kube := fake.NewClientset()
				kube.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
					review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
					review.Status.Allowed = review.Spec.ResourceAttributes.Namespace == "granted"
					return true, review, nil
				})
				scheme := metadatafake.NewTestScheme()
				if err := metav1.AddMetaToScheme(scheme); err != nil {
					t.Fatal(err)
				}
				var seen, granted []string
				w := &secretWatch{
					reviews:    kube.AuthorizationV1().SelfSubjectAccessReviews(),
					metadata:   metadatafake.NewSimpleMetadataClient(scheme, secretIn("granted"), secretIn("refused")),
					namespaces: []string{"granted", "refused"},
					trim:       trimToVersion,
					handler: cache.ResourceEventHandlerFuncs{AddFunc: func(obj any) {
						seen = append(seen, obj.(*metav1.PartialObjectMetadata).Namespace)
					}},
				}
				if listens {
					w.granted = func(ns string) { granted = append(granted, ns) }
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					w.run(ctx)
				}()
				synctest.Wait()
				cancel()
				<-ended
				if len(seen) != 1 || seen[0] != "granted" {
					t.Errorf("Secrets seen in %q, want those of the namespace granted", seen)
				}
				if listens && (len(granted) != 1 || granted[0] != "granted") {
					t.Errorf("told of %q, want the namespace granted", granted)
				}
			})
		})
	}
}

func secretIn(namespace string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "a", UID: "uid", ResourceVersion: "1"},
	}
}
