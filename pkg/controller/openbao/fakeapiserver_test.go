// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	kubescheme "k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"

	bailiwickfake "github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/fake"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// apiServer is one API server behind the clients of all three kinds. Unlike the fakes of
// client-go it gives versions and UIDs, refuses a status of an old version, and applies
// unstructured objects: as if nobody else had ever set a field of them.
type apiServer struct {
	clienttesting.ObjectTracker
	scheme *runtime.Scheme

	kube    *fake.Clientset
	custom  *bailiwickfake.Clientset
	dynamic *dynamicfake.FakeDynamicClient

	// before, if set, sees each object that a client is about to write.
	before func(verb, resource string, object runtime.Object)

	mu      sync.Mutex
	version int
	// writes are what clients changed, and tokens how many they were given.
	writes []string
	tokens int
}

func newAPIServer() *apiServer {
	scheme := runtime.NewScheme()
	utilruntime.Must(kubescheme.AddToScheme(scheme))
	utilruntime.Must(openbaov1alpha1.Install(scheme))
	s := &apiServer{
		ObjectTracker: clienttesting.NewObjectTracker(scheme, serializer.NewCodecFactory(scheme).UniversalDecoder()),
		scheme:        scheme, kube: &fake.Clientset{}, custom: &bailiwickfake.Clientset{}, dynamic: dynamicfake.NewSimpleDynamicClient(scheme),
	}
	for _, client := range []*clienttesting.Fake{&s.kube.Fake, &s.custom.Fake, &s.dynamic.Fake} {
		react := s.react
		if client == &s.dynamic.Fake {
			react = s.reactUnstructured
		}
		client.PrependReactor("*", "*", react)
		client.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
			options := metav1.ListOptions{}
			if asked, ok := action.(clienttesting.WatchActionImpl); ok {
				options = asked.ListOptions
			}
			w, err := s.Watch(action.GetResource(), action.GetNamespace(), options)
			return true, w, err
		})
	}
	return s
}

func (s *apiServer) react(action clienttesting.Action) (bool, runtime.Object, error) {
	switch a := action.(type) {
	case clienttesting.CreateActionImpl:
		if request, ok := a.Object.(*authenticationv1.TokenRequest); ok {
			return true, s.token(a.Namespace, a.Name, request), nil
		}
		object, err := s.create(a.Resource, a.Object)
		return true, object, err
	case clienttesting.PatchActionImpl:
		object, err := s.apply(a)
		return true, object, err
	case clienttesting.DeleteActionImpl:
		s.wrote("delete", a.Resource, a.Name, nil)
		return true, nil, s.Delete(a.Resource, a.Namespace, a.Name)
	case clienttesting.UpdateActionImpl:
		if a.Resource.Resource == "leases" {
			object, err := s.update(a.Resource, a.Object)
			return true, object, err
		}
		return true, nil, fmt.Errorf("an update of %s, which this package does not do", a.Resource.Resource)
	}
	return clienttesting.ObjectReaction(s.ObjectTracker)(action)
}

// reactUnstructured is react for the dynamic client.
func (s *apiServer) reactUnstructured(action clienttesting.Action) (bool, runtime.Object, error) {
	handled, object, err := s.react(action)
	if object == nil || err != nil {
		return handled, nil, err
	}
	kinds, _, err := s.scheme.ObjectKinds(object)
	if err != nil {
		return true, nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return true, nil, err
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(kinds[0])
	return true, u, nil
}

func (s *apiServer) token(namespace, name string, request *authenticationv1.TokenRequest) runtime.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens++
	answer := request.DeepCopy()
	answer.Status.Token = strings.Join([]string{namespace, name, request.Spec.Audiences[0]}, " ")
	return answer
}

func (s *apiServer) wrote(verb string, resource schema.GroupVersionResource, name string, object runtime.Object) {
	if s.before != nil && object != nil {
		s.before(verb, resource.Resource, object)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, verb+" "+resource.Resource+" "+name)
}

// takeWrites returns what clients changed since the last call, and how many tokens they
// were given.
func (s *apiServer) takeWrites() (writes []string, tokens int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	writes, tokens = s.writes, s.tokens
	s.writes, s.tokens = nil, 0
	for _, client := range []*clienttesting.Fake{&s.kube.Fake, &s.custom.Fake, &s.dynamic.Fake} {
		client.ClearActions()
	}
	return writes, tokens
}

// typed returns an object as the type of its kind.
func (s *apiServer) typed(object runtime.Object) (runtime.Object, metav1.Object, error) {
	if u, ok := object.(*unstructured.Unstructured); ok {
		made, err := s.scheme.New(u.GroupVersionKind())
		if err != nil {
			return nil, nil, err
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, made); err != nil {
			return nil, nil, err
		}
		object = made
	} else {
		object = object.DeepCopyObject()
	}
	accessor, err := meta.Accessor(object)
	return object, accessor, err
}

// stamp gives an object the next version.
func (s *apiServer) stamp(object metav1.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	object.SetResourceVersion(fmt.Sprint(s.version))
	if object.GetUID() == "" {
		object.SetUID(types.UID(fmt.Sprintf("uid-%d", s.version)))
		object.SetCreationTimestamp(metav1.Now())
	}
}

func (s *apiServer) create(resource schema.GroupVersionResource, object runtime.Object) (runtime.Object, error) {
	object, accessor, err := s.typed(object)
	if err != nil {
		return nil, err
	}
	if _, err := s.Get(resource, accessor.GetNamespace(), accessor.GetName()); err == nil {
		return nil, apierrors.NewAlreadyExists(resource.GroupResource(), accessor.GetName())
	}
	s.wrote("create", resource, accessor.GetName(), object)
	return s.put(resource, object, accessor)
}

// update changes an object that is of the version that it was read in.
func (s *apiServer) update(resource schema.GroupVersionResource, object runtime.Object) (runtime.Object, error) {
	object, accessor, err := s.typed(object)
	if err != nil {
		return nil, err
	}
	live, err := s.Get(resource, accessor.GetNamespace(), accessor.GetName())
	if err != nil {
		return nil, err
	}
	was, err := meta.Accessor(live)
	if err != nil {
		return nil, err
	}
	if was.GetResourceVersion() != accessor.GetResourceVersion() {
		return nil, apierrors.NewConflict(resource.GroupResource(), accessor.GetName(), errors.New("the object has been modified"))
	}
	s.wrote("update", resource, accessor.GetName(), object)
	return s.put(resource, object, accessor)
}

// put stores an object that is new or is there already, without it being a client's write.
func (s *apiServer) put(resource schema.GroupVersionResource, object runtime.Object, accessor metav1.Object) (runtime.Object, error) {
	_, err := s.Get(resource, accessor.GetNamespace(), accessor.GetName())
	s.stamp(accessor)
	if err == nil {
		err = s.Update(resource, object, accessor.GetNamespace())
	} else {
		err = s.Create(resource, object, accessor.GetNamespace())
	}
	if err != nil {
		return nil, err
	}
	if set, ok := object.(*appsv1.StatefulSet); ok {
		if err := s.runPods(set); err != nil {
			return nil, err
		}
	}
	return s.Get(resource, accessor.GetNamespace(), accessor.GetName())
}

func (s *apiServer) apply(action clienttesting.PatchActionImpl) (runtime.Object, error) {
	if action.PatchType != types.ApplyPatchType {
		return nil, fmt.Errorf("a patch of the type %s, where nothing but an apply is needed", action.PatchType)
	}
	live, err := s.Get(action.Resource, action.Namespace, action.Name)
	if err != nil {
		return nil, err
	}
	was, err := meta.Accessor(live)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(action.Patch, &u.Object); err != nil {
		return nil, err
	}
	object, accessor, err := s.typed(u)
	if err != nil {
		return nil, err
	}
	if v := accessor.GetResourceVersion(); v != "" && v != was.GetResourceVersion() || accessor.GetUID() != was.GetUID() {
		return nil, apierrors.NewConflict(action.Resource.GroupResource(), action.Name, errors.New("the object has been modified"))
	}
	switch now := object.(type) {
	case *openbaov1alpha1.OpenBaoCluster:
		merged := live.(*openbaov1alpha1.OpenBaoCluster).DeepCopy()
		mergeStatus(&merged.Status, now.Status)
		object, accessor = merged, merged
	case *appsv1.StatefulSet:
		now.Status = live.(*appsv1.StatefulSet).Status
	}
	accessor.SetUID(was.GetUID())
	accessor.SetCreationTimestamp(was.GetCreationTimestamp())
	s.wrote("apply", action.Resource, action.Name, object)
	return s.put(action.Resource, object, accessor)
}

// mergeStatus applies all that the field manager of this package owns.
func mergeStatus(live *openbaov1alpha1.OpenBaoClusterStatus, applied openbaov1alpha1.OpenBaoClusterStatus) {
	applied.Authorization = live.Authorization
	for _, c := range live.Conditions {
		if !slices.Contains(conditionTypes[:], c.Type) {
			applied.Conditions = append(applied.Conditions, c)
		}
	}
	*live = applied
}

// runPods does what the StatefulSet controller, a provisioner and a kubelet do.
func (s *apiServer) runPods(set *appsv1.StatefulSet) error {
	if set.Status.UpdateRevision == "" {
		set.Status.UpdateRevision = "r1"
		if err := s.Update(statefulSetResource, set, set.Namespace); err != nil {
			return err
		}
	}
	now := metav1.NewTime(time.Now())
	for i := range *set.Spec.Replicas {
		name := fmt.Sprintf("%s-%d", set.Name, i)
		if _, err := s.Get(podResource, set.Namespace, name); err == nil {
			continue
		}
		volume := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
			Namespace: set.Namespace, Name: "data-" + name, Labels: set.Spec.VolumeClaimTemplates[0].Labels,
		}, Spec: set.Spec.VolumeClaimTemplates[0].Spec}
		if _, err := s.put(corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims"), volume, volume); err != nil {
			return err
		}
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: set.Namespace, Name: name, Labels: map[string]string{revisionLabel: "r1"},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set.Name, UID: set.UID, Controller: new(true)}},
			},
			Spec: set.Spec.Template.Spec,
			Status: corev1.PodStatus{
				Phase:             corev1.PodRunning,
				Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: now}},
				ContainerStatuses: []corev1.ContainerStatus{{Name: workload.ContainerName, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}}},
			},
		}
		for key, value := range set.Spec.Template.Labels {
			pod.Labels[key] = value
		}
		if _, err := s.put(podResource, pod, pod); err != nil {
			return err
		}
	}
	return nil
}
