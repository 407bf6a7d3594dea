// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"net/netip"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

// Facts is what the objects depend on besides the spec. Nothing in it is changed.
type Facts struct {
	// Config is the rendered configuration of the servers.
	Config serverconfig.Rendered
	// TrustDigest is that of the CA certificates in the Secret of the servers' certificate.
	TrustDigest string
	// Replicas is how many servers there are to be now. It is not always what the
	// spec asks for: a cluster has one server until it is initialized.
	Replicas int32
	// First is the ordinal of the first of them. It is 0 but for a cluster that goes on with
	// one server after it has lost its quorum.
	First int32
	// Recovers means that Jobs work on the volumes of the servers.
	Recovers bool
	// Stored is the StatefulSet as the API server has it, nil if there is none. Where
	// the spec wants something else in a field that cannot be changed, the stored
	// value is kept.
	Stored *appsv1.StatefulSet
	// APIServer are the addresses of the Kubernetes API server: those of its Service,
	// and those behind it.
	APIServer []netip.AddrPort
	// Operator is where Bailiwick runs. Its zero value allows no connection from
	// Bailiwick's pods, for an operator that runs outside of the cluster.
	Operator Peer
	// ServiceMonitors means that the API server has the kind ServiceMonitor.
	ServiceMonitors bool
}

// Peer are pods that may connect to the servers.
type Peer struct {
	Namespace string
	// PodLabels select the pods. The default is app.kubernetes.io/name=bailiwick.
	PodLabels map[string]string
}

// Object is a Kubernetes object of any kind. Its apiVersion and kind are set.
type Object interface {
	metav1.Object
	runtime.Object
}

// Objects is what the servers of a cluster need. Everything is in the namespace of the
// cluster, and the caller's to change.
type Objects struct {
	// Apply are the objects that must exist, in the order in which to apply them: a
	// pod finds what it mounts.
	Apply []Object
	// StatefulSet is the StatefulSet in Apply.
	StatefulSet *appsv1.StatefulSet
	// Absent are the objects that must not exist. Only those that the cluster owns are
	// meant.
	Absent []ObjectKey
	// Kept are the settings that the spec wants changed and that cannot be changed.
	Kept []Kept
	// Notes are for people: what was accepted and does nothing, and what may surprise.
	Notes []string
}

// ObjectKey names an object in the namespace of the cluster.
type ObjectKey struct {
	schema.GroupVersionKind
	Name string
}

// Kept is a setting that keeps the value that it has on the API server.
type Kept struct {
	// Field is a path in the spec of the cluster, or, where that has no such field, in
	// the spec of the StatefulSet.
	Field string
	// Wanted and Kept are the two values, for people.
	Wanted, Kept string
}
